package handlers

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"bellhop/broker"
	"bellhop/broker/chat"
	"bellhop/internal/testenv"
)

// edge is a server on loopback with somebody connected whom nothing must disturb.
type edge struct {
	*Server
	broker *broker.Broker
	addr   string
	token  string
	other  *wire
	asked  int
}

func newEdge(t testing.TB, o Options, listen ...func(net.Listener) net.Listener) *edge {
	t.Helper()
	return newEdgeWith(t, o, -1, listen...)
}

// newEdgeWith has a budget of bytes to read.
func newEdgeWith(t testing.TB, o Options, readRate float64, listen ...func(net.Listener) net.Listener) *edge {
	t.Helper()
	rdb, err := broker.Dial(testenv.Shared(t, testenv.EngineEmbedded))
	require.NoError(t, err)
	b, err := broker.New(t.Context(), broker.Options{Redis: rdb, FirstPartitions: 16, Log: slog.New(slog.DiscardHandler), SendRate: -1, ListRate: -1, ReadRate: readRate})
	require.NoError(t, err)
	o.Broker, o.APIKeys, o.Log, o.Drain = b, []string{"key"}, slog.New(slog.DiscardHandler), 10*time.Millisecond
	s := New(o)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := l.Addr().String()
	for _, wrap := range listen {
		l = wrap(l)
	}
	srv := s.HTTP()
	go func() { _ = srv.Serve(l) }()
	e := &edge{Server: s, broker: b, addr: addr}
	t.Cleanup(func() {
		_ = srv.Close()
		s.Close()
		require.Eventually(t, func() bool { return s.Conns() == 0 }, 5*time.Second, 5*time.Millisecond)
		require.NoError(t, b.Close(context.WithoutCancel(t.Context())))
		require.NoError(t, rdb.Close())
	})
	e.token = e.issue(t, chat.RoleUser, "uma")
	e.other = e.connect(t, e.issue(t, chat.RoleUser, "ulf"))
	return e
}

func (e *edge) issue(t testing.TB, role chat.Role, id string) string {
	t.Helper()
	token, _, err := e.broker.IssueToken(t.Context(), chat.Identity{Role: role, ID: id}, time.Hour)
	require.NoError(t, err)
	return token
}

// othersAreServed fails unless the other connection is answered, and no other is left.
func (e *edge) othersAreServed(t testing.TB) {
	t.Helper()
	e.asked++
	e.other.send(t, frame(0x81, []byte(fmt.Sprintf(`{"id":%d,"cmd":"ping"}`, e.asked))))
	require.Contains(t, e.other.line(t, fmt.Sprintf(`{"id":%d,`, e.asked)), `"ok"`)
	require.Eventually(t, func() bool { return e.Conns() == 1 }, 5*time.Second, time.Millisecond, "a place in the server is lost")
}

// wire is a WebSocket client that sends any bytes.
type wire struct {
	net.Conn
	r *bufio.Reader
}

var devices atomic.Int64

// connect makes a handshake; what is sent along goes out in the same write.
func (e *edge) connect(t testing.TB, token string, along ...byte) *wire {
	t.Helper()
	conn, err := net.Dial("tcp", e.addr)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
	request := fmt.Sprintf("GET /websocket?device=d%d HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: bellhop.v1, %s\r\n\r\n",
		devices.Add(1), e.addr, token)
	_, err = conn.Write(append([]byte(request), along...))
	require.NoError(t, err)
	w := &wire{conn, bufio.NewReader(conn)}
	res, err := http.ReadResponse(w.r, nil)
	require.NoError(t, err)
	_ = res.Body.Close()
	require.Equal(t, http.StatusSwitchingProtocols, res.StatusCode)
	return w
}

func (w *wire) send(t testing.TB, data []byte) {
	t.Helper()
	_, err := w.Write(data)
	require.NoError(t, err)
}

