package files

import (
	"bufio"
	"errors"
	"io"
)

// What a walk over a file's structure may find wrong.
var (
	errMalformed = errors.New("files: malformed")                  // lengths that lead beyond the file, or no such format
	errCostly    = errors.New("files: too costly to be looked at") // more parts, pixels or time than there may be
)

const (
	maxPieces = 1 << 16 // of which a file is put together again
	readAhead = 32 << 10
)

// source reads an upload once, forwards. Nothing is ever allocated by a length
// that the upload declares, and no such length leads beyond the upload's end.
type source struct {
	r    *bufio.Reader
	at   int64
	size int64
	head [64]byte
}

func newSource(r io.ReaderAt, size int64) *source {
	return &source{r: bufio.NewReaderSize(io.NewSectionReader(r, 0, size), readAhead), size: size}
}

// left is how many bytes follow.
func (s *source) left() int64 { return s.size - s.at }

// read gives the next n bytes, at most 64, until the next call.
func (s *source) read(n int) ([]byte, error) {
	if int64(n) > s.left() {
		return nil, errMalformed
	}
	b := s.head[:n]
	m, err := io.ReadFull(s.r, b)
	s.at += int64(m)
	return b, err
}

// all gives the next n bytes, of a length that has been looked at.
func (s *source) all(n int) ([]byte, error) {
	if int64(n) > s.left() {
		return nil, errMalformed
	}
	b := make([]byte, n)
	m, err := io.ReadFull(s.r, b)
	s.at += int64(m)
	return b, err
}

func (s *source) byte() (byte, error) {
	b, err := s.r.ReadByte()
	if err == nil {
		s.at++
		return b, nil
	}
	if errors.Is(err, io.EOF) {
		err = errMalformed
	}
	return 0, err
}

// to goes behind the next byte of this value.
func (s *source) to(value byte) error {
	for {
		b, err := s.r.ReadSlice(value)
		s.at += int64(len(b))
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF):
			return errMalformed
		}
		return err
	}
}

// skip leaves the next n bytes out.
func (s *source) skip(n int64) error {
	if n < 0 || n > s.left() {
		return errMalformed
	}
	m, err := s.r.Discard(int(n)) // at most the upload's size
	s.at += int64(m)
	return err
}

// piece is a part of a file as it is kept: bytes of the upload, other bytes, or zeros.
type piece struct {
	from, n int64
	data    []byte
	zeros   bool
}

// pieces make up a file.
type pieces []piece

// keep adds bytes of the upload.
func (p *pieces) keep(from, n int64) error {
	if n == 0 {
		return nil
	}
	if last := len(*p) - 1; last >= 0 {
		if l := &(*p)[last]; l.data == nil && !l.zeros && l.from+l.n == from {
			l.n += n
			return nil
		}
	}
	return p.add(piece{from: from, n: n})
}

// put adds other bytes.
func (p *pieces) put(data ...byte) error {
	return p.add(piece{data: data, n: int64(len(data))})
}

// zero adds zeros in the place of n bytes of the upload.
func (p *pieces) zero(n int64) error {
	if n == 0 {
		return nil
	}
	if last := len(*p) - 1; last >= 0 && (*p)[last].zeros {
		(*p)[last].n += n
		return nil
	}
	return p.add(piece{n: n, zeros: true})
}

func (p *pieces) add(one piece) error {
	if len(*p) >= maxPieces {
		return errCostly
	}
	*p = append(*p, one)
	return nil
}

func (p pieces) size() (n int64) {
	for i := range p {
		n += p[i].n
	}
	return n
}

// writeTo puts the file together.
func (p pieces) writeTo(w io.Writer, upload io.ReaderAt) error {
	for i := range p {
		var err error
		switch one := &p[i]; {
		case one.zeros:
			_, err = io.CopyN(w, nothing{}, one.n)
		case one.data != nil:
			_, err = w.Write(one.data)
		default:
			_, err = io.CopyN(w, io.NewSectionReader(upload, one.from, one.n), one.n)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// nothing reads zeros.
type nothing struct{}

func (nothing) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// layout is what a walk over a file's structure found.
type layout struct {
	kept          pieces // without what tells where, when and with what it was taken
	first         pieces // a picture's first frame, where that is not what is kept
	width, height int    // as stored, not yet turned
	turned        byte   // the EXIF orientation, 1 to 8; 0: not told
	memory        int64  // bytes that decoding the first frame takes, about
	moving        bool   // of several frames
	duration      float64
}

// frame notes the size of a picture, or of a further frame of it, and what decoding one pixel takes.
func (l *layout) frame(width, height int, perPixel float64) error {
	if width < 1 || height < 1 {
		return errMalformed
	}
	if width > maxPixels/height {
		return errCostly
	}
	l.memory = max(l.memory, int64(perPixel*float64(width)*float64(height)))
	if l.memory > maxMemory {
		return errCostly
	}
	return nil
}

// frames notes how many frames a picture has by now, and refuses one that moves too much.
func (l *layout) frames(n int) error {
	l.moving = n > 1
	if n > maxFrames || int64(n)*int64(l.width)*int64(l.height) > maxMoving {
		return errCostly
	}
	return nil
}

// shown gives the size of the picture the right way up.
func (l *layout) shown() (width, height int) {
	if l.turned >= 5 {
		return l.height, l.width
	}
	return l.width, l.height
}
