package handlers

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lxzan/gws"

	"bellhop/broker"
	"bellhop/broker/chat"
	"bellhop/internal/trace"
)

const (
	writePatience = 10 * time.Second // for one frame
	closePatience = 2 * time.Second  // for what is left and the close frame
)

// socket is one WebSocket: a chat.Sink whose outbound queue is bounded in
// bytes and needs no goroutine while it is empty.
type socket struct {
	srv     *Server
	ws      *gws.Conn // nil until bound; under mu until then
	peer    *broker.Conn
	expires int64         // of its token, seconds; 0: never
	from    *trace.Origin // the handshake's span; nil for none
	bad     int           // lines that were no JSON object; only the read loop counts

	seen atomic.Int64 // last sign of life, on the node's clock
	next int64        // when the next ping is due, on that clock; only the heartbeat touches it

	mu      sync.Mutex
	pending []byte     // objects joined by line breaks
	taken   *sync.Cond // what was pending is being written, or never will be; nil unless a reply waits for that
	writing bool       // a flush is under way; since is set with it
	stuck   bool       // it was so for too long
	since   int64      // when it began, or its latest write did, on the node's clock
	ping    bool       // to be sent
	pong    []byte     // to be sent, the last one asked for; nil for none
	code    uint16     // asked to close with this
	reason  string
	closed  bool // nothing more is taken
}

func newSocket(s *Server) *socket {
	sock := &socket{srv: s}
	now := s.clock.Load()
	sock.seen.Store(now)
	sock.next = now + rand.Int64N(s.opt.Heartbeat.Milliseconds()+1) //nolint:gosec // spreads the pings
	return sock
}

// buffers are outbound queues not in use.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

const keepBuffer = 64 << 10

// Deliver implements chat.Sink. A reader is too slow, and closed with 4003, by
// what has piled up behind it already, never by how long one event is.
func (s *socket) Deliver(events []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.code != 0 {
		return
	}
	if len(s.pending) > s.srv.opt.MaxPending {
		s.pending = nil
		s.shut(chat.CloseTooSlow, "too slow a reader")
		return
	}
	if s.pending == nil {
		s.pending = (*buffers.Get().(*[]byte))[:0] //nolint:forcetypeassert // only these are put in
	} else if len(s.pending) > 0 {
		s.pending = append(s.pending, '\n')
	}
	s.pending = append(s.pending, events...)
	s.start()
}

// Waiting is how much has piled up.
func (s *socket) Waiting() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.pending)
}

// Close implements chat.Sink: what is pending goes out first, but not for long.
func (s *socket) Close(code uint16, reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shut(code, reason)
}

func (s *socket) shut(code uint16, reason string) {
	if s.closed || s.code != 0 {
		return
	}
	s.code, s.reason = code, reason
	if code == chat.CloseTooSlow {
		s.srv.meters.slow.Add(1)
	}
	s.took()
	if s.ws != nil {
		s.hurry()
	}
	s.start()
}

// hurry bounds what is still to be written before the end, and a write that is stuck.
func (s *socket) hurry() { _ = s.ws.NetConn().SetWriteDeadline(time.Now().Add(closePatience)) }

// over tells whether the connection is closed, or about to be.
func (s *socket) over() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed || s.code != 0
}

// start makes sure that somebody flushes; mu is held.
func (s *socket) start() {
	if s.writing || s.ws == nil {
		return
	}
	s.writing, s.since = true, s.srv.clock.Load()
	s.srv.writers.run(s)
}

// answer is Deliver for what the read loop itself has to say: it writes at
// once, in its own goroutine, or waits until there is little left for the one who
// writes, so that a client that asks and does not read slows down only itself.
func (s *socket) answer(line []byte) {
	s.mu.Lock()
	for s.writing && len(s.pending) > keepBuffer && !s.closed && s.code == 0 {
		if s.taken == nil {
			s.taken = sync.NewCond(&s.mu)
		}
		s.taken.Wait()
	}
	mine := !s.writing && s.ws != nil && !s.closed && s.code == 0
	if mine {
		s.writing, s.since = true, s.srv.clock.Load()
	}
	s.mu.Unlock()
	s.Deliver(line)
	if mine {
		s.flush()
	}
}

// bind gives the socket its connection, and sends what waited for it.
func (s *socket) bind(ws *gws.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ws = ws
	if s.code != 0 {
		s.hurry()
	}
	if len(s.pending) > 0 || s.code != 0 {
		s.start()
	}
}

// control has a ping or a pong sent, by the one who writes anyway: it can neither
// overtake a close, nor be stuck without the heartbeat's notice.
func (s *socket) control(ping bool, pong []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.code != 0 {
		return
	}
	s.ping = s.ping || ping
	if pong != nil {
		s.pong = pong
	}
	s.start()
}

