package files

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
	"math"
)

// duration is how long a sound is, in seconds, by its container's own headers
// and without decoding it; 0 where they do not tell. walkMP4 and walkWebM find
// those of the others.
func duration(in io.ReadSeeker, size int64) float64 {
	head := make([]byte, 64<<10)
	n, _ := io.ReadFull(in, head)
	head = head[:n]
	switch {
	case bytes.HasPrefix(head, []byte("RIFF")):
		return wav(head)
	case bytes.HasPrefix(head, []byte("OggS")):
		return ogg(in, head, size)
	case bytes.HasPrefix(head, []byte("#!AMR\n")):
		return amr(in)
	}
	return mp3(head, size)
}

// wav: the data's length by the format's bytes a second.
func wav(b []byte) float64 {
	var rate uint32
	for i := 12; i+8 <= len(b); {
		n := binary.LittleEndian.Uint32(b[i+4:])
		switch string(b[i : i+4]) {
		case "fmt ":
			if i+20 <= len(b) {
				rate = binary.LittleEndian.Uint32(b[i+16:])
			}
		case "data":
			if rate == 0 || n > MaxSize {
				return 0
			}
			return float64(n) / float64(rate)
		}
		if n > uint32(len(b)) { //nolint:gosec // at most 64 KiB
			return 0
		}
		i += 8 + int(n) + int(n&1)
	}
	return 0
}

// ogg: the last page's granule, in samples (RFC 3533; Opus always counts 48,000 a second, RFC 7845).
func ogg(in io.ReadSeeker, head []byte, size int64) float64 {
	rate, skip := 0.0, 0.0
	if i := bytes.Index(head, []byte("OpusHead")); i >= 0 && i+12 <= len(head) {
		rate, skip = 48000, float64(binary.LittleEndian.Uint16(head[i+10:]))
	} else if i := bytes.Index(head, []byte("\x01vorbis")); i >= 0 && i+16 <= len(head) {
		rate = float64(binary.LittleEndian.Uint32(head[i+12:]))
	}
	if rate == 0 {
		return 0
	}
	if _, err := in.Seek(max(0, size-64<<10), io.SeekStart); err != nil {
		return 0
	}
	tail, _ := io.ReadAll(io.LimitReader(in, 64<<10))
	i := bytes.LastIndex(tail, []byte("OggS"))
	if i < 0 || i+14 > len(tail) {
		return 0
	}
	granule := binary.LittleEndian.Uint64(tail[i+6:])
	if granule > math.MaxInt64 {
		return 0
	}
	return max(0, (float64(granule)-skip)/rate)
}

// amr: frames of 20 ms, whose sizes their modes tell (RFC 4867, 5.3).
func amr(in io.ReadSeeker) float64 {
	sizes := [16]int{12, 13, 15, 17, 19, 20, 26, 31, 5}
	if _, err := in.Seek(6, io.SeekStart); err != nil {
		return 0
	}
	r, frames := bufio.NewReader(in), 0
	for {
		b, err := r.ReadByte()
		if err != nil {
			return float64(frames) * 0.02
		}
		if _, err := r.Discard(sizes[b>>3&15]); err != nil {
			return float64(frames) * 0.02
		}
		frames++
	}
}

// mp3: the count of frames in a Xing header, else the first frame's bit rate
// for all. Only MPEG-1 and 2, layer III.
func mp3(b []byte, size int64) float64 {
	start := 0
	if bytes.HasPrefix(b, []byte("ID3")) && len(b) > 10 {
		start = 10 + int(b[6])<<21 + int(b[7])<<14 + int(b[8])<<7 + int(b[9])
	}
	for i := start; i >= 0 && i+4 <= len(b); i++ {
		if b[i] != 0xff || b[i+1]&0xe6 != 0xe2 || b[i+2]>>4 == 0 || b[i+2]>>4 == 15 || b[i+2]>>2&3 == 3 {
			continue
		}
		rates, samples := []float64{0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320}, 1152.0
		hertz := []float64{44100, 48000, 32000}[b[i+2]>>2&3]
		if b[i+1]&0x08 == 0 { // MPEG-2
			rates, samples, hertz = []float64{0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160}, 576, hertz/2
		}
		for _, mark := range []string{"Xing", "Info"} {
			if j := bytes.Index(b[i:min(len(b), i+64)], []byte(mark)); j >= 0 && i+j+12 <= len(b) && b[i+j+7]&1 == 1 {
				return float64(binary.BigEndian.Uint32(b[i+j+8:])) * samples / hertz
			}
		}
		return float64(size-int64(i)) * 8 / (rates[b[i+2]>>4] * 1000)
	}
	return 0
}
