package files

import (
	"bytes"
	"image/gif"
	"image/jpeg"
	"image/png"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/image/webp"
)

const secret = "secret"

// box is one of an MP4.
func box(kind string, parts ...any) []byte {
	body := join(parts...)
	return join(be(4, uint64(8+len(body))), kind, body)
}

// element is one of a WebM.
func element(id string, parts ...any) []byte {
	body := join(parts...)
	return join(id, be(8, 1<<56|uint64(len(body))), body)
}

// riffOf is a WebP of chunks.
func riffOf(chunks ...any) []byte {
	body := join(append([]any{"WEBP"}, chunks...)...)
	return join("RIFF", le(4, uint64(len(body))), body)
}

func riffChunk(kind, body string) []byte {
	return join(kind, le(4, uint64(len(body))), body, make([]byte, len(body)&1))
}

// animated is a PNG of two frames, with texts of all kinds among them.
func animated(t testing.TB) []byte {
	p := picture(t, 9, 9)
	end := len(p) - 12
	pixels := p[33+8 : end-4]
	control := func(n uint64) []byte {
		return chunk("fcTL", string(join(be(4, n), be(4, 9), be(4, 9), be(4, 0), be(4, 0), be(2, 1), be(2, 10), "\x00\x00")))
	}
	told := func() []byte {
		return join(chunk("tEXt", "Comment\x00"+secret), chunk("zTXt", "Comment\x00\x00"+secret), chunk("iTXt", "XML:com.adobe.xmp\x00\x00\x00\x00\x00"+secret),
			chunk("eXIf", secret), chunk("tIME", secret+"."), chunk("prVw", secret))
	}
	return join(p[:33], chunk("acTL", string(join(be(4, 2), be(4, 0)))), told(), control(0), p[33:end], told(), control(1),
		chunk("fdAT", string(join(be(4, 2), pixels))), told(), p[end:], secret)
}

