package files

import (
	"bufio"
	"encoding/binary"
	"io"
	"math"
	"math/bits"
)

// The elements of WebM that tell how long it is (RFC 9559).
const (
	ebmlSegment, ebmlInfo, ebmlScale, ebmlDuration = 0x18538067, 0x1549a966, 0x2ad7b1, 0x4489
	ebmlCluster, ebmlTime, ebmlGroup, ebmlBlock    = 0x1f43b675, 0xe7, 0xa0, 0xa1
	ebmlSimpleBlock                                = 0xa3
)

// webm is the duration that the container tells, else, as in what a browser
// records, the time of the last block.
func webm(in io.ReadSeeker) float64 {
	if _, err := in.Seek(0, io.SeekStart); err != nil {
		return 0
	}
	r := bufio.NewReader(in)
	scale, told, cluster, last := 1e6, 0.0, 0.0, 0.0 // ns a tick; ticks
	for {
		id, ok := vint(r, false)
		size, sized := vint(r, true)
		if !ok || !sized {
			break
		}
		switch id {
		case ebmlSegment, ebmlInfo, ebmlCluster, ebmlGroup:
			continue // into it; its size does not matter, and may be unknown
		}
		if size > MaxSize {
			break
		}
		body := make([]byte, min(size, 16))
		if _, err := io.ReadFull(r, body); err != nil {
			break
		}
		if _, err := r.Discard(int(size) - len(body)); err != nil {
			break
		}
		switch id {
		case ebmlScale:
			scale = number(body)
		case ebmlDuration:
			told = float(body)
		case ebmlTime:
			cluster = number(body)
		case ebmlBlock, ebmlSimpleBlock:
			if len(body) >= 3 { // track, then the time since the cluster's
				last = max(last, cluster+float64(int16(binary.BigEndian.Uint16(body[1:])))) //nolint:gosec // it is signed there
			}
		}
	}
	if told == 0 {
		told = last
	}
	return told * scale / 1e9
}

// vint reads a number of variable length, an id with its marker.
func vint(r *bufio.Reader, size bool) (uint64, bool) {
	first, err := r.ReadByte()
	if err != nil || first == 0 {
		return 0, false
	}
	n := bits.LeadingZeros8(first)
	v := uint64(first)
	if size {
		v &= 0xff >> (n + 1)
	}
	for range n {
		b, err := r.ReadByte()
		if err != nil {
			return 0, false
		}
		v = v<<8 | uint64(b)
	}
	return v, true
}

func number(b []byte) float64 {
	v := uint64(0)
	for _, x := range b[:min(len(b), 8)] {
		v = v<<8 | uint64(x)
	}
	return float64(v)
}

func float(b []byte) float64 {
	switch len(b) {
	case 4:
		return float64(math.Float32frombits(binary.BigEndian.Uint32(b)))
	case 8:
		return math.Float64frombits(binary.BigEndian.Uint64(b))
	}
	return 0
}