// next is the next frame's opcode and payload.
func (w *wire) next() (opcode byte, payload []byte, err error) {
	var head [2]byte
	if _, err := io.ReadFull(w.r, head[:]); err != nil {
		return 0, nil, err
	}
	n := int64(head[1])
	switch n {
	case 126:
		var l [2]byte
		_, err = io.ReadFull(w.r, l[:])
		n = int64(binary.BigEndian.Uint16(l[:]))
	case 127:
		var l [8]byte
		_, err = io.ReadFull(w.r, l[:])
		n = int64(binary.BigEndian.Uint64(l[:]))
	}
	if err != nil {
		return 0, nil, err
	}
	payload = make([]byte, n)
	_, err = io.ReadFull(w.r, payload)
	return head[0] & 0x0f, payload, err
}

// line is the first one that begins so.
func (w *wire) line(t testing.TB, begins string) string {
	t.Helper()
	require.NoError(t, w.SetDeadline(time.Now().Add(20*time.Second)))
	for {
		_, payload, err := w.next()
		require.NoError(t, err)
		for l := range strings.SplitSeq(string(payload), "\n") {
			if strings.HasPrefix(l, begins) {
				return l
			}
		}
	}
}

// closed is the code the connection ends with; 1006 where there is none, 0 where it does not end.
func (w *wire) closed() int {
	for {
		opcode, payload, err := w.next()
		var late net.Error
		switch {
		case errors.As(err, &late) && late.Timeout():
			return 0
		case err != nil:
			return 1006
		case opcode == 8 && len(payload) >= 2:
			return int(binary.BigEndian.Uint16(payload))
		case opcode == 8:
			return 1005
		}
	}
}

// header is a frame's, with a mask of zeroes and the length in a form of so many bytes.
func header(first byte, n uint64, form int) []byte {
	h := []byte{first}
	switch form {
	case 1:
		h = append(h, 0x80|byte(n))
	case 2:
		h = binary.BigEndian.AppendUint16(append(h, 0x80|126), uint16(n))
	case 8:
		h = binary.BigEndian.AppendUint64(append(h, 0x80|127), n)
	}
	return append(h, 0, 0, 0, 0)
}

// frame is a whole one, its length in the shortest form.
func frame(first byte, payload []byte) []byte {
	n, form := uint64(len(payload)), 8
	if n < 126 {
		form = 1
	} else if n < 1<<16 {
		form = 2
	}
	return append(header(first, n, form), payload...)
}

// hostile sends bytes after a handshake, and sees the connection end as it must,
// nobody else disturbed.
func (e *edge) hostile(t testing.TB, data []byte, along bool) {
	t.Helper()
	var w *wire
	if along {
		w = e.connect(t, e.token, data...)
	} else {
		w = e.connect(t, e.token)
		_, _ = w.Write(data) // it may have been closed before the end of them
	}
	want := oracle(data)
	if len(want) == 0 {
		require.NoError(t, w.Conn.(*net.TCPConn).CloseWrite())
		want[1000] = true
	}
	require.NoError(t, w.SetReadDeadline(time.Now().Add(5*time.Second)))
	got := w.closed()
	if got == 1005 {
		got = 1000
	}
	require.True(t, want[got], "closed with %d, not %v", got, want)
	_ = w.Close()
	e.othersAreServed(t)
}

// lengths are those around which a reader may go wrong.
var lengths = []uint64{0, 1, 125, 126, 127, 128, 65535, 65536, maxFrame - 1, maxFrame, maxFrame + 1, 1<<31 - 1, 1 << 31, 1<<32 - 1, 1 << 32,
	math.MaxInt64 - 9, math.MaxInt64, 1 << 63, 1<<63 + 1, math.MaxUint64 - 8, math.MaxUint64}

// A frame's length at every boundary, in every form that can hold it, as every
// kind of frame: refused with the right code, or taken; nobody else notices.
func TestLengthsOfFrames(t *testing.T) {
	e := newEdge(t, Options{})
	for _, n := range lengths {
		for form, most := range map[int]uint64{1: 125, 2: math.MaxUint16, 8: math.MaxUint64} {
			for _, first := range []byte{0x81, 0x01, 0x82, 0x80, 0x88, 0x89, 0x8a, 0x0a, 0x83, 0xc1} {
				if n > most {
					continue
				}
				data := header(first, n, form)
				if n <= 1<<17 {
					data = append(data, bytes.Repeat([]byte(" "), int(n))...)
				}
				e.hostile(t, data, false)
			}
		}
	}
	require.Zero(t, e.panics.Load())
}

