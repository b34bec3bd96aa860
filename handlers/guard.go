package handlers

import (
	"bufio"
	"encoding/binary"
	"errors"
	"net"
	"net/http"
	"time"
)

// guard is a client's connection as gws reads it: it looks at the frame headers
// as they pass and stops before one that must not be believed. gws takes a
// length of 2^63 or more for a negative one and panics; here nothing of the kind,
// and nothing else that RFC 6455 forbids in a header, comes as far. It keeps no
// payload, so an idle connection costs its few fields. Only the read loop reads.
type guard struct {
	net.Conn
	refuse func(code uint16, reason string) // asks for the close; the connection's end follows
	pace   func()                           // waits where the client sends too many frames
	early  []byte                           // what came along with the request; soon nil

	head  [10]byte // what has come of a header, without its mask
	had   uint8    // bytes of the header that have come, mask included
	left  uint32   // bytes of payload to come
	whole uint32   // bytes of the message whose fragments come
	open  bool     // a message's fragments are coming
	bare  uint16   // frames of this read that are no message's first: nobody else counts them
	code  uint16   // refused with this; nothing is passed on any more
	why   string
}

const (
	closeProtocolError = 1002
	closeTooBig        = 1009

	maxControl = 125 // bytes of a control frame
	maskBytes  = 4
)

var errRefused = errors.New("refused a frame header")

// Read implements net.Conn.
func (g *guard) Read(p []byte) (n int, err error) {
	if g.code != 0 {
		return 0, g.end()
	}
	if len(g.early) > 0 {
		n = copy(p, g.early)
		if g.early = g.early[n:]; len(g.early) == 0 {
			g.early = nil
		}
	} else if n, err = g.Conn.Read(p); err != nil && n == 0 {
		return 0, err
	}
	n = g.pass(p[:n])
	for ; g.bare > 0; g.bare-- {
		g.pace()
	}
	if n == 0 && g.code != 0 {
		return 0, g.end()
	}
	return n, err
}

// end has the connection closed with the code, and waits for that: whatever else
// comes is read and dropped, lest the close frame be lost to a reset. It goes on
// after the client's own end, since gws would close in its way then.
func (g *guard) end() error {
	g.refuse(g.code, g.why)
	var sink [512]byte
	for deadline := time.Now().Add(closePatience + time.Second); time.Now().Before(deadline); {
		_, err := g.Conn.Read(sink[:])
		if errors.Is(err, net.ErrClosed) {
			break
		}
		if err != nil {
			time.Sleep(5 * time.Millisecond)
		}
	}
	return errRefused
}

// pass tells how many of the bytes gws may see: all, or those before the one that
// made a header bad.
func (g *guard) pass(p []byte) int {
	for i := 0; i < len(p); {
		if g.left > 0 && g.had == 0 {
			n := min(uint32(len(p)-i), g.left) //nolint:gosec // a read's length
			g.left -= n
			i += int(n)
			continue
		}
		if int(g.had) < len(g.head) {
			g.head[g.had] = p[i]
		}
		g.had++
		if g.check(); g.code != 0 {
			return i
		}
		i++
	}
	return len(p)
}

// check looks at what has come of a header; once it is whole the payload follows.
func (g *guard) check() {
	switch code := g.head[1] & 0x7f; {
	case g.had == 1:
		g.first()
	case g.had == 2:
		g.second(code)
	case code == 126 && g.had == 4:
		g.length(uint64(binary.BigEndian.Uint16(g.head[2:4])), 126)
	case code == 127 && g.had == 10:
		g.length(binary.BigEndian.Uint64(g.head[2:10]), 1<<16)
	}
	if g.code == 0 && g.had == g.size() {
		g.had = 0
	}
}

// size is how long the header is; known from its second byte on.
func (g *guard) size() uint8 {
	if g.had < 2 {
		return 2
	}
	switch g.head[1] & 0x7f {
	case 126:
		return 4 + maskBytes
	case 127:
		return 10 + maskBytes
	}
	return 2 + maskBytes
}

// first is the byte with what kind of frame it is.
func (g *guard) first() {
	b := g.head[0]
	last, opcode := b&0x80 != 0, b&0x0f
	switch {
	case b&0x70 != 0:
		g.bad(closeProtocolError, "no extension was agreed upon")
	case opcode > 2 && opcode < 8 || opcode > 10:
		g.bad(closeProtocolError, "a reserved opcode")
	case opcode >= 8 && !last:
		g.bad(closeProtocolError, "a control frame in fragments")
	case opcode == 0 && !g.open:
		g.bad(closeProtocolError, "a continuation of nothing")
	case (opcode == 1 || opcode == 2) && g.open:
		g.bad(closeProtocolError, "a message within another")
	}
}

// second is the byte with the mask's bit and the shortest form of the length.
func (g *guard) second(code byte) {
	switch {
	case g.head[1]&0x80 == 0:
		g.bad(closeProtocolError, "frames from a client are masked")
	case g.control() && code > maxControl:
		g.bad(closeProtocolError, "a control frame of more than 125 bytes")
	case code <= maxControl:
		g.length(uint64(code), 0)
	}
}

func (g *guard) control() bool { return g.head[0]&0x08 != 0 }

// length is a payload's; shorter than least has a shorter form, which RFC 6455 demands.
func (g *guard) length(n, least uint64) {
	switch {
	case n < least || n > 1<<63-1:
		g.bad(closeProtocolError, "a length in no valid form")
		return
	case n > maxFrame:
		g.bad(closeTooBig, "a frame of more than 64 KiB")
		return
	}
	g.left = uint32(n)
	if g.head[0]&0x0f != 1 { // of texts each line counts
		g.bare++
	}
	if g.control() {
		return
	}
	if g.head[0]&0x0f != 0 {
		g.whole = 0
	}
	g.open = g.head[0]&0x80 == 0
	if g.whole += g.left; g.whole > maxFrame {
		g.bad(closeTooBig, "a message of more than 64 KiB")
	}
}

func (g *guard) bad(code uint16, why string) { g.code, g.why = code, why }

// guarding makes gws hijack a guard. gws drops what net/http has read already of
// what follows the request; the guard has it.
type guarding struct {
	http.ResponseWriter
	refuse func(code uint16, reason string)
	pace   func()
	conn   net.Conn // once hijacked
}

// Hijack implements http.Hijacker.
func (w *guarding) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	g := &guard{Conn: conn, refuse: w.refuse, pace: w.pace}
	w.conn = g
	if n := rw.Reader.Buffered(); n > 0 {
		g.early = make([]byte, n)
		_, err = rw.Read(g.early) // all of it: it is in memory
	}
	return g, rw, err
}
