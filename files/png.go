package files

import "encoding/binary"

// shownChunks are those of PNG that change what is shown. No others are kept:
// they tell where, when and with what a picture was made.
var shownChunks = map[string]bool{"IHDR": true, "PLTE": true, "IDAT": true, "IEND": true, "tRNS": true, "cHRM": true, "gAMA": true,
	"iCCP": true, "sBIT": true, "sRGB": true, "cICP": true, "mDCV": true, "cLLI": true, "bKGD": true, "pHYs": true,
	"acTL": true, "fcTL": true, "fdAT": true}

func walkPNG(s *source, l *layout) error {
	if b, err := s.read(8); err != nil || string(b) != "\x89PNG\r\n\x1a\n" {
		return errMalformed
	}
	if err := l.kept.keep(0, 8); err != nil {
		return err
	}
	frames, perPixel := 0, 0.0
	for {
		start := s.at
		b, err := s.read(8)
		if err != nil {
			return err
		}
		n, kind := int64(binary.BigEndian.Uint32(b))+4, string(b[4:]) // and its checksum
		if n > s.left() || (kind == "IHDR") != (start == 8) {
			return errMalformed
		}
		switch kind {
		case "IHDR":
			if perPixel, err = l.header(s); err != nil {
				return err
			}
		case "tRNS":
			if err := l.frame(l.width, l.height, max(4, 2*perPixel)); err != nil {
				return err
			}
		case "fcTL":
			if frames++; l.frames(frames) != nil {
				return errCostly
			}
		}
		if shownChunks[kind] {
			if err := l.kept.keep(start, 8+n); err != nil {
				return err
			}
		}
		if kind == "IEND" {
			return nil
		}
		if err := s.skip(start + 8 + n - s.at); err != nil {
			return err
		}
	}
}

// header reads how many pixels there are, and gives what decoding one takes.
func (l *layout) header(s *source) (float64, error) {
	b, err := s.read(13)
	if err != nil {
		return 0, err
	}
	w, h := binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:])
	depth, colour, interlaced := b[8], b[9], b[12] != 0
	if w > maxPixels || h > maxPixels {
		return 0, errCostly
	}
	l.width, l.height = int(w), int(h)
	const grey, palette = 0, 3
	perPixel := 4.0
	if colour == grey || colour == palette {
		perPixel = 1
	}
	if depth == 16 {
		perPixel *= 2
	}
	if interlaced {
		perPixel *= 2 // each pass is a picture first
	}
	return perPixel, l.frame(l.width, l.height, perPixel)
}
