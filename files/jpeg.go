package files

import (
	"bytes"
	"encoding/binary"
)

// The markers of JPEG that matter here (ITU T.81, table B.1).
const (
	markTEM, markSOF0, markSOF2, markDHT, markJPG, markDAC, markSOF15 = 0x01, 0xc0, 0xc2, 0xc4, 0xc8, 0xcc, 0xcf
	markRST0, markSOI, markEOI, markSOS, markDRI                      = 0xd0, 0xd8, 0xd9, 0xda, 0xdd
	markAPP0, markAPP1, markAPP2, markAPP14                           = 0xe0, 0xe1, 0xe2, 0xee
)

// maxScans of a progressive JPEG: each goes over all pixels. Encoders make about ten.
const maxScans = 100

// jpegWalk goes over the segments of a JPEG. Kept are those that pixels come
// from, the colour profile, and what tells how colours are meant.
type jpegWalk struct {
	*source
	*layout
	scans int
	sized bool
	rgb   bool // Adobe's segment says so: a copy is made of all pixels
}

func walkJPEG(s *source, l *layout) error {
	w := &jpegWalk{source: s, layout: l}
	if b, err := s.read(2); err != nil || b[0] != 0xff || b[1] != markSOI {
		return errMalformed
	}
	if err := l.kept.put(0xff, markSOI); err != nil { // the orientation is added to it when it is known
		return err
	}
	mark, err := w.next(false)
	for err == nil && mark != markEOI {
		if err = w.segment(mark); err == nil {
			mark, err = w.next(mark == markSOS)
		}
	}
	if err != nil {
		return err
	}
	if !w.sized || w.scans == 0 {
		return errMalformed
	}
	if l.turned > 1 {
		l.kept[0].data = append(l.kept[0].data, exifSegment(l.turned)...)
		l.kept[0].n = int64(len(l.kept[0].data))
	}
	return l.kept.put(0xff, markEOI) // what follows is other pictures, with their own metadata
}

// next goes to the next marker. What is before it is a scan's data, or nothing that belongs there.
func (w *jpegWalk) next(scan bool) (byte, error) {
	from := w.at
	for {
		err := w.to(0xff)
		end, b := w.at-1, byte(0xff)
		for err == nil && b == 0xff { // fill bytes
			b, err = w.byte()
		}
		if err != nil {
			return 0, err
		}
		if b == 0 || b >= markRST0 && b < markSOI || b == markTEM { // data, or no segment
			continue
		}
		if scan {
			err = w.kept.keep(from, end-from)
		}
		return b, err
	}
}

// segment keeps one segment, or leaves it out.
func (w *jpegWalk) segment(mark byte) error {
	start := w.at
	b, err := w.read(2)
	if err != nil {
		return err
	}
	n := int64(binary.BigEndian.Uint16(b)) - 2
	if n < 0 || n > w.left() {
		return errMalformed
	}
	switch {
	case mark == markSOS:
		if w.scans++; w.scans > maxScans {
			return errCostly
		}
	case mark == markDHT, mark == markDAC, mark > markSOS && mark <= markDRI:
	case mark >= markSOF0 && mark <= markSOF15 && mark != markJPG:
		return w.size(mark, start, n)
	case mark >= markAPP0 && mark <= markAPP14:
		return w.application(mark, start, n)
	default:
		return w.skip(n)
	}
	return w.whole(mark, start, n)
}

// whole keeps a segment as it is.
func (w *jpegWalk) whole(mark byte, start, n int64) error {
	if err := w.kept.put(0xff, mark); err != nil {
		return err
	}
	if err := w.kept.keep(start, 2+n); err != nil {
		return err
	}
	return w.skip(start + 2 + n - w.at)
}

// application takes what is needed out of an application's segment.
func (w *jpegWalk) application(mark byte, start, n int64) error {
	b, err := w.all(int(n)) // below 64 KiB
	if err != nil {
		return err
	}
	switch {
	case mark == markAPP0 && n >= 14 && bytes.HasPrefix(b, []byte("JFIF\x00")):
		return w.kept.put(append([]byte{0xff, markAPP0, 0, 16}, append(b[:12:12], 0, 0)...)...) // without its small picture
	case mark == markAPP1 && w.turned == 0 && bytes.HasPrefix(b, []byte("Exif\x00\x00")):
		w.turned = orientation(b[6:])
	case mark == markAPP2 && bytes.HasPrefix(b, []byte("ICC_PROFILE\x00")):
		return w.whole(mark, start, n)
	case mark == markAPP14 && n >= 12 && bytes.HasPrefix(b, []byte("Adobe")):
		w.rgb = w.rgb || b[11] == 0
		return w.kept.put(append([]byte{0xff, markAPP14, 0, 14}, b[:12]...)...)
	}
	return nil
}

// size reads how many pixels there are, and what decoding them takes.
func (w *jpegWalk) size(mark byte, start, n int64) error {
	b, err := w.read(int(min(n, 6+4*3)))
	if err != nil {
		return err
	}
	if w.sized || len(b) < 6 || b[5] < 1 || b[5] > 4 || len(b) < 6+3*int(b[5]) {
		return errMalformed
	}
	w.sized = true
	w.height, w.width = int(binary.BigEndian.Uint16(b[1:])), int(binary.BigEndian.Uint16(b[3:]))
	parts := b[6 : 6+3*int(b[5])]
	largest, all := 1, 0
	for i := 0; i < len(parts); i += 3 {
		area := int(parts[i+1]>>4) * int(parts[i+1]&15)
		largest, all = max(largest, area), all+area
	}
	perPixel := float64(all) / float64(largest)
	if mark == markSOF2 {
		perPixel *= 5 // and four bytes for each coefficient
	}
	if len(parts) == 4*3 || len(parts) == 3*3 && (w.rgb || parts[0] == 'R') {
		perPixel += 4
	}
	if err := w.frame(w.width, w.height, perPixel); err != nil {
		return err
	}
	return w.whole(mark, start, n)
}
