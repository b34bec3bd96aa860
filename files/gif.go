package files

import (
	"encoding/binary"
	"errors"
	"slices"
)

// walkGIF keeps a GIF's frames, their times and the number of rounds, and
// leaves out comments, texts and what applications add.
func walkGIF(s *source, l *layout) error {
	b, err := s.read(13)
	if err != nil || string(b[:3]) != "GIF" {
		return errMalformed
	}
	l.width, l.height = int(binary.LittleEndian.Uint16(b[6:])), int(binary.LittleEndian.Uint16(b[8:]))
	if err := l.frame(l.width, l.height, 1); err != nil {
		return err
	}
	if err := s.skip(tableSize(b[10])); err != nil {
		return err
	}
	if err := l.kept.keep(0, s.at); err != nil {
		return err
	}
	const extension, descriptor, trailer = 0x21, 0x2c, 0x3b
	for frames := 0; ; {
		start := s.at
		kind := byte(trailer)
		if frames == 0 || s.left() > 0 { // many end without a trailer
			if kind, err = s.byte(); err != nil {
				return err
			}
		}
		keep := true
		switch kind {
		case trailer:
			if frames == 0 {
				return errMalformed
			}
			return l.kept.put(trailer)
		case extension:
			keep, err = gifExtension(s)
		case descriptor:
			frames++
			if err = l.frames(frames); err == nil {
				err = gifFrame(s)
			}
		default:
			err = errMalformed
		}
		if errors.Is(err, errMalformed) && l.first != nil {
			return l.kept.put(trailer) // what came before can be shown
		}
		if err == nil && keep {
			err = l.kept.keep(start, s.at-start)
		}
		if err != nil {
			return err
		}
		if kind == descriptor && l.first == nil {
			l.first = append(slices.Clone(l.kept), piece{data: []byte{trailer}, n: 1})
		}
	}
}

// tableSize is the bytes of a colour table that a field of flags tells of.
func tableSize(flags byte) int64 {
	if flags&0x80 == 0 {
		return 0
	}
	return 3 << (flags&7 + 1)
}

// gifExtension reads one, and tells whether it is to be kept.
func gifExtension(s *source) (keep bool, err error) {
	const control, application = 0xf9, 0xff
	label, err := s.byte()
	if err != nil {
		return false, err
	}
	size, err := s.byte()
	if err != nil {
		return false, err
	}
	if int64(size) > s.left() {
		return false, errMalformed
	}
	switch {
	case label == control:
		keep = true
	case label == application && size == 11:
		b, err := s.read(11)
		if err != nil {
			return false, err
		}
		rounds := string(b) == "NETSCAPE2.0" || string(b) == "ANIMEXTS1.0"
		after := s.at
		err = subBlocks(s)
		return rounds && s.at-after <= 11, err // as much as the number of rounds takes, and a buffer's length
	}
	if size == 0 {
		return false, nil
	}
	if err := s.skip(int64(size)); err != nil {
		return false, err
	}
	before := s.at
	err = subBlocks(s)
	return keep && size == 4 && s.at-before == 1, err
}

// gifFrame goes over a frame: its descriptor, colours and pixels.
func gifFrame(s *source) error {
	b, err := s.read(9)
	if err != nil {
		return err
	}
	if err := s.skip(tableSize(b[8]) + 1); err != nil { // and the least size of a code
		return err
	}
	return subBlocks(s)
}

// subBlocks goes over blocks of data up to the empty one.
func subBlocks(s *source) error {
	for {
		n, err := s.byte()
		if err != nil || n == 0 {
			return err
		}
		if err := s.skip(int64(n)); err != nil {
			return err
		}
	}
}
