package files

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/jpeg"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/image/webp"
)

// exif is an APP1 segment with an orientation and a GPS latitude, little endian as cameras write it.
func exif(orientation byte) []byte {
	var b bytes.Buffer
	put := func(v any) { _ = binary.Write(&b, binary.LittleEndian, v) }
	entry := func(tag, kind uint16, n, value uint32) { put(tag); put(kind); put(n); put(value) }
	b.WriteString("II")
	put(uint16(42))
	put(uint32(8))
	put(uint16(2)) // IFD0
	entry(0x0112, 3, 1, uint32(orientation))
	entry(0x8825, 4, 1, 38) // where the GPS IFD is
	put(uint32(0))
	put(uint16(2))
	entry(1, 2, 2, uint32('N'))
	entry(2, 5, 3, 68)
	put(uint32(0))
	for _, v := range []uint32{31, 1, 14, 1, 0x5ec2e7, 1} {
		put(v)
	}
	body := append([]byte("Exif\x00\x00"), b.Bytes()...)
	return append(binary.BigEndian.AppendUint16([]byte{0xff, 0xe1}, uint16(len(body)+2)), body...)
}

// told is the orientation that a JPEG of ours tells.
func told(t testing.TB, jpeg []byte) byte {
	t.Helper()
	at := bytes.Index(jpeg, []byte("Exif\x00\x00"))
	if at < 0 {
		return 1
	}
	return orientation(jpeg[at+6:])
}

func withSegments(plain []byte, segments ...[]byte) []byte {
	out := append([]byte{}, plain[:2]...)
	for _, s := range segments {
		out = append(out, s...)
	}
	return append(out, plain[2:]...)
}

func segmentOf(mark byte, body string) []byte {
	return append(binary.BigEndian.AppendUint16([]byte{0xff, mark}, uint16(len(body)+2)), body...)
}

// Where and with what a picture was taken is gone from it, it is shown the
// right way up all the same, and its pixels are untouched.
func TestPicturesLoseTheirMetadata(t *testing.T) {
	s := opened(t, "file://"+filepath.ToSlash(t.TempDir()))
	secret := []byte{0xe7, 0xc2, 0x5e, 0} // the seconds of the latitude
	plain := jpegOf(t, 60, 40)
	for turn := byte(1); turn <= 8; turn++ {
		taken := withSegments(plain, exif(turn), segmentOf(0xe1, "http://ns.adobe.com/xap/1.0/\x00<x:xmpmeta secret/>"),
			segmentOf(0xed, "Photoshop 3.0\x00secret"), segmentOf(0xfe, "secret comment"), segmentOf(0xe2, "MPF\x00secret"),
			segmentOf(0xe2, "ICC_PROFILE\x00\x01\x01profile"))
		taken = append(taken, taken...) // as phones do, with a second picture after the first
		require.Contains(t, string(taken), string(secret))
		f := s.put(t, "x.jpg", taken)
		require.Equal(t, "image/jpeg", f.Mime)
		kept := s.content(t, f.ID)
		require.EqualValues(t, len(kept), f.Size)
		for _, word := range []string{string(secret), "secret", "GPS", "xmp", "Photoshop"} {
			require.NotContains(t, string(kept), word)
		}
		require.Contains(t, string(kept), "ICC_PROFILE\x00\x01\x01profile")
		w, h := 60, 40
		if turn >= 5 {
			w, h = 40, 60
		}
		require.Equal(t, []int{w, h}, []int{f.Width, f.Height}, "turned by %d", turn)
		want, err := jpeg.Decode(bytes.NewReader(plain))
		require.NoError(t, err)
		got, err := jpeg.Decode(bytes.NewReader(kept))
		require.NoError(t, err)
		require.Equal(t, want, got, "the pixels are untouched")
		require.Equal(t, max(turn, 1), told(t, kept))
		small, err := s.Thumbnail(t.Context(), f.ID)
		require.NoError(t, err)
		img, err := jpeg.Decode(small)
		require.NoError(t, err)
		require.NoError(t, small.Close())
		require.Equal(t, image.Rect(0, 0, w, h), img.Bounds(), "small ones keep their size")
		// Where the red half, which was the left one, is after turning.
		red := []image.Point{{2, h / 2}, {w - 3, h / 2}, {w - 3, h / 2}, {2, h / 2}, {w / 2, 2}, {w / 2, 2}, {w / 2, h - 3}, {w / 2, h - 3}}[turn-1]
		r, _, b, _ := img.At(red.X, red.Y).RGBA()
		require.Greater(t, r, 4*b, "turned by %d", turn)
		r, _, b, _ = img.At(w-1-red.X, h-1-red.Y).RGBA()
		require.Greater(t, b, 4*r, "turned by %d", turn)
	}

	p := picture(t, 700, 350)
	taken := append(append(append([]byte{}, p[:33]...), append(chunk("tEXt", "Comment\x00secret"), chunk("eXIf", "secret")...)...), p[33:]...)
	f := s.put(t, "x.png", append(taken, "secret"...))
	require.Equal(t, p, s.content(t, f.ID), "as if it had never had any")
	small, err := s.Thumbnail(t.Context(), f.ID)
	require.NoError(t, err)
	c, _, err := image.DecodeConfig(small)
	require.NoError(t, err)
	require.NoError(t, small.Close())
	require.Equal(t, []int{320, 160}, []int{c.Width, c.Height})
	require.Equal(t, "image/gif", s.put(t, "x", gifOf(t)).Mime)
}

