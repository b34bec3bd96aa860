package live

import (
	"context"
	"sync"
	"time"

	"bellhop/broker/chat"
)

// Farewell says that a participant's device is gone, or all that it has at a node.
type Farewell struct {
	Who    string
	Queues []string // an agent's: they say for how long it may be gone
	Node   string
	Device string // "": all at the node
	Conn   string // of the device; if another one was registered since, nothing happens
	Dead   bool   // the node is, or is thought to be
}

func (c *Conn) bye() Farewell {
	id := c.Identity()
	return Farewell{Who: chat.Who(id.Role, id.ID), Queues: id.Queues, Node: c.h.store.Node, Device: c.device, Conn: c.id}
}

// farewell tells Redis that a connection is gone.
func (h *Hub) farewell(ctx context.Context, c *Conn) error {
	_, err := h.Unregister(ctx, c.bye())
	return err
}

const (
	farewellPause    = time.Second
	farewellPatience = 10 * time.Second
)

// farewells are connections that have gone while Redis was away.
type farewells struct {
	mu   sync.Mutex
	list []Farewell
}

func (f *farewells) add(list ...Farewell) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list = append(f.list, list...)
}

// sayFarewells tells Redis of those who have gone meanwhile; at the first that fails
// it stops until the next time.
func (h *Hub) sayFarewells(ctx context.Context) {
	f := &h.farewells
	f.mu.Lock()
	list := f.list
	f.list = nil
	f.mu.Unlock()
	for i, bye := range list {
		ctx, cancel := context.WithTimeout(ctx, farewellPatience)
		_, err := h.Unregister(ctx, bye)
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

// Unregister tells Redis that a device, or all of a node's, is gone. alive: nothing
// was done, since the node that was thought dead has been heard of.
func (h *Hub) Unregister(ctx context.Context, f Farewell) (alive bool, err error) {
	id := chat.IDOf(f.Who)
	p := h.store.Home(id)
	args := disconnectArgs{Who: f.Who, Node: f.Node, Device: f.Device, Conn: f.Conn, Dead: f.Dead}
	if f.Who[0] == 'a' {
		args.Agent = id
	}
	r, err := h.rules.Ruled(ctx, "disconnect", p, []string{p.Conns(f.Who), p.Profile(f.Who), p.Timers(), p.Node(f.Node), p.Nodes(), p.Rules()},
		func() any {
			if args.Agent != "" {
				args.Grace = h.rules.Grace(f.Queues)
			}
			args.Keep = h.rules.Keep()
			return args
		})
	return r.Str(0) == "alive", err
}