// flush writes until nothing is pending: all that came meanwhile is one frame.
func (s *socket) flush() {
	defer s.broken()
	for {
		// Whoever is about to run goes first: of many replies and events that come at once, what is
		// for this connection becomes one frame then. Where nobody else runs it costs nothing.
		runtime.Gosched()
		out := s.take()
		switch {
		case out.more:
			if err := s.write(&out); err != nil {
				s.fail(err)
				return
			}
			if out.batch != nil && cap(out.batch) <= keepBuffer {
				buffers.Put(&out.batch)
			}
		case out.code != 0:
			// It closes the connection, too; where gws does so already, with a code of its
			// own, that frame must go out first.
			_ = s.ws.WriteClose(out.code, []byte(out.reason))
			return
		default:
			return
		}
	}
}

// outgoing is what is to be written next.
type outgoing struct {
	batch  []byte
	ping   bool
	pong   []byte
	more   bool // there is any of these; else the writing is over
	code   uint16
	reason string
}

func (s *socket) take() outgoing {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := outgoing{batch: s.pending, ping: s.ping, pong: s.pong, code: s.code, reason: s.reason}
	s.pending, s.ping, s.pong = nil, false, nil
	s.took()
	if out.more = len(out.batch) > 0 || out.ping || out.pong != nil; out.more {
		s.since = s.srv.clock.Load()
		return out
	}
	s.writing = false
	s.closed = s.closed || out.code != 0
	return out
}

// took lets a reply go on that waits; mu is held.
func (s *socket) took() {
	if s.taken != nil {
		s.taken.Broadcast()
	}
}

// fail is for a connection that does not take what is written: the read loop ends,
// too. Where gws is closing already it is left to say why, but not for long.
func (s *socket) fail(err error) {
	s.mu.Lock()
	s.closed, s.writing, s.pending = true, false, nil
	s.took()
	slow := s.code == 0
	s.mu.Unlock()
	if errors.Is(err, gws.ErrConnClosed) {
		s.hurry()
		return
	}
	if slow {
		_ = s.ws.NetConn().SetWriteDeadline(time.Now())
	}
	_ = s.ws.NetConn().Close()
}

// write sends what is due: a batch as one frame, or several of whole objects
// where it is long.
func (s *socket) write(out *outgoing) error {
	if out.pong != nil {
		if err := s.ws.WritePong(out.pong); err != nil {
			return err
		}
	}
	if out.ping {
		if err := s.ws.WritePing(nil); err != nil {
			return err
		}
	}
	batch := out.batch
	if len(batch) == 0 {
		return nil
	}
	for len(batch) > maxFrame {
		cut := maxFrame
		for cut > 0 && batch[cut] != '\n' {
			cut--
		}
		if cut == 0 {
			for cut = maxFrame; cut < len(batch) && batch[cut] != '\n'; {
				cut++
			}
			if cut == len(batch) {
				break
			}
		}
		if err := s.ws.WriteMessage(gws.OpcodeText, batch[:cut]); err != nil {
			return err
		}
		batch = batch[cut+1:]
	}
	return s.ws.WriteMessage(gws.OpcodeText, batch)
}

// events are gws's callbacks; each connection's come one at a time.
type events struct{}

func socketOf(ws *gws.Conn) *socket {
	v, _ := ws.Session().Load("")
	s, _ := v.(*socket)
	return s
}

// OnOpen implements gws.Event.
func (events) OnOpen(*gws.Conn) {}

// OnClose implements gws.Event. What is to be done then is read's.
func (events) OnClose(*gws.Conn, error) {}

// read is the connection's read loop. However it ends, a panic included, the
// connection is closed and nobody counts it any more.
func (s *socket) read() {
	defer s.gone()
	defer s.caught("read")
	s.ws.ReadLoop()
}

// gone takes leave of a connection that is over.
func (s *socket) gone() {
	s.mu.Lock()
	s.closed, s.pending = true, nil
	code := s.code
	s.mu.Unlock()
	s.srv.log.Debug("disconnected", "connection", s.peer.ID(), "code", code)
	defer s.srv.forget(s)
	s.srv.meters.connected(s.peer.Identity().Role, -1)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.srv.ctx), commandPatience)
	defer cancel()
	s.peer.Close(ctx)
}

// OnPing implements gws.Event.
func (events) OnPing(ws *gws.Conn, payload []byte) {
	s := socketOf(ws)
	s.alive()
	if payload == nil {
		payload = []byte{}
	}
	s.control(false, payload)
}

// OnPong implements gws.Event.
func (events) OnPong(ws *gws.Conn, _ []byte) { socketOf(ws).alive() }

func (s *socket) alive() { s.seen.Store(s.srv.clock.Load()) }

// OnMessage implements gws.Event: the commands of one frame, in order.
func (events) OnMessage(ws *gws.Conn, m *gws.Message) {
	s := socketOf(ws)
	defer func() { _ = m.Close() }()
	defer s.caught("command")
	s.alive()
	if m.Opcode != gws.OpcodeText {
		s.Close(closeBinary, "text frames only")
		return
	}
	s.frame(m.Bytes())
}

const closeBinary = 1003