// What tells where, when and with what something was made is gone from every
// kind of file, from wherever it may stand, and the file is as good as before.
func TestNothingIsTold(t *testing.T) {
	s := opened(t, "file://"+filepath.ToSlash(t.TempDir()))
	keep := func(name, mime string, data []byte) []byte {
		t.Helper()
		require.Contains(t, string(data), secret, name)
		f := s.put(t, name, data)
		require.Equal(t, mime, f.Mime, name)
		kept := s.content(t, f.ID)
		require.EqualValues(t, len(kept), f.Size, name)
		require.NotContains(t, string(kept), secret, name)
		again := s.content(t, s.put(t, name, kept).ID)
		require.Equal(t, kept, again, "%s: once more changes nothing", name)
		return kept
	}

	p := keep("moving.png", "image/png", animated(t))
	_, err := png.Decode(bytes.NewReader(p))
	require.NoError(t, err)
	require.Equal(t, 2, bytes.Count(p, []byte("fcTL")), "it still moves")
	require.Equal(t, 1, bytes.Count(p, []byte("fdAT")))

	g := movingGIF(t, 9, 3)
	at := bytes.Index(g, []byte{0x21, 0xf9})
	g = join(g[:at], "\x21\xff\x0bNETSCAPE2.0\x03\x01\x05\x00\x00", "\x21\xfe\x06secret\x00", "\x21\xff\x0bXMP DataXMP\x06secret\x00",
		"\x21\x01\x0c............\x06secret\x00", "\x21\xff\x0bNETSCAPE2.0\x20"+"................................\x06secret\x00", g[at:], secret)
	moving, err := gif.DecodeAll(bytes.NewReader(keep("x.gif", "image/gif", g)))
	require.NoError(t, err)
	require.Equal(t, []int{3, 5}, []int{len(moving.Image), moving.LoopCount})

	j := jpegOf(t, 9, 9)
	thumb := "JFIF\x00\x01\x02\x00\x00\x01\x00\x01\x01\x02" + secret
	j = withSegments(j, segmentOf(0xe0, thumb), segmentOf(0xe0, "JFXX\x00\x10"+secret), segmentOf(0xe3, secret), segmentOf(0xef, secret),
		segmentOf(0xfe, secret), segmentOf(0xee, "Adobe\x00\x64\x00\x00\x00\x00\x01"+secret), segmentOf(0xf7, secret), []byte(secret), segmentOf(0xf0, secret))
	_, err = jpeg.Decode(bytes.NewReader(keep("x.jpg", "image/jpeg", append(j, secret...))))
	require.NoError(t, err)

	frame := join("\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x0a\x00\x00\x00", webp1[12:], riffChunk("EXIF", secret))
	w := keep("x.webp", "image/webp", append(riffOf(riffChunk("VP8X", "\x2e\x00\x00\x00\x00\x00\x00\x00\x00\x00"), riffChunk("ICCP", "a profile"),
		riffChunk("ANIM", "\x00\x00\x00\x00\x00\x00"), riffChunk("ANMF", string(frame)), riffChunk("ANMF", string(frame)), riffChunk("XMP ", secret), riffChunk("what", secret)), secret...))
	require.Equal(t, 2, bytes.Count(w, []byte("ANMF")), "it still moves")
	require.Contains(t, string(w), "a profile")
	_, err = webp.DecodeConfig(bytes.NewReader(w))
	require.NoError(t, err)

	when := make([]byte, 8)
	copy(when, "secret")
	mvhd := box("mvhd", be(4, 0), when, be(4, 1000), be(4, 2500), make([]byte, 80))
	track := box("trak", box("tkhd", be(4, 0), when, make([]byte, 72)), box("udta", secret), box("mdia", box("mdhd", be(4, 0), when, make([]byte, 12)), box("minf", "needed")), box("meta", secret))
	movie := join(box("ftyp", "isom", be(4, 0)), box("uuid", secret), box("moov", mvhd, track, box("udta", box("\xa9xyz", secret)), box("meta", secret), box("free", secret)),
		box("mdat", "samples"), box("moof", box("traf", box("meta", secret))), box("thmb", secret), box("skip", secret))
	m := keep("x.mp4", "video/mp4", append(movie, secret...))
	require.Equal(t, bytes.Index(movie, []byte("samples")), bytes.Index(m, []byte("samples")), "samples are where they were")
	require.Contains(t, string(m), "needed")
	require.InDelta(t, 2.5, looked(t, m).Duration, 0.001)

	info := element("\x15\x49\xa9\x66", element("\xbf", "CRC."), element("\x2a\xd7\xb1", be(3, 1e6)), element("\x7b\xa9", secret), element("\x4d\x80", secret),
		element("\x57\x41", secret), element("\x44\x61", secret+".."), element("\x73\x84", secret))
	cluster := element("\x1f\x43\xb6\x75", element("\xe7", "\x00"), element("\xa3", "\x81", be(2, 1500), "\x80samples"))
	film := join("\x1a\x45\xdf\xa3\x88\x42\x82\x85webm\x00", element("\x18\x53\x80\x67", info, cluster, element("\x12\x54\xc3\x67", secret), element("\x19\x41\xa4\x69", secret), element("\x10\x43\xa7\x70", secret), "\xec\x86", secret))
	v := keep("x.webm", "video/webm", film)
	require.Equal(t, len(film), len(v))
	require.Equal(t, bytes.Index(film, []byte("samples")), bytes.Index(v, []byte("samples")))
	require.InDelta(t, 1.5, looked(t, v).Duration, 0.001)
}

