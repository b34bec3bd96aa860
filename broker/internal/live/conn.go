package live

import (
	"context"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/oklog/ulid/v2"

	"bellhop/broker/chat"
)

// Conn is one device of a participant at this node. Its methods may be called
// concurrently; commands are the Broker's, given an Actor with this Conn.
type Conn struct {
	h      *Hub
	id     string // node/number: unlike any other that ever was
	device string
	sink   chat.Sink
	m      *member

	mu     sync.Mutex
	ident  chat.Identity
	hold   [][]byte // events that came before hello was sent
	held   int      // their bytes
	ready  bool
	closed bool
	silent []*feed  // sessions watched unseen
	watch  []string // queues watched
}

var connCount atomic.Int64

// ID names the connection among all that ever were.
func (c *Conn) ID() string { return c.id }

// Identity is who it is; an agent's queues and capacity as last set.
func (c *Conn) Identity() chat.Identity {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ident
}

// Deliver gives an event to the sink, after hello.
func (c *Conn) Deliver(line []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
	case c.ready:
		c.sink.Deliver(line)
	case c.held+len(line) > MaxBacklog: // it comes back, and by seq
		c.sink.Close(chat.CloseTooSlow, "too much before hello")
	default:
		c.hold, c.held = append(c.hold, line), c.held+len(line)
	}
}

// greet sends hello, then what waited for it.
func (c *Conn) greet(hello []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sink.Deliver(hello)
	for _, line := range c.hold {
		c.sink.Deliver(line)
	}
	c.hold, c.ready = nil, true
}

// shut ends the connection from the broker's side.
func (c *Conn) shut(code uint16, reason string) { c.sink.Close(code, reason) }

// newConnID names a connection unlike any other that ever was. Those made later
// are greater after the node's name, as far as clocks agree: see connect.lua.
func newConnID(node string) string {
	return node + "/" + strconv.FormatInt(time.Now().UnixMilli(), 36) + "." + strconv.FormatInt(connCount.Add(1), 36)
}

// MayType tells whether a session's typing may be passed on now: once a second for
// each session and participant.
func (c *Conn) MayType(session string) bool { return c.m.typed(session) }

// gone tells whether it has been closed.
func (c *Conn) gone() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closed
}

// Connect registers a device and delivers hello to the sink as its first
// event. An empty device gets a name of its own. CodeRateLimited: too many
// devices; CodeUnauthorized: revoked meanwhile; CodeBlocked.
func (h *Hub) Connect(ctx context.Context, id chat.Identity, device string, sink chat.Sink) (*Conn, error) {
	if device == "" {
		device = ulid.Make().String()
	}
	if err := chat.ValidID("device", device); err != nil {
		return nil, err
	}
	w := chat.Who(id.Role, id.ID)
	c := &Conn{h: h, id: newConnID(h.store.Node), device: device, sink: sink, ident: id}
	part := h.at(id.ID)
	m, err := part.join(ctx, w, c)
	if err != nil {
		return nil, err
	}
	c.m = m
	defer func() {
		if p := recover(); p != nil { // nobody has it, to close it
			c.Close(context.WithoutCancel(ctx))
			panic(p)
		}
	}()
	// What is revoked from here on is heard of; what was before shows now.
	var replaced bool
	err = h.people.Held(ctx, id)
	if err == nil {
		replaced, err = h.register(ctx, c, false)
	}
	if replaced { // its client has come back meanwhile
		err = &chat.Error{Code: chat.CodeUnavailable, Message: "another connection of this device came first"}
	}
	if err != nil {
		c.mu.Lock()
		c.closed = true
		c.mu.Unlock()
		part.leave(m, c)
		if !replaced && chat.AsError(err).Code == chat.CodeUnavailable { // it may have been registered all the same
			h.farewells.add(c.bye())
		}
		return nil, err
	}
	hello, err := h.hello(ctx, c)
	if err != nil {
		c.Close(context.WithoutCancel(ctx))
		return nil, err
	}
	c.greet(hello)
	return c, nil
}

// register tells Redis that the device is here; again: not for the first time.
func (h *Hub) register(ctx context.Context, c *Conn, again bool) (replaced bool, err error) {
	is, err := h.presence.Register(ctx, c.Identity(), c.device, c.id, again)
	if is.Assigned {
		c.assign(is.Queues, is.Capacity)
	}
	return is.Replaced, err
}

// assign takes over an agent's queues and its capacity. It watches no queue any more
// that is not its own.
func (c *Conn) assign(list []string, capacity int) {
	var lost []string
	c.mu.Lock()
	c.ident.Queues, c.ident.Capacity = list, capacity
	if c.ident.Role != chat.RoleSupervisor {
		c.watch = slices.DeleteFunc(c.watch, func(queue string) bool {
			gone := !chat.Contains(list, queue)
			if gone {
				lost = append(lost, queue)
			}
			return gone
		})
	}
	c.mu.Unlock()
	for _, queue := range lost {
		c.h.watched.Leave(c, queue)
	}
}

// Close unregisters the device; the sink is not called afterwards. Calling it
// twice does no harm. If Redis is away, it is told later.
func (c *Conn) Close(ctx context.Context) {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return
	}
	c.closed = true
	silent, watch := c.silent, c.watch
	c.silent, c.watch, c.hold = nil, nil, nil
	c.mu.Unlock()
	for _, f := range silent {
		f.unwatch(c)
	}
	for _, queue := range watch {
		c.h.watched.Leave(c, queue)
	}
	c.h.at(c.ident.ID).leave(c.m, c)
	if err := c.h.farewell(ctx, c); err != nil {
		c.h.farewells.add(c.bye())
		c.h.store.Log.Warn("disconnect not recorded yet", "error", err)
	}
}
