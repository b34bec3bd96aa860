package broker

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
	b      *Broker
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
	watch  []*view // queues watched
}

var connCount atomic.Int64

// ID names the connection among all that ever were.
func (c *Conn) ID() string { return c.id }

// device is the connection at this node that a command came by; nil over HTTP.
func device(a chat.Actor) *Conn {
	c, _ := a.Conn.(*Conn)
	return c
}

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
	case c.held+len(line) > maxBacklog: // it comes back, and by seq
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

// gone tells whether it has been closed.
func (c *Conn) gone() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closed
}

// Connect registers a device and delivers hello to the sink as its first
// event. An empty device gets a name of its own. CodeRateLimited: too many
// devices; CodeUnauthorized: revoked meanwhile; CodeBlocked.
func (b *Broker) Connect(ctx context.Context, id chat.Identity, device string, sink chat.Sink) (*Conn, error) {
	if device == "" {
		device = ulid.Make().String()
	}
	if err := chat.ValidID("device", device); err != nil {
		return nil, err
	}
	w := chat.Who(id.Role, id.ID)
	c := &Conn{b: b, id: newConnID(b.Node), device: device, sink: sink, ident: id}
	part := b.hub.at(id.ID)
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
	err = b.people.Held(ctx, id)
	if err == nil {
		err = b.register(ctx, c, false)
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
			b.farewells.add(c.bye())
		}
		return nil, err
	}
	hello, err := b.hello(ctx, c)
	if err != nil {
		c.Close(context.WithoutCancel(ctx))
		return nil, err
	}
	c.greet(hello)
	return c, nil
}

// register tells Redis that the device is here; again: not for the first time.
func (b *Broker) register(ctx context.Context, c *Conn, again bool) error {
	id := c.Identity()
	w, p := chat.Who(id.Role, id.ID), b.Home(id.ID)
	args := connectArgs{Who: w, Device: c.device, Conn: c.id, Max: chat.MaxDevices, Info: chat.Encode(id.Person()),
		Queues: chat.Encode(id.Queues), Capacity: id.Capacity, Issued: id.Issued.UnixMilli(),
		Generation: id.Generation, Again: again}
	if id.Role.Staff() {
		args.Agent = id.ID
	}
	r, err := b.RunJSON(ctx, "connect", []string{p.Conns(w), p.Profile(w), p.Timers(), p.Node(b.Node), p.Agents(),
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
	var lost []*view
	c.mu.Lock()
	c.ident.Queues, c.ident.Capacity = list, capacity
	if c.ident.Role != chat.RoleSupervisor {
		c.watch = slices.DeleteFunc(c.watch, func(v *view) bool {
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
	c.b.hub.at(c.ident.ID).leave(c.m, c)
	if err := c.b.farewell(ctx, c); err != nil {
		c.b.farewells.add(c.bye())
		c.b.Log.Warn("disconnect not recorded yet", "error", err)
	}
}

func (c *Conn) bye() farewell {
	id := c.Identity()
	return farewell{disconnectArgs{Who: chat.Who(id.Role, id.ID), Node: c.b.Node, Device: c.device, Conn: c.id}, id}
}

// farewell tells Redis that a connection is gone.
func (b *Broker) farewell(ctx context.Context, c *Conn) error {
	bye := c.bye()
	_, err := b.unregister(ctx, bye.args, bye.id)
	return err
}

// farewell is a connection that has gone while Redis was away.
type farewell struct {
	args disconnectArgs
	id   chat.Identity
}

type farewells struct {
	mu   sync.Mutex
	list []farewell
}

func (f *farewells) add(list ...farewell) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list = append(f.list, list...)
}

// say tells Redis of those who have gone meanwhile; at the first that fails it
// stops until the next time.
func (f *farewells) say(ctx context.Context, b *Broker) {
	f.mu.Lock()
	list := f.list
	f.list = nil
	f.mu.Unlock()
	for i, bye := range list {
		ctx, cancel := context.WithTimeout(ctx, settlePatience)
		_, err := b.unregister(ctx, bye.args, bye.id)
		cancel()
		if err != nil {
			f.add(list[i:]...)
			return
		}
	}
}

type disconnectArgs struct {
	Who    string `json:"who"`
	Agent  string `json:"agent,omitempty"`
	Node   string `json:"node"`
	Device string `json:"device,omitempty"`
	Conn   string `json:"conn,omitempty"`
	Grace  int64  `json:"grace"` // ms
	Dead   bool   `json:"dead,omitempty"`
	Keep   int64  `json:"keep"` // ms
}

// unregister tells Redis that a device, or all of a node's, is gone. alive: nothing
// was done, since the node that was thought dead has been heard of.
func (b *Broker) unregister(ctx context.Context, args disconnectArgs, id chat.Identity) (alive bool, err error) {
	p := b.Home(id.ID)
	if args.Who[0] == 'a' {
		args.Agent = id.ID
	}
	r, err := b.ruled(ctx, "disconnect", p, []string{p.Conns(args.Who), p.Profile(args.Who), p.Timers(), p.Node(args.Node), p.Nodes(), p.Rules()},
		func() any {
			if args.Agent != "" {
				args.Grace = b.grace(id.Queues)
			}
			args.Keep = b.settings.keep()
			return args
		})
	return r.Str(0) == "alive", err
}

// grace is how long an agent may be without a connection: the longest of its
// queues', in ms; 0, for ever, if it is so for one of them.
func (b *Broker) grace(queues []string) int64 {
	longest := 0
	if len(queues) == 0 {
		longest = chat.DefaultQueue("").AgentGrace
	}
	for _, q := range queues {
		g := b.settings.queue(q).AgentGrace
		if g == 0 {
			return 0
		}
		longest = max(longest, g)
	}
	return store.Milliseconds(longest)
}
