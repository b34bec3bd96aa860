package files

import (
	"bytes"
	"compress/zlib"
	"context"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// Uploads made to cost much. All are below MaxSize.

// chunk is one of a PNG.
func chunk(kind, body string) []byte {
	out := append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), kind+body...)
	return binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE([]byte(kind+body)))
}

const pngHead = "\x89PNG\r\n\x1a\n"

func deflate(n int) string {
	var b bytes.Buffer
	w := zlib.NewWriter(&b)
	_, _ = w.Write(make([]byte, n))
	_ = w.Close()
	return b.String()
}

// hugePNG is one of zeros, and of bytes for each pixel; 0: of one bit.
func hugePNG(w, h int, depth, colour, interlaced byte, perPixel int) []byte {
	size := func(w, h int) int {
		if w == 0 || h == 0 {
			return 0
		}
		return h * (1 + max(w*perPixel, (w+7)/8))
	}
	n := size(w, h)
	if interlaced == 1 { // Adam7
		n = size((w+7)/8, (h+7)/8) + size((w+3)/8, (h+7)/8) + size((w+3)/4, (h+3)/8) + size((w+1)/4, (h+3)/4) +
			size((w+1)/2, (h+1)/4) + size(w/2, (h+1)/2) + size(w, h/2)
	}
	return join(pngHead, chunk("IHDR", string(join(be(4, uint64(w)), be(4, uint64(h)), []byte{depth, colour, 0, 0, interlaced}))),
		chunk("IDAT", deflate(n)), chunk("IEND", ""))
}

// claimingWebP is one of 64 bytes whose EXIF claims to have 4 GiB.
func claimingWebP() []byte {
	body := join("WEBP", riffChunk("VP8X", "\x08\x00\x00\x00\x00\x00\x00\x00\x00\x00"), "EXIF\xfe\xff\xff\xff", "II*\x00", webp1[12:])
	return join("RIFF", le(4, uint64(len(body))), body)
}

// claimingPNG has a chunk of metadata that claims to have 4 GiB, compressed or not.
func claimingPNG(t testing.TB, kind string) []byte {
	p := picture(t, 1, 1)
	return join(p[:33], be(4, 0xfffffffe), kind, "Raw profile type exif\x00\x00", deflate(40), p[33:])
}

// scannedJPEG is a progressive one, grey, that goes over all of its pixels again and again.
func scannedJPEG(w, h, scans int) []byte {
	w, h = w/8*8, h/8*8
	blocks := w / 8 * (h / 8)
	quantities := bytes.Repeat([]byte{1}, 64)
	table := func(class byte, symbol byte) []byte { // one code, 0
		return join("\xff\xc4", be(2, 2+1+16+1), []byte{class, 1}, make([]byte, 15), []byte{symbol})
	}
	out := join("\xff\xd8\xff\xdb", be(2, 67), "\x00", quantities,
		"\xff\xc2", be(2, 11), "\x08", be(2, uint64(h)), be(2, uint64(w)), "\x01\x01\x11\x00",
		table(0x00, 0), table(0x10, 0xe0), // no difference; no more in this block and the next 2^14 to 2^15-1
		"\xff\xda", be(2, 8), "\x01\x01\x00\x00\x00\x00", make([]byte, (blocks+7)/8))
	var bits []byte
	for left := blocks; left > 0; {
		run := min(left, 1<<15-1)
		if run < 1<<14 {
			run = 1 << 14 // beyond the end of the picture
		}
		bits = append(bits, 0)
		for i := 13; i >= 0; i-- {
			bits = append(bits, byte((run-1<<14)>>i&1))
		}
		left -= run
	}
	data := make([]byte, (len(bits)+7)/8)
	for i, b := range bits {
		data[i/8] |= b << (7 - i%8)
	}
	data = bytes.ReplaceAll(data, []byte{0xff}, []byte{0xff, 0})
	for range scans {
		out = append(out, join("\xff\xda", be(2, 8), "\x01\x01\x00\x01\x3f", "\x10", data)...)
	}
	return append(out, 0xff, 0xd9)
}

// movingGIF has frames of one colour.
func movingGIF(t testing.TB, side, frames int) []byte {
	t.Helper()
	var b bytes.Buffer
	one := image.NewPaletted(image.Rect(0, 0, side, side), color.Palette{color.White, color.Black})
	require.NoError(t, gif.EncodeAll(&b, &gif.GIF{Image: []*image.Paletted{one}, Delay: []int{1}}))
	data := b.Bytes()
	at := bytes.Index(data, []byte{0x21, 0xf9}) // where its time is
	return join(data[:at], bytes.Repeat(data[at:len(data)-1], frames), "\x3b")
}

// hugeWebP is a lossless one of one colour.
func hugeWebP(w, h int) []byte {
	out := append([]byte{}, webp1...)
	binary.LittleEndian.PutUint32(out[21:], uint32(w-1)|uint32(h-1)<<14|out4(out))
	return out
}

func out4(b []byte) uint32 { return binary.LittleEndian.Uint32(b[21:]) &^ (1<<28 - 1) }

// boxes is an MP4 of empty ones.
func boxes(n int) []byte {
	return join(be(4, 16), "ftypisom", be(4, 0), bytes.Repeat([]byte("\x00\x00\x00\x08free"), n/2), be(4, uint64(8+n/2*8)), "moov",
		bytes.Repeat([]byte("\x00\x00\x00\x08trak"), n/2))
}

// hugeJPEG is a baseline one.
func hugeJPEG(t testing.TB, w, h int) []byte {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, jpeg.Encode(&b, image.NewYCbCr(image.Rect(0, 0, w, h), image.YCbCrSubsampleRatio420), nil))
	return b.Bytes()
}

// parentWord makes this program a node that looks at a picture from stdin, for a test to kill.
const parentWord = "BELLHOP_TEST_LOOKS_AT_A_PICTURE"

func beParent() {
	_, _ = newWorkers(program).thumbnail(context.Background(), "", os.Stdin, 1)
}
