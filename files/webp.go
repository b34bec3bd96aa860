package files

import (
	"encoding/binary"
	"slices"
)

// What VP8X, the first chunk of an extended WebP, says that there is.
const (
	webpXMP, webpEXIF, webpAlpha = 0x04, 0x08, 0x10
)

// What decoding a pixel takes: as many bytes as colour planes have, and for what
// is lossless those of the picture and of one more while it is transformed.
const (
	vp8Pixel      = 1.5
	losslessPixel = 8
	alphaPixel    = losslessPixel + 1
)

// webpWalk goes over the chunks of a WebP.
type webpWalk struct {
	*source
	*layout
	frames, pictures int
	extended         bool
}

func walkWebP(s *source, l *layout) error {
	b, err := s.read(12)
	if err != nil || string(b[:4]) != "RIFF" || string(b[8:]) != "WEBP" {
		return errMalformed
	}
	end := 8 + int64(binary.LittleEndian.Uint32(b[4:]))
	if end > s.size {
		return errMalformed
	}
	s.size = end // what follows is no part of it
	w := &webpWalk{source: s, layout: l}
	l.kept = pieces{{}}
	if err := w.chunks(end, &l.kept, w.top); err != nil {
		return err
	}
	if w.pictures == 0 {
		return errMalformed
	}
	l.kept[0] = riff(l.kept)
	return nil
}

// riff is the head of a WebP of these pieces, the first of which is empty.
func riff(p pieces) piece {
	b := binary.LittleEndian.AppendUint32([]byte("RIFF"), uint32(4+p.size())) //nolint:gosec // at most 20 MiB
	return piece{data: append(b, "WEBP"...), n: 12}
}

// chunks calls one with each chunk up to an end. It reads what it likes of it,
// and tells what is kept: what it has put itself, or all.
func (w *webpWalk) chunks(end int64, out *pieces, one func(kind string, n int64, out *pieces) (all bool, err error)) error {
	for w.at < end {
		start := w.at
		if end-start < 8 {
			return errMalformed
		}
		b, err := w.read(8)
		if err != nil {
			return err
		}
		kind, n := string(b[:4]), int64(binary.LittleEndian.Uint32(b[4:]))
		if n > end-w.at {
			return errMalformed
		}
		stop := min(start+8+n+n&1, end)
		all, err := one(kind, n, out)
		if err == nil && all {
			err = out.keep(start, stop-start)
		}
		if err == nil {
			err = w.skip(stop - w.at)
		}
		if err == nil && all && stop-start < 8+n+n&1 {
			err = out.put(0) // as if it had been padded
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// top looks at a chunk of the file itself.
func (w *webpWalk) top(kind string, n int64, out *pieces) (bool, error) {
	switch kind {
	case "VP8X":
		if n != 10 || w.extended || w.pictures > 0 {
			return false, errMalformed
		}
		b, err := w.read(10)
		if err != nil {
			return false, err
		}
		w.extended = true
		w.width, w.height = 1+int(le24(b[4:])), 1+int(le24(b[7:]))
		if err := w.frame(w.width, w.height, 0); err != nil {
			return false, err
		}
		b = append([]byte("VP8X\x0a\x00\x00\x00"), b...)
		b[8] &^= webpXMP | webpEXIF
		return false, out.put(b...)
	case "ANIM", "ICCP":
		return true, nil
	case "ANMF":
		return false, w.animated(n, out)
	}
	return w.picture(kind, n)
}

// picture looks at a chunk that has pixels; all others are left out.
func (w *webpWalk) picture(kind string, n int64) (bool, error) {
	switch kind {
	case "ALPH":
		return true, w.frame(w.width, w.height, alphaPixel)
	case "VP8 ":
		if n < 10 {
			return false, errMalformed
		}
		b, err := w.read(10)
		if err != nil {
			return false, err
		}
		width, height := binary.LittleEndian.Uint16(b[6:])&0x3fff, binary.LittleEndian.Uint16(b[8:])&0x3fff
		return true, w.pixels(int(width), int(height), vp8Pixel)
	case "VP8L":
		if n < 5 {
			return false, errMalformed
		}
		b, err := w.read(5)
		if err != nil {
			return false, err
		}
		bits := binary.LittleEndian.Uint32(b[1:])
		return true, w.pixels(1+int(bits&0x3fff), 1+int(bits>>14&0x3fff), losslessPixel)
	}
	return false, nil
}

func (w *webpWalk) pixels(width, height int, perPixel float64) error {
	w.pictures++
	if !w.extended {
		w.width, w.height = width, height
	}
	return w.frame(width, height, perPixel)
}

// animated looks at one frame of a moving picture. The first is also put
// together as a picture of its own.
func (w *webpWalk) animated(n int64, out *pieces) error {
	if n < 16 || !w.extended {
		return errMalformed
	}
	if w.frames++; w.layout.frames(w.frames) != nil {
		return errCostly
	}
	end := w.at + n
	head, err := w.all(16)
	if err != nil {
		return err
	}
	var inner pieces
	alpha := false
	if err := w.chunks(end, &inner, func(kind string, n int64, _ *pieces) (bool, error) {
		alpha = alpha || kind == "ALPH"
		return w.picture(kind, n)
	}); err != nil {
		return err
	}
	if w.first == nil {
		w.first = pieces{{}}
		if alpha { // its size is that of the frame
			x := append([]byte("VP8X\x0a\x00\x00\x00"), webpAlpha, 0, 0, 0)
			w.first = append(w.first, piece{data: append(x, head[6:12]...), n: 18})
		}
		w.first = append(w.first, slices.Clone(inner)...)
		w.first[0] = riff(w.first)
	}
	b := binary.LittleEndian.AppendUint32([]byte("ANMF"), uint32(16+inner.size())) //nolint:gosec // at most 20 MiB
	if err := out.put(append(b, head...)...); err != nil {
		return err
	}
	for i := range inner {
		if err := out.add(inner[i]); err != nil {
			return err
		}
	}
	return nil
}

func le24(b []byte) uint32 { return uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 }