// The frame that ended a whole node.
func TestALengthThatIsNegative(t *testing.T) {
	e := newEdge(t, Options{})
	bytes := []byte{0x81, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
	for _, along := range []bool{false, true} {
		w := e.connect(t, e.token)
		if along {
			w = e.connect(t, e.token, bytes...)
		} else {
			w.send(t, bytes)
		}
		require.Equal(t, 1002, w.closed())
	}
	e.other.send(t, frame(0x81, []byte(`{"id":1,"cmd":"ping"}`)))
	e.other.line(t, `{"id":1,"ok"`)
}

// What comes in the same packet as the handshake is read, in pieces of any size.
func TestFramesAlongWithTheHandshake(t *testing.T) {
	e := newEdge(t, Options{})
	w := e.connect(t, e.token, append(frame(0x81, []byte(`{"id":1,"cmd":"ping"}`)), frame(0x01, []byte(`{"id":2,`))...)...)
	w.line(t, `{"id":1,"ok"`)
	for _, b := range append(frame(0x89, []byte("hi")), frame(0x80, []byte(`"cmd":"ping"}`))...) {
		w.send(t, []byte{b})
	}
	w.line(t, `{"id":2,"ok"`)
	_ = w.Close()
	e.othersAreServed(t)
}

// Fragments without an end hold no more memory than a frame may.
func TestEndlessFragments(t *testing.T) {
	e := newEdge(t, Options{})
	w := e.connect(t, e.token)
	w.send(t, frame(0x01, nil))
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for range 30 {
		w.send(t, bytes.Repeat(frame(0x00, nil), 100)) // of nothing: allowed, and paced
	}
	w.send(t, frame(0x89, []byte("still")))
	for {
		opcode, payload, err := w.next()
		require.NoError(t, err)
		if opcode == 10 {
			require.Equal(t, "still", string(payload))
			break
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	require.Less(t, int64(after.HeapAlloc)-int64(before.HeapAlloc), int64(4<<20))
	for range maxFrame {
		if _, err := w.Write(bytes.Repeat(frame(0x00, bytes.Repeat([]byte(" "), 100)), 10)); err != nil {
			break
		}
	}
	require.Equal(t, 1009, w.closed())
	e.othersAreServed(t)
}

// Whatever bytes a client sends after its handshake: the node lives, others are
// served, the connection is closed with the code that RFC 6455 and the protocol
// ask for, and nothing of it is left.
func FuzzConnection(f *testing.F) {
	e := newEdge(f, Options{})
	for _, n := range lengths {
		f.Add(header(0x81, n, 8), true)
		f.Add(append(frame(0x01, []byte(`{"id":1,`)), header(0x80, n, 8)...), false)
	}
	f.Add(frame(0x81, []byte("{\"id\":1,\"cmd\":\"ping\"}\n[]\n1\nx\n\"\"\n{")), false)
	f.Add(append(frame(0x82, []byte("x")), frame(0x81, []byte("\xff"))...), false)
	f.Add(append(frame(0x89, bytes.Repeat([]byte("p"), 125)), frame(0x88, []byte{0x03, 0xe8})...), true)
	f.Add(frame(0x88, []byte{0x0f, 0xa1, 0xff}), false)
	started := runtime.NumGoroutine()
	f.Fuzz(func(t *testing.T, data []byte, along bool) {
		if along && len(data) > 2048 {
			data = data[:2048]
		}
		e.hostile(t, data, along)
		require.Zero(t, e.panics.Load()+e.broker.Panics())
		require.Eventually(t, func() bool { return runtime.NumGoroutine() < started+3*idleWriters }, 5*time.Second, time.Millisecond, "goroutines are left")
	})
}
