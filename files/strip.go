package files

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"

	"github.com/bep/imagemeta"
)

// strip copies a picture without what tells where, when and with what it was
// taken; anything else as it is. Pixels are not touched. A JPEG keeps its
// orientation, by which it is shown the right way up.
func strip(mime string, w io.Writer, r io.ReadSeeker) (int64, error) {
	c := &counter{w: w}
	var err error
	switch mime {
	case "image/jpeg":
		err = stripJPEG(c, r)
	case "image/png":
		err = stripPNG(c, bufio.NewReader(r))
	case "image/webp":
		err = stripWebP(c, r)
	default:
		_, err = io.Copy(c, r)
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = ErrPicture
	}
	return c.n, err
}

type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

// orientation is the EXIF tag's value, 1 where there is none.
func orientation(r io.ReadSeeker) (byte, error) {
	found := byte(1)
	_, err := imagemeta.Decode(imagemeta.Options{R: r, ImageFormat: imagemeta.JPEG, Sources: imagemeta.EXIF,
		ShouldHandleTag: func(t imagemeta.TagInfo) bool { return t.Tag == "Orientation" },
		HandleTag: func(t imagemeta.TagInfo) error {
			if v, ok := t.Value.(uint16); ok && v >= 1 && v <= 8 {
				found = byte(v)
			}
			return nil
		}})
	if err != nil {
		found = 1 // metadata that cannot be read is no reason to refuse a picture
	}
	_, err = r.Seek(0, io.SeekStart)
	return found, err
}

// The markers of JPEG that matter here (ITU T.81, table B.1).
const (
	markSOI, markEOI, markSOS     = 0xd8, 0xd9, 0xda
	markAPP0, markAPP2, markAPP14 = 0xe0, 0xe2, 0xee
	markAPP15, markCOM            = 0xef, 0xfe
)

func stripJPEG(w io.Writer, in io.ReadSeeker) error {
	turn, err := orientation(in)
	if err != nil {
		return err
	}
	r := bufio.NewReader(in)
	if _, err := r.Discard(2); err != nil {
		return err
	}
	if _, err := w.Write([]byte{0xff, markSOI}); err != nil {
		return err
	}
	if turn != 1 {
		// An EXIF segment with the one tag: TIFF, big endian, one entry of type SHORT.
		exif := append([]byte{0xff, 0xe1, 0, 34}, "Exif\x00\x00MM\x00\x2a\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00"...)
		if _, err := w.Write(append(exif, turn, 0, 0, 0, 0, 0, 0)); err != nil {
			return err
		}
	}
	for {
		mark, err := nextMark(w, r)
		if err != nil {
			return err
		}
		if mark == markEOI {
			_, err := w.Write([]byte{0xff, markEOI}) // what follows is other pictures, with their own metadata
			return err
		}
		if err := segment(w, r, mark); err != nil {
			return err
		}
	}
}

// nextMark copies up to the next marker of a segment.
func nextMark(w io.Writer, r *bufio.Reader) (byte, error) {
	out := bufio.NewWriter(w)
	for {
		b, err := r.ReadByte()
		if err != nil {
			return 0, err
		}
		if b != 0xff {
			_ = out.WriteByte(b) // its error shows when it is flushed
			continue
		}
		for b == 0xff { // fill bytes
			if b, err = r.ReadByte(); err != nil {
				return 0, err
			}
		}
		if b != 0 && (b < 0xd0 || b > 0xd7) {
			return b, out.Flush()
		}
		_, _ = out.Write([]byte{0xff, b}) // data, or a restart
	}
}

// segment copies one segment, or leaves it out.
func segment(w io.Writer, r *bufio.Reader, mark byte) error {
	var size [2]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return err
	}
	n := int64(binary.BigEndian.Uint16(size[:])) - 2
	if n < 0 {
		return ErrPicture
	}
	app := mark >= markAPP0 && mark <= markAPP15
	keep := !app && mark != markCOM || mark == markAPP0 || mark == markAPP14
	if mark == markAPP2 { // a colour profile, or a list of further pictures
		head, err := r.Peek(int(min(n, 12)))
		if err != nil {
			return err
		}
		keep = bytes.HasPrefix(head, []byte("ICC_PROFILE\x00"))
	}
	if !keep {
		_, err := r.Discard(int(n))
		return err
	}
	if _, err := w.Write([]byte{0xff, mark, size[0], size[1]}); err != nil {
		return err
	}
	_, err := io.CopyN(w, r, n)
	return err
}

func stripPNG(w io.Writer, r *bufio.Reader) error {
	if _, err := io.CopyN(w, r, 8); err != nil {
		return err
	}
	for {
		var head [8]byte
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return err
		}
		n := int64(binary.BigEndian.Uint32(head[:4])) + 4 // and its checksum
		kind := string(head[4:])
		switch kind {
		case "eXIf", "tEXt", "zTXt", "iTXt", "tIME":
			if _, err := io.CopyN(io.Discard, r, n); err != nil {
				return err
			}
			continue
		}
		if _, err := w.Write(head[:]); err != nil {
			return err
		}
		if _, err := io.CopyN(w, r, n); err != nil {
			return err
		}
		if kind == "IEND" {
			return nil
		}
	}
}

// stripWebP reads twice: the file's length comes first.
func stripWebP(w io.Writer, in io.ReadSeeker) error {
	total := int64(4)
	err := webpChunks(in, func(_ string, n int64, r io.Reader) error {
		total += 8 + n
		_, err := io.CopyN(io.Discard, r, n)
		return err
	})
	if err != nil {
		return err
	}
	head := binary.LittleEndian.AppendUint32([]byte("RIFF"), uint32(total))
	if _, err := w.Write(append(head, "WEBP"...)); err != nil {
		return err
	}
	return webpChunks(in, func(kind string, n int64, r io.Reader) error {
		size := n
		var flags [1]byte
		if kind == "VP8X" { // says that there are EXIF and XMP
			if _, err := io.ReadFull(r, flags[:]); err != nil {
				return err
			}
			flags[0] &^= 0x0c
			size--
		}
		if _, err := w.Write(binary.LittleEndian.AppendUint32([]byte(kind), uint32(n))); err != nil { //nolint:gosec // below MaxSize
			return err
		}
		if kind == "VP8X" {
			if _, err := w.Write(flags[:]); err != nil {
				return err
			}
		}
		_, err := io.CopyN(w, r, size)
		return err
	})
}

// webpChunks calls f with each chunk that is kept, its padded size and its data, all of which f reads.
func webpChunks(in io.ReadSeeker, f func(kind string, n int64, r io.Reader) error) error {
	if _, err := in.Seek(12, io.SeekStart); err != nil {
		return err
	}
	r := bufio.NewReader(in)
	for {
		var head [8]byte
		if _, err := io.ReadFull(r, head[:]); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		n := int64(binary.LittleEndian.Uint32(head[4:]))
		n += n & 1
		kind := string(head[:4])
		if n > MaxSize {
			return ErrPicture
		}
		var err error
		if kind == "EXIF" || kind == "XMP " {
			_, err = io.CopyN(io.Discard, r, n)
		} else {
			err = f(kind, n, r)
		}
		if err != nil {
			return err
		}
	}
}
