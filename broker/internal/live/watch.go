package live

import (
	"context"
	"slices"

	"bellhop/broker/chat"
)

// Watch shows queues to a connection, and lets their events follow. A later call
// adds to what is watched.
func (h *Hub) Watch(ctx context.Context, c *Conn, queues []string) ([]chat.QueueView, error) {
	out := []chat.QueueView{}
	for _, q := range queues {
		view, err := h.watched.Watch(ctx, c, q)
		if err != nil {
			return nil, err
		}
		c.watches(q)
		out = append(out, view)
	}
	chat.Fill(out)
	return out, nil
}

// watches notes a queue that the connection watches; one that has ended meanwhile leaves it.
func (c *Conn) watches(queue string) {
	c.mu.Lock()
	closed := c.closed
	if !closed && !slices.Contains(c.watch, queue) {
		c.watch = append(c.watch, queue)
	}
	c.mu.Unlock()
	if closed {
		c.h.watched.Leave(c, queue)
	}
}

// MayWatch bounds the queues one connection watches.
func (c *Conn) MayWatch(queues []string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make(map[string]bool, len(c.watch)+len(queues))
	for _, q := range append(slices.Clone(c.watch), queues...) {
		all[q] = true
	}
	if len(all) > chat.MaxWatched && len(all) > len(c.watch) {
		return &chat.Error{Code: chat.CodeFull, Message: "too many queues watched by one connection", Load: len(c.watch), Capacity: chat.MaxWatched}
	}
	return nil
}

// Behind is how many bytes wait for the reader, as far as its sink tells.
func (c *Conn) Behind() int {
	if q, ok := c.sink.(interface{ Waiting() int }); ok {
		return q.Waiting()
	}
	return 0
}
