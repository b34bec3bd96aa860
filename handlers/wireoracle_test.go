package handlers

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"unicode/utf8"
)

// oracle reads a client's bytes as RFC 6455 and PROTOCOL.md have it: the codes the
// connection may be closed with, none if it stays. What closes by the outbound
// queue lets what came behind it be read, too, so there may be several.
func oracle(data []byte) map[int]bool {
	codes := map[int]bool{}
	var message []byte
	var kind byte
	bad := 0
	for len(data) >= 1 {
		first := data[0]
		opcode, fin := first&0x0f, first&0x80 != 0
		ctl := opcode >= 8
		if first&0x70 != 0 || opcode > 10 || opcode > 2 && opcode < 8 || ctl && !fin || opcode == 0 && kind == 0 || !ctl && opcode != 0 && kind != 0 {
			codes[1002] = true
			return codes
		}
		if len(data) < 2 {
			break
		}
		n, size := uint64(data[1]&0x7f), 0
		if data[1]&0x80 == 0 || ctl && n > 125 {
			codes[1002] = true
			return codes
		}
		switch n {
		case 126:
			size = 2
		case 127:
			size = 8
		}
		if len(data) < 2+size {
			break
		}
		if size > 0 {
			n = 0
			for _, b := range data[2 : 2+size] {
				n = n<<8 | uint64(b)
			}
		}
		if size == 2 && n < 126 || size == 8 && (n < 1<<16 || n > math.MaxInt64) {
			codes[1002] = true
			return codes
		}
		if n > maxFrame || !ctl && uint64(len(message))+n > maxFrame {
			codes[1009] = true
			return codes
		}
		if uint64(len(data)) < 6+uint64(size)+n {
			break
		}
		mask, payload := data[2+size:6+size], bytes.Clone(data[6+size:6+size+int(n)])
		data = data[6+size+int(n):]
		for i := range payload {
			payload[i] ^= mask[i%4]
		}
		if opcode == 8 {
			codes[closeAnswer(payload)] = true
			return codes
		}
		if ctl {
			continue
		}
		if opcode != 0 {
			kind, message = opcode, nil
		}
		message = append(message, payload...)
		if !fin {
			continue
		}
		switch {
		case kind == 1 && !utf8.Valid(message):
			codes[1007] = true
			return codes
		case kind == 2:
			codes[1003] = true
		default:
			for line := range bytes.SplitSeq(message, []byte{'\n'}) {
				if line = bytes.TrimSpace(line); len(line) == 0 {
					continue
				}
				if _, _, err := parse(line); errors.Is(err, errNoObject) {
					if bad++; bad >= maxBadLines {
						codes[4004] = true
					}
				}
			}
		}
		kind, message = 0, nil
	}
	return codes
}

// closeAnswer is the code a client's close frame is answered with.
func closeAnswer(payload []byte) int {
	if len(payload) == 0 {
		return 1000 // gws answers none; a close without a code is as good
	}
	if len(payload) == 1 {
		return 1002
	}
	if !utf8.Valid(payload[2:]) {
		return 1007
	}
	code := int(binary.BigEndian.Uint16(payload))
	switch {
	case code < 1000, code >= 5000, code >= 1014 && code < 3000, code >= 1004 && code <= 1006:
		return 1002
	case code >= 3000:
		return code
	}
	return 1000
}
