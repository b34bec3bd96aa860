package live

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/oklog/ulid/v2"

	"bellhop/broker/chat"
	"bellhop/broker/internal/store"
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
	silent []*feed // sessions watched unseen
	watch  []*View // queues watched
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

// deliver gives an event to the sink, after hello.
func (c *Conn) deliver(line []byte) {
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

type connectArgs struct {
	Who      string `json:"who"`
	Agent    string `json:"agent,omitempty"`
	Device   string `json:"device"`
	Conn     string `json:"conn"`
	Max      int    `json:"max"`
	Info     string `json:"info"`
	Queues   string `json:"queues"`
	Capacity int    `json:"capacity"`
	Issued   int64  `json:"issued"`
	Again    bool   `json:"again,omitempty"` // it was told before

	Generation int64 `json:"generation"`
}

// newConnID names a connection unlike any other that ever was. Those made later
// are greater after the node's name, as far as clocks agree: see connect.lua.
func newConnID(node string) string {
	return node + "/" + strconv.FormatInt(time.Now().UnixMilli(), 36) + "." + strconv.FormatInt(connCount.Add(1), 36)
}

// errReplaced: another connection of the device was registered after this one.
var errReplaced = errors.New("replaced by another connection of this device")

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
	err = h.people.Held(ctx, id)
	if err == nil {
		err = h.register(ctx, c, false)
	}
	if err != nil {
		c.mu.Lock()
		c.closed = true
		c.mu.Unlock()
		part.leave(m, c)
		if errors.Is(err, errReplaced) { // its client has come back meanwhile
			return nil, &chat.Error{Code: chat.CodeUnavailable, Message: "another connection of this device came first", Err: err}
		}
		if chat.AsError(err).Code == chat.CodeUnavailable { // it may have been registered all the same
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
func (h *Hub) register(ctx context.Context, c *Conn, again bool) error {
	id := c.Identity()
	w, p := chat.Who(id.Role, id.ID), h.store.Home(id.ID)
	args := connectArgs{Who: w, Device: c.device, Conn: c.id, Max: chat.MaxDevices, Info: chat.Encode(id.Person()),
		Queues: chat.Encode(id.Queues), Capacity: id.Capacity, Issued: id.Issued.UnixMilli(),
		Generation: id.Generation, Again: again}
	if id.Role.Staff() {
		args.Agent = id.ID
	}
	r, err := h.store.RunJSON(ctx, "connect", []string{p.Conns(w), p.Profile(w), p.Timers(), p.Node(h.store.Node), p.Agents(),
		p.Load(id.ID), p.Dirty(), p.Named(), p.Stats()}, args, p.Waiting(""))
	if err != nil {
		return err
	}
	if r.Str(0) == "replaced" {
		return errReplaced
	}
	if r.Str(0) == "full" {
		return &chat.Error{Code: chat.CodeRateLimited, Message: "too many devices", RetryMS: 60000}
	}
	if err := store.Refused(r); err != nil {
		return err
	}
	if id.Role.Staff() {
		c.assign(r.Str(1), int(r.Num(2)))
	}
	return nil
}

// assign takes over an agent's queues, as JSON, and its capacity. It watches no
// queue any more that is not its own.
func (c *Conn) assign(queues string, capacity int) {
	var list []string
	if json.Unmarshal([]byte(queues), &list) != nil {
		return
	}
	var lost []*View
	c.mu.Lock()
	c.ident.Queues, c.ident.Capacity = list, capacity
	if c.ident.Role != chat.RoleSupervisor {
		c.watch = slices.DeleteFunc(c.watch, func(v *View) bool {
			gone := !chat.Contains(list, v.queue)
			if gone {
				lost = append(lost, v)
			}
			return gone
		})
	}
	c.mu.Unlock()
	for _, v := range lost {
		v.leave(c)
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
	for _, v := range watch {
		v.leave(c)
	}
	c.h.at(c.ident.ID).leave(c.m, c)
	if err := c.h.farewell(ctx, c); err != nil {
		c.h.farewells.add(c.bye())
		c.h.store.Log.Warn("disconnect not recorded yet", "error", err)
	}
}
