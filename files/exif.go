package files

import (
	"bytes"
	"encoding/binary"
)

// orientation is the one tag of EXIF that is needed: how a picture is to be
// turned, 1 to 8; 0 where it is not told. b is a TIFF, of which no more is read
// than its first directory.
func orientation(b []byte) byte {
	var order binary.ByteOrder = binary.LittleEndian
	switch {
	case bytes.HasPrefix(b, []byte("MM\x00*")):
		order = binary.BigEndian
	case !bytes.HasPrefix(b, []byte("II*\x00")):
		return 0
	}
	if len(b) < 8 {
		return 0
	}
	at := uint64(order.Uint32(b[4:]))
	if at+2 > uint64(len(b)) {
		return 0
	}
	const tagOrientation, typeShort, entry = 0x0112, 3, 12
	entries := b[at+2:]
	for n := order.Uint16(b[at:]); n > 0 && len(entries) >= entry; n-- {
		if order.Uint16(entries) == tagOrientation && order.Uint16(entries[2:]) == typeShort {
			if v := order.Uint16(entries[8:]); v >= 1 && v <= 8 {
				return byte(v)
			}
			return 0
		}
		entries = entries[entry:]
	}
	return 0
}

// exifSegment is a JPEG's segment that tells an orientation and nothing else:
// TIFF, big endian, one entry of type SHORT.
func exifSegment(turned byte) []byte {
	b := []byte("\xff\xe1\x00\x22Exif\x00\x00MM\x00\x2a\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00")
	return append(b, turned, 0, 0, 0, 0, 0, 0)
}
