// Package client speaks Bellhop's WebSocket protocol and its HTTP API. A Client
// keeps one participant connected: it comes back by itself, reads what it
// missed, and sends again, under their keys, the messages that were not
// acknowledged, so that nothing is lost, doubled or out of order.
//
// What a Client has said of a session's messages, by MessageEvents and by the
// answers to Send, is the server's log, unless a Reset takes it back: then the
// log follows from its start. Keep messages by Mid: a Send that is answered
// while a Reset is being handled may also come as an event.
package client

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lxzan/gws"
)

// Options of a Client. URL and one of Token and TokenFunc are required.
type Options struct {
	// URL is the server's: ws://host, or http://host, with the base path where it has one.
	URL string
	// Token of the participant.
	Token string
	// TokenFunc, if set, is asked for a token at every dial, so that the client
	// survives an expired one.
	TokenFunc func(ctx context.Context) (string, error)
	// Device is the client's own id of this device; the server makes one up when empty.
	Device string
	// OnEvent gets every event, in order, one at a time, on a goroutine of the
	// client's own; it may call the client's methods, Close too. Events wait
	// while it works.
	OnEvent func(Event)
	// OnError is told, as a *PanicError, what OnEvent or TokenFunc panicked
	// with, which stops nothing else; slog's default logger is unless it is set.
	OnError func(error)
	// NoReconnect makes a lost connection the client's end.
	NoReconnect bool
	// MinBackoff and MaxBackoff bound the pause between two tries: 200 ms and
	// 20 s. It doubles, with full jitter.
	MinBackoff, MaxBackoff time.Duration
	// DialTimeout bounds one try, 10 s; and how late a heartbeat may be before a
	// connection is given up.
	DialTimeout time.Duration
	// TLSConfig is for a server whose certificate the system does not trust; nil: the default.
	TLSConfig *tls.Config
}

// Client is one participant's connection. Its methods may be called concurrently.
type Client struct {
	opt    Options
	ctx    context.Context //nolint:containedctx // the client's life, from Dial to Close
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu       sync.Mutex
	ws       *gws.Conn // nil while disconnected
	greeted  bool      // hello came on this connection
	role     string    // ours
	lastID   int64
	calls    map[int64]*call
	sends    []*call // not acknowledged, in order
	held     map[string]*held
	resuming int           // what is still being read for the connection
	reading  chan struct{} // a place for each log that is read at a time
	after    time.Duration // the server's wish for the next reconnect
	since    time.Time     // of the last hello
	backoff  time.Duration // the bound of the pause before the next try
	closed   bool

	events   []Event
	emitting string // the goroutine that hands events on, "" while none does
	deaf     bool   // OnEvent closed the client: it gets no more
}

// call is one command under way.
type call struct {
	id      int64
	cmd     string
	fields  []byte
	session string // of a send
	key     string // of a send
	out     any
	done    chan error // buffered
}

// Dial connects and waits for hello. A refusal is an *Error with the HTTP status.
func Dial(ctx context.Context, o Options) (*Client, error) {
	for name, d := range map[*time.Duration]time.Duration{&o.MinBackoff: 200 * time.Millisecond,
		&o.MaxBackoff: 20 * time.Second, &o.DialTimeout: 10 * time.Second} {
		if *name == 0 {
			*name = d
		}
	}
	c := &Client{opt: o, calls: map[int64]*call{}, held: map[string]*held{}, reading: make(chan struct{}, readers), backoff: o.MinBackoff}
	c.ctx, c.cancel = context.WithCancel(context.WithoutCancel(ctx))
	if err := c.connect(ctx); err != nil {
		c.cancel()
		return nil, err
	}
	return c, nil
}

// Close ends the connection and what is under way, and waits until OnEvent
// returned; called by OnEvent it does not wait, and that is the last event.
func (c *Client) Close() {
	c.mu.Lock()
	c.closed = true
	within := c.emitting != "" && c.emitting == goroutine()
	c.deaf = c.deaf || within
	ws := c.ws
	c.mu.Unlock()
	c.cancel()
	if ws != nil {
		_ = ws.NetConn().SetWriteDeadline(time.Now().Add(time.Second))
		_ = ws.WriteClose(1000, nil)
	}
	if !within {
		c.wg.Wait()
	}
}

// Drop cuts the connection as a bad network does; the client comes back.
func (c *Client) Drop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ws != nil {
		_ = c.ws.NetConn().Close()
	}
}

// link is one connection's gws callbacks.
type link struct {
	gws.BuiltinEventHandler
	c     *Client
	ws    *gws.Conn     // set before it reads
	hello chan struct{} // closed when hello came
	gone  chan struct{} // closed when the connection was lost before that
	code  uint16        // why; set before
	once  sync.Once
	// silence is for how many ns nothing may come: the server pings after each heartbeat.
	silence atomic.Int64
}

// lostError is a connection lost before hello.
type lostError struct{ code uint16 }

func (e *lostError) Error() string {
	return "bellhop: connection lost before hello, close code " + strconv.Itoa(int(e.code))
}

