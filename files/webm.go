package files

import (
	"encoding/binary"
	"math"
	"math/bits"
)

// maxElements bounds what is looked at of a WebM: a recording of sound has fifty blocks a second.
const maxElements = 1 << 20

// The elements of WebM that matter here (RFC 9559).
const (
	ebmlHead                                       = 0x1a45dfa3
	ebmlSegment, ebmlInfo, ebmlScale, ebmlDuration = 0x18538067, 0x1549a966, 0x2ad7b1, 0x4489
	ebmlCluster, ebmlTime, ebmlGroup, ebmlBlock    = 0x1f43b675, 0xe7, 0xa0, 0xa1
	ebmlSimpleBlock                                = 0xa3
	ebmlTags, ebmlAttachments, ebmlChapters        = 0x1254c367, 0x1941a469, 0x1043a770
	ebmlCRC, ebmlVoid, ebmlDate                    = 0xbf, 0xec, 0x4461
	ebmlTitle, ebmlMuxer, ebmlWriter               = 0x7ba9, 0x4d80, 0x5741
	ebmlName, ebmlPrevious, ebmlNext               = 0x7384, 0x3c83ab, 0x3e83bb
)

// webmWalk goes over the elements of a WebM one after the other, into those that
// others are looked for in. What is left out becomes void: others are found by
// their places in the file.
type webmWalk struct {
	*source
	*layout
	scale, told, cluster, last float64 // ns a tick; ticks
}

// walkWebM also finds how long it is: what the container tells, else, as in what
// a browser records, the time of the last block.
func walkWebM(s *source, l *layout) error {
	w := &webmWalk{source: s, layout: l, scale: 1e6}
	for n := 0; s.left() > 0; n++ {
		if n > maxElements {
			return errCostly
		}
		start := s.at
		id, ok := w.vint(false)
		size, sized := w.vint(true)
		if n == 0 && id != ebmlHead {
			return errMalformed
		}
		if !ok || !sized { // it was cut off
			break
		}
		switch id {
		case ebmlSegment, ebmlInfo, ebmlCluster, ebmlGroup: // into it; its size does not matter, and may be unknown
			if err := l.kept.keep(start, s.at-start); err != nil {
				return err
			}
			continue
		}
		if size > uint64(s.left()) { //nolint:gosec // not negative
			if w.voided(id) || w.blanked(id) {
				break
			}
			if err := l.kept.keep(start, s.size-start); err != nil { // cut off
				return err
			}
			break
		}
		if err := w.element(id, start, int64(size)); err != nil { //nolint:gosec // at most what is left
			return err
		}
	}
	if w.told == 0 {
		w.told = w.last
	}
	l.duration = w.told * w.scale / 1e9
	return nil
}

func (w *webmWalk) voided(id uint64) bool {
	switch id {
	case ebmlTags, ebmlAttachments, ebmlChapters, ebmlCRC, ebmlVoid:
		return true
	}
	return false
}

// blanked are those whose value is taken out: zeros are an empty text.
func (w *webmWalk) blanked(id uint64) bool {
	switch id {
	case ebmlDate, ebmlTitle, ebmlMuxer, ebmlWriter, ebmlName, ebmlPrevious, ebmlNext:
		return true
	}
	return false
}

func (w *webmWalk) element(id uint64, start, size int64) error {
	data := w.at
	switch {
	case w.voided(id):
		if err := w.void(data + size - start); err != nil {
			return err
		}
		return w.skip(size)
	case w.blanked(id):
		if err := w.kept.keep(start, data-start); err != nil {
			return err
		}
		if err := w.kept.zero(size); err != nil {
			return err
		}
		return w.skip(size)
	}
	if err := w.kept.keep(start, data+size-start); err != nil {
		return err
	}
	body, err := w.read(int(min(size, 16)))
	if err != nil {
		return err
	}
	switch id {
	case ebmlScale:
		w.scale = number(body)
	case ebmlDuration:
		w.told = float(body)
	case ebmlTime:
		w.cluster = number(body)
	case ebmlBlock, ebmlSimpleBlock:
		if len(body) >= 3 { // track, then the time since the cluster's
			w.last = max(w.last, w.cluster+float64(int16(binary.BigEndian.Uint16(body[1:])))) //nolint:gosec // it is signed there
		}
	}
	return w.skip(data + size - w.at)
}

// void fills n bytes, two at least, with an element that says nothing.
func (w *webmWalk) void(n int64) error {
	if n < 9 {
		if err := w.kept.put(ebmlVoid, 0x80|byte(n-2)); err != nil { //nolint:gosec // below 9
			return err
		}
		return w.kept.zero(n - 2)
	}
	head := binary.BigEndian.AppendUint64([]byte{ebmlVoid}, 1<<56|uint64(n-9))
	if err := w.kept.put(head...); err != nil {
		return err
	}
	return w.kept.zero(n - 9)
}

// vint reads a number of variable length, an id with its marker.
func (w *webmWalk) vint(size bool) (uint64, bool) {
	first, err := w.byte()
	if err != nil || first == 0 {
		return 0, false
	}
	n := bits.LeadingZeros8(first)
	v := uint64(first)
	if size {
		v &= 0xff >> (n + 1)
	}
	for range n {
		b, err := w.byte()
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
