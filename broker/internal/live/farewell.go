package live

import (
	"context"
	"sync"
	"time"

	"bellhop/broker/chat"
)

func (c *Conn) bye() chat.Farewell {
	id := c.Identity()
	return chat.Farewell{Who: chat.Who(id.Role, id.ID), Queues: id.Queues, Node: c.h.store.Node, Device: c.device, Conn: c.id}
}

// farewell tells Redis that a connection is gone.
func (h *Hub) farewell(ctx context.Context, c *Conn) error {
	_, err := h.presence.Unregister(ctx, c.bye())
	return err
}

const (
	farewellPause    = time.Second
	farewellPatience = 10 * time.Second
)

// farewells are connections that have gone while Redis was away.
type farewells struct {
	mu   sync.Mutex
	list []chat.Farewell
}

func (f *farewells) add(list ...chat.Farewell) {
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
		_, err := h.presence.Unregister(ctx, bye)
		cancel()
		if err != nil {
			f.add(list[i:]...)
			return
		}
	}
}