// A picture that moves says so, for whoever has only its thumbnail.
func TestWhatMovesSaysSo(t *testing.T) {
	require.True(t, looked(t, animated(t)).Animated)
	require.False(t, looked(t, picture(t, 9, 9)).Animated)
	require.True(t, looked(t, movingGIF(t, 9, 3)).Animated)
	require.False(t, looked(t, gifOf(t)).Animated)
	frame := riffChunk("ANMF", "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x64\x00\x00\x00"+string(webp1[12:]))
	require.True(t, looked(t, riffOf(riffChunk("VP8X", "\x02\x00\x00\x00\x00\x00\x00\x00\x00\x00"),
		riffChunk("ANIM", "\x00\x00\x00\x00\x00\x00"), frame, frame)).Animated)
	require.False(t, looked(t, webp1).Animated)
	require.False(t, looked(t, jpegOf(t, 9, 9)).Animated)
}

// webp1 is a lossless WebP of one pixel.
var webp1 = []byte("RIFF\x1a\x00\x00\x00WEBPVP8L\x0d\x00\x00\x00\x2f\x00\x00\x00\x10\x07\x10\x11\x11\x88\x88\xfe\x07\x00")

func TestWebPLosesItsMetadata(t *testing.T) {
	s := opened(t, "file://"+filepath.ToSlash(t.TempDir()))
	body := append([]byte("VP8X\x0a\x00\x00\x00\x0c\x00\x00\x00\x00\x00\x00\x00\x00\x00"), webp1[12:]...)
	body = append(body, "EXIF\x06\x00\x00\x00secretXMP \x07\x00\x00\x00secret!\x00"...)
	taken := append(binary.LittleEndian.AppendUint32([]byte("RIFF"), uint32(len(body)+4)), "WEBP"...)
	f := s.put(t, "x.webp", append(taken, body...))
	require.Equal(t, "image/webp", f.Mime)
	kept := s.content(t, f.ID)
	require.NotContains(t, string(kept), "secret")
	require.EqualValues(t, len(kept)-8, binary.LittleEndian.Uint32(kept[4:]))
	require.Zero(t, kept[20]&0x0c, "it does not say that it has any")
	_, err := webp.Decode(bytes.NewReader(kept))
	require.NoError(t, err)
}

func le(n int, v uint64) []byte { return binary.LittleEndian.AppendUint64(nil, v)[:n] }
func be(n int, v uint64) []byte { return binary.BigEndian.AppendUint64(nil, v)[8-n:] }

