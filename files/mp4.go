package files

import (
	"encoding/binary"
	"errors"
	"math"
)

// maxBoxes and maxDepth bound what is looked at of an MP4 or QuickTime file: a
// recording in fragments has seven boxes a second or so.
const (
	maxBoxes = 1 << 16
	maxDepth = 6
)

// What boxes there are (ISO/IEC 14496-12): those that others are looked for in,
// those that may stand at the top, and, below, those that tell where, when and
// with what a video was taken.
var (
	mp4Inside = map[string]bool{"moov": true, "trak": true, "mdia": true, "moof": true, "traf": true}
	mp4Top    = map[string]bool{"ftyp": true, "styp": true, "moov": true, "moof": true, "mdat": true, "mfra": true, "sidx": true,
		"ssix": true, "pdin": true, "prft": true}
	mp4Told = map[string]bool{"udta": true, "meta": true, "uuid": true, "free": true, "skip": true, "wide": true}
	mp4Made = map[string]bool{"mvhd": true, "tkhd": true, "mdhd": true} // these begin with when the video was made
)

// mp4Walk goes over the boxes of an MP4 or QuickTime file. What is left out
// becomes free room: the samples are found by their places in the file.
type mp4Walk struct {
	*source
	*layout
	boxes int
	movie bool
}

func walkMP4(s *source, l *layout) error {
	w := &mp4Walk{source: s, layout: l}
	for s.left() > 0 {
		n, last := len(l.kept), piece{}
		if n > 0 {
			last = l.kept[n-1]
		}
		err := w.box(s.size, 0)
		if errors.Is(err, errMalformed) && w.movie { // no box begins here, and what follows is none
			if l.kept = l.kept[:n]; n > 0 {
				l.kept[n-1] = last
			}
			break
		}
		if err != nil {
			return err
		}
	}
	if !w.movie {
		return errMalformed
	}
	return nil
}

// box goes over one that ends at the latest where the one around it does.
func (w *mp4Walk) box(end int64, depth int) error {
	start := w.at
	if w.boxes++; w.boxes > maxBoxes || depth > maxDepth {
		return errCostly
	}
	if end-start < 8 {
		return errMalformed
	}
	b, err := w.read(8)
	if err != nil {
		return err
	}
	size, head, kind := int64(binary.BigEndian.Uint32(b)), []byte(string(b)), string(b[4:])
	switch size {
	case 0: // up to the end
		size = end - start
	case 1:
		if b, err = w.read(8); err != nil {
			return err
		}
		head = append(head, b...)
		size = int64(binary.BigEndian.Uint64(b) & math.MaxInt64)
	}
	if kind == "mdat" && depth == 0 {
		size = min(size, end-start) // cut off; a part of it can be played
	}
	body := size - int64(len(head))
	if body < 0 || size > end-start {
		return errMalformed
	}
	switch {
	case mp4Told[kind] || depth == 0 && !mp4Top[kind]:
		copy(head[4:], "free")
		if err := w.kept.put(head...); err != nil {
			return err
		}
		if err := w.kept.zero(body); err != nil {
			return err
		}
		return w.skip(body)
	case mp4Inside[kind]:
		err := w.inside(start, int64(len(head)), start+size, depth)
		w.movie = w.movie || kind == "moov" && err == nil
		return err
	case mp4Made[kind]:
		return w.made(kind, start, int64(len(head)), start+size)
	}
	if err := w.kept.keep(start, size); err != nil {
		return err
	}
	return w.skip(body)
}

// inside goes over the boxes in one.
func (w *mp4Walk) inside(start, head, end int64, depth int) error {
	if err := w.kept.keep(start, head); err != nil {
		return err
	}
	for end-w.at >= 8 {
		if err := w.box(end, depth+1); err != nil {
			return err
		}
	}
	rest := end - w.at
	if err := w.kept.zero(rest); err != nil {
		return err
	}
	return w.skip(rest)
}

// made keeps a box without the two times it begins with, and reads how long the movie is.
func (w *mp4Walk) made(kind string, start, head, end int64) error {
	const times = 4 // where they are: behind the version and flags
	b, err := w.read(int(min(32, end-w.at)))
	if err != nil {
		return err
	}
	long := len(b) > 0 && b[0] == 1
	size := 8
	if long {
		size = 16
	}
	if len(b) < times+size {
		return errMalformed
	}
	if kind == "mvhd" && len(b) == 32 {
		scale, length := float64(binary.BigEndian.Uint32(b[12:])), float64(binary.BigEndian.Uint32(b[16:]))
		if long {
			scale, length = float64(binary.BigEndian.Uint32(b[20:])), float64(binary.BigEndian.Uint64(b[24:]))
		}
		if scale > 0 {
			w.duration = length / scale
		}
	}
	if err := w.kept.keep(start, head+times); err != nil {
		return err
	}
	if err := w.kept.zero(int64(size)); err != nil {
		return err
	}
	at := start + head + times + int64(size)
	if err := w.kept.keep(at, end-at); err != nil {
		return err
	}
	return w.skip(end - w.at)
}