// connect makes one try. It alone answers for the connection until hello came,
// and OnClose from then on, so that never two try at once.
func (c *Client) connect(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, c.opt.DialTimeout)
	defer cancel()
	token := c.opt.Token
	if c.opt.TokenFunc != nil {
		var err error
		if token, err = c.askToken(ctx); err != nil {
			return err
		}
	}
	l := &link{c: c, hello: make(chan struct{}), gone: make(chan struct{})}
	ws, res, err := gws.NewClient(l, //nolint:bodyclose // refused closes it; an upgrade's is empty
		&gws.ClientOption{Addr: c.address(), ReadMaxPayloadSize: 16 << 20, ReadBufferSize: 1 << 10,
			TlsConfig:        c.opt.TLSConfig.Clone(), // gws writes to it
			RequestHeader:    http.Header{"Sec-Websocket-Protocol": {"bellhop.v1, " + token}},
			HandshakeTimeout: c.opt.DialTimeout, NewDialer: func() (gws.Dialer, error) { return dialer{ctx, &l.silence}, nil }})
	if err != nil {
		return refused(res, err)
	}
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		_ = ws.NetConn().Close()
		return net.ErrClosed
	}
	l.ws, c.ws, c.greeted = ws, ws, false
	c.mu.Unlock()
	c.wg.Go(ws.ReadLoop)
	select {
	case <-l.hello:
		return nil
	case <-l.gone:
		return &lostError{l.code}
	case <-ctx.Done():
		return l.abandon(ctx.Err())
	}
}

// abandon gives up waiting for hello, unless it has come at last.
func (l *link) abandon(err error) error {
	l.c.mu.Lock()
	defer l.c.mu.Unlock()
	select {
	case <-l.hello:
		return nil
	default:
	}
	if l.c.ws == l.ws {
		l.c.ws = nil
	}
	_ = l.ws.NetConn().Close()
	return err
}

// dialer dials within a context, connections that are given up after a silence.
type dialer struct {
	ctx     context.Context //nolint:containedctx // gws's interface has no room for one
	silence *atomic.Int64
}

// Dial implements gws.Dialer.
func (d dialer) Dial(network, addr string) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(d.ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return heard{conn, d.silence}, nil
}

// heard is a connection of which reading fails after silence, in ns, without a
// byte; 0: whenever. A peer that is gone without a word is noticed by that alone.
type heard struct {
	net.Conn
	silence *atomic.Int64
}

func (h heard) Read(p []byte) (int, error) {
	if d := h.silence.Load(); d > 0 {
		if err := h.SetReadDeadline(time.Now().Add(time.Duration(d))); err != nil {
			return 0, err
		}
	}
	return h.Conn.Read(p)
}

func (c *Client) address() string {
	base := strings.TrimSuffix(c.opt.URL, "/")
	if rest, ok := strings.CutPrefix(base, "http"); ok {
		base = "ws" + rest
	}
	if c.opt.Device != "" {
		return base + "/websocket?device=" + url.QueryEscape(c.opt.Device)
	}
	return base + "/websocket"
}

// refused reads what the server said instead of upgrading. gws has closed the
// connection, but what fitted into its buffer can still be read.
func refused(res *http.Response, err error) error {
	if res == nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	body, _ := io.ReadAll(res.Body)
	e := &Error{}
	if json.Unmarshal(body, e) != nil || e.Code == "" {
		e = &Error{Code: "http_" + strconv.Itoa(res.StatusCode), Message: err.Error()}
	}
	e.Status = res.StatusCode
	return e
}

// OnClose implements gws.Event: fails what cannot be repeated and comes back.
func (l *link) OnClose(ws *gws.Conn, err error) {
	c := l.c
	var closed *gws.CloseError
	var code uint16
	if errors.As(err, &closed) {
		code = closed.Code
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ws != ws {
		return
	}
	greeted := c.greeted
	c.ws, c.greeted = nil, false
	if !greeted {
		l.code = code
		close(l.gone)
		return
	}
	// A connection that does not last is not tried again at once, though it got a hello.
	if time.Since(c.since) >= c.opt.MaxBackoff {
		c.backoff = c.opt.MinBackoff
	}
	again := !c.closed && !c.opt.NoReconnect && c.mayReturn(code)
	for id, call := range c.calls {
		if call.key == "" || !again {
			delete(c.calls, id)
			call.done <- errDisconnected
		}
	}
	c.emit(&Disconnected{code, err, again})
	if again {
		c.wg.Go(c.reconnect)
	} else {
		c.closed, c.sends = true, nil
	}
}

// mayReturn tells by the close code whether the server would have us again.
func (c *Client) mayReturn(code uint16) bool {
	switch code {
	case 4001:
		return c.opt.TokenFunc != nil
	case 4002, 4005:
		return false
	}
	return true
}

// reconnect tries until it succeeds, is refused for good, or the client is closed.
func (c *Client) reconnect() {
	c.mu.Lock()
	wait := c.after
	c.after = 0
	c.mu.Unlock()
	for ; ; wait = 0 {
		c.mu.Lock()
		if wait == 0 {
			wait = jitter(c.backoff)
		}
		c.backoff = min(2*c.backoff, c.opt.MaxBackoff)
		c.mu.Unlock()
		if err := c.pause(wait); err != nil {
			c.giveUp(err)
			return
		}
		err := c.connect(c.ctx)
		if err == nil {
			return
		}
		var e *Error
		var lost *lostError
		final := errors.As(err, &e) && (e.Status == 400 || e.Status == 403 || e.Status == 401 && c.opt.TokenFunc == nil) ||
			errors.As(err, &lost) && !c.mayReturn(lost.code)
		if final || c.ctx.Err() != nil {
			c.giveUp(err)
			return
		}
	}
}

func jitter(most time.Duration) time.Duration {
	return time.Duration(rand.Int64N(int64(most) + 1)) //nolint:gosec // no secret
}

// pause waits; it fails when the client is closed.
func (c *Client) pause(d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-c.ctx.Done():
		return c.ctx.Err()
	}
}

// giveUp fails all that waits.
func (c *Client) giveUp(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for id, call := range c.calls {
		delete(c.calls, id)
		call.done <- errDisconnected
	}
	c.sends = nil
	c.emit(&Disconnected{0, err, false})
}