func join(parts ...any) []byte {
	var b bytes.Buffer
	for _, p := range parts {
		switch p := p.(type) {
		case string:
			b.WriteString(p)
		case []byte:
			b.Write(p)
		}
	}
	return b.Bytes()
}

// looked is what an upload turns out to be.
func looked(t testing.TB, data []byte) *File {
	t.Helper()
	f := &File{}
	_, err := inspect(f, bytes.NewReader(data), int64(len(data)))
	require.NoError(t, err)
	return f
}

func upload(t testing.TB, data []byte) *os.File {
	t.Helper()
	f, err := os.CreateTemp(t.TempDir(), "")
	require.NoError(t, err)
	t.Cleanup(func() { _ = f.Close() })
	_, err = f.Write(data)
	require.NoError(t, err)
	return f
}

// How long sounds and videos are, by their headers; not at all where they do not say.
func TestDurations(t *testing.T) {
	page := func(granule uint64, body string) []byte {
		return join("OggS\x00\x00", le(8, granule), le(4, 1), le(4, 0), le(4, 0), "\x01", []byte{byte(len(body))}, body)
	}
	opus := join(page(0, "OpusHead\x01\x01\x38\x01\x80\xbb\x00\x00\x00\x00\x00"), page(3*48000+0x138, "last"))
	vorbis := join(page(0, "\x01vorbis\x00\x00\x00\x00\x02\x44\xac\x00\x00"), page(2*44100, "last"))
	wav := join("RIFF", le(4, 36), "WAVEfmt ", le(4, 16), le(2, 1), le(2, 1), le(4, 8000), le(4, 16000), le(2, 2), le(2, 16), "data", le(4, 40000))
	mvhd := join(be(4, 108), "mvhd", be(4, 0), be(8, 0), be(4, 1000), be(4, 12345), make([]byte, 80))
	mp4 := join(be(4, 16), "ftypisom", be(4, 0), be(4, 12), "free0000", be(4, uint64(8+len(mvhd))), "moov", mvhd)
	amr := join("#!AMR\n", bytes.Repeat(append([]byte{0x3c}, make([]byte, 31)...), 50))
	mp3 := bytes.Repeat(append([]byte{0xff, 0xfb, 0x90, 0x00}, make([]byte, 413)...), 100) // 128 kbit/s
	info := func(scale uint64) []byte { return join("\x15\x49\xa9\x66\x87\x2a\xd7\xb1\x83", be(3, scale)) }
	header := "\x1a\x45\xdf\xa3\x88\x42\x82\x85webm\x00"
	told := join(header, "\x18\x53\x80\x67\x01\xff\xff\xff\xff\xff\xff\xff", "\x15\x49\xa9\x66\x92\x2a\xd7\xb1\x83", be(3, 1e6), "\x44\x89\x88", be(8, math.Float64bits(4500)))
	block := func(ms uint64) []byte { return join("\xa3\x86\x81", be(2, ms), "\x80xx") }
	recorded := join(header, "\x18\x53\x80\x67\x01\xff\xff\xff\xff\xff\xff\xff", info(1e6),
		"\x1f\x43\xb6\x75\x01\xff\xff\xff\xff\xff\xff\xff", "\xe7\x81\x00", block(0), block(940),
		"\x1f\x43\xb6\x75\x01\xff\xff\xff\xff\xff\xff\xff", "\xe7\x82", be(2, 1000), block(0), block(260))
	for name, c := range map[string]struct {
		data []byte
		want float64
	}{"opus": {opus, 3}, "vorbis": {vorbis, 2}, "wav": {wav, 2.5}, "mp4": {mp4, 12.345}, "amr": {amr, 1}, "mp3": {mp3, 2.606},
		"webm": {told, 4.5}, "a recording in webm": {recorded, 1.26}, "nothing": {[]byte("nothing"), 0}, "half": {mp4[:30], 0}} {
		require.InDelta(t, c.want, looked(t, c.data).Duration, 0.001, name)
	}
}