// Lengths that lead beyond the file make it a plain one, wherever they stand, before anything is decoded.
func TestLengthsThatLie(t *testing.T) {
	p := picture(t, 1, 1)
	long := "\xff\xff\xff\xf0"
	for name, data := range map[string][]byte{
		"webp":            claimingWebP(),
		"webp as a whole": join(webp1[:4], "\xff\xff\xff\x7f", webp1[8:]),
		"webp pixels":     join(webp1[:16], "\xf0\xff\xff\xff", webp1[20:]),
		"webp frame":      riffOf(riffChunk("VP8X", "\x02\x00\x00\x00\x00\x00\x00\x00\x00\x00"), "ANMF\xff\xff\xff\xff", make([]byte, 40)),
		"png text":        claimingPNG(t, "zTXt"), "png exif": claimingPNG(t, "eXIf"), "png profile": claimingPNG(t, "iCCP"), "png unknown": claimingPNG(t, "abCd"),
		"png pixels": join(p[:33], long, p[37:]),
		"jpeg":       withSegments(jpegOf(t, 8, 8)[:40], join("\xff\xe1\xff\xffExif\x00\x00II*\x00", le(4, 0xfffffff0))),
		"gif":        gifOf(t)[:24],
	} {
		f := &File{}
		l, err := inspect(f, bytes.NewReader(data), int64(len(data)))
		require.NoError(t, err, name)
		require.Equal(t, File{Mime: plain}, *f, name)
		require.Equal(t, pieces{{n: int64(len(data))}}, l.kept, name)
	}
	// Within EXIF lengths are not followed at all.
	for _, lie := range [][]byte{join("II*\x00", le(4, 0xfffffff0)), join("II*\x00", le(4, 8), "\xff\xff"), join("MM\x00*", be(4, 8), be(2, 1), be(2, 0x112), be(2, 3), be(4, 0xffffffff), "\x00\x06\x00"),
		join("II*\x00", le(4, 8), le(2, 0xffff), le(2, 0x112), le(2, 2), le(4, 0xffffffff), le(4, 0xffffffff)), []byte("II"), nil} {
		require.Less(t, orientation(lie), byte(9))
		data := withSegments(jpegOf(t, 8, 8), segmentOf(0xe1, "Exif\x00\x00"+string(lie)))
		require.Equal(t, 8, looked(t, data).Width)
	}
}

// watch fails a test that takes too long, or allocates more than a picture may.
func watch(t testing.TB) func() {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	began := time.Now()
	return func() {
		runtime.ReadMemStats(&after)
		require.Less(t, time.Since(began), 10*time.Second)
		require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(2*maxMemory), "all that was allocated, whenever freed")
	}
}

// FuzzUpload puts whatever comes through all that looks at it. Nothing takes
// long, or more memory than a picture may, and what is kept can be looked at again.
func FuzzUpload(f *testing.F) {
	for _, seed := range [][]byte{withSegments(jpegOf(f, 8, 8), exif(6)), picture(f, 8, 8), webp1, animated(f), claimingWebP(), claimingPNG(f, "zTXt"),
		movingGIF(f, 20, 3), scannedJPEG(64, 64, 150), hugeWebP(300, 300), boxes(100), []byte("OggS\x00\x00OpusHead"), []byte("#!AMR\n\x3c"),
		[]byte("\x1a\x45\xdf\xa3\x88\x42\x82\x85webm\x00\x18\x53\x80\x67\x01\xff\xff\xff\xff\xff\xff\xff"),
		[]byte("\x00\x00\x00\x10ftypisom\x00\x00\x00\x00\x00\x00\x00\x01moov\x00\x00\x00\x00\x00\x00\x00\x08"),
		[]byte("ID3\x03\x00\x00\x7f\x7f\x7f\x7f\xff\xfb\x90\x00"), join("RIFF", le(4, 36), "WAVEfmt ", le(4, 16), make([]byte, 28))} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		check := watch(t)
		defer check()
		file := &File{}
		in := bytes.NewReader(data)
		l, err := inspect(file, in, int64(len(data)))
		require.NoError(t, err)
		require.LessOrEqual(t, l.memory, int64(maxMemory))
		var kept bytes.Buffer
		require.NoError(t, l.kept.writeTo(&kept, in))
		require.EqualValues(t, l.kept.size(), kept.Len())
		require.LessOrEqual(t, kept.Len(), len(data)+64, "at most an orientation or a trailer more")
		if file.Width > 0 && l.memory < 4<<20 {
			first := kept.Bytes()
			if l.first != nil {
				var b bytes.Buffer
				require.NoError(t, l.first.writeTo(&b, in))
				first = b.Bytes()
			}
			_, _ = thumbnail(bytes.NewReader(first), l.turned)
		}
		again := &File{}
		l2, err := inspect(again, bytes.NewReader(kept.Bytes()), int64(kept.Len()))
		if file.Mime == plain || file.Width == 0 {
			return
		}
		require.NoError(t, err, "what is kept is still one")
		require.Equal(t, []any{file.Mime, file.Width, file.Height}, []any{again.Mime, again.Width, again.Height})
		require.EqualValues(t, kept.Len(), l2.kept.size(), "and has nothing to lose any more")
	})
}
