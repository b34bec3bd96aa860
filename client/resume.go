package client

import (
	"context"
	"errors"
	"sort"
	"time"
)

// held is what the client holds of one session.
type held struct {
	seq     int64          // the last message event delivered
	mid     string         // its mid
	own     map[int64]bool // seqs above seq that we sent and saw acknowledged
	ended   bool
	filling bool      // history is being read; live messages wait
	live    []Message // those
}

// hold finds or makes it; mu is held.
func (c *Client) hold(session string) *held {
	h := c.held[session]
	if h == nil {
		h = &held{own: map[int64]bool{}}
		c.held[session] = h
	}
	return h
}

// hello begins a connection: what was not acknowledged goes out again, and
// what was missed is read.
func (c *Client) hello(e *Hello) {
	c.greeted = true
	c.emit(e)
	for _, k := range c.sends {
		c.write(k)
	}
	named := map[string]bool{}
	for i := range e.Sessions {
		named[e.Sessions[i].ID] = true
		c.saw(&e.Sessions[i])
	}
	for id, h := range c.held {
		if !named[id] && !h.ended && !h.filling {
			c.fill(id, h)
		}
	}
	if c.resuming == 0 {
		c.emit(&Resumed{})
	}
}

// saw compares a session with what is held and reads what is missing. mu is held.
func (c *Client) saw(s *Session) {
	h := c.hold(s.ID)
	h.ended = s.State == "ended"
	if s.Seq > h.seq && !h.filling && !h.has(s.Seq) {
		c.fill(s.ID, h)
	}
}

// has tells whether everything up to seq is held: our own above the last event.
func (h *held) has(seq int64) bool {
	for n := h.seq + 1; n <= seq; n++ {
		if !h.own[n] {
			return false
		}
	}
	return true
}

// message delivers a live message, or keeps it while history is read.
func (c *Client) message(m Message) {
	h := c.hold(m.Session)
	if h.filling {
		h.live = append(h.live, m)
		return
	}
	c.take(h, m)
}

// take delivers what is not held yet.
func (c *Client) take(h *held, m Message) {
	if m.Seq <= h.seq {
		return
	}
	h.seq, h.mid = m.Seq, m.Mid
	own := h.own[m.Seq]
	for seq := range h.own {
		if seq <= m.Seq {
			delete(h.own, seq)
		}
	}
	if !own && !c.unanswered(m) {
		c.emit(&MessageEvent{m})
	}
}

// unanswered tells whether a message is a send of ours whose answer is still to come.
func (c *Client) unanswered(m Message) bool {
	if m.Key == "" {
		return false
	}
	for _, k := range c.sends {
		if k.key == m.Key && k.session == m.Session {
			return true
		}
	}
	return false
}

// fill reads a session's history after what is held. mu is held.
func (c *Client) fill(id string, h *held) {
	h.filling = true
	c.resuming++
	ws, after, mid := c.ws, h.seq, h.mid
	c.wg.Go(func() {
		missed, err := c.missed(id, h, after, mid)
		c.mu.Lock()
		defer c.mu.Unlock()
		c.resuming--
		switch {
		case err == nil:
			c.filled(h, missed)
		case errors.Is(err, errForbidden), errors.Is(err, errNotFound):
			delete(c.held, id) // no longer ours to read
			c.filled(h, nil)
		case c.ctx.Err() != nil:
		case c.ws != ws && !c.greeted:
			h.filling, h.live = false, nil // the next hello begins anew
		default:
			h.live = nil
			c.fill(id, h)
		}
	})
}

var errForbidden, errNotFound = &Error{Code: "forbidden"}, &Error{Code: "not_found"}

// missed reads all pages after a seq.
func (c *Client) missed(id string, h *held, after int64, mid string) ([]Message, error) {
	var all []Message
	for {
		ctx, cancel := context.WithTimeout(c.ctx, 30*time.Second)
		page, err := c.historyAfter(ctx, id, after, mid)
		cancel()
		if err != nil {
			var e *Error
			if errors.As(err, &e) && e.Retry && e.Code != codeDisconnected {
				time.Sleep(200 * time.Millisecond) // overloaded: the caller asks again
			}
			return nil, err
		}
		if page.Reset {
			all = nil
			c.mu.Lock()
			h.seq, h.mid = 0, ""
			c.mu.Unlock()
		}
		all = append(all, page.Messages...)
		if n := len(page.Messages); n > 0 {
			after, mid = page.Messages[n-1].Seq, page.Messages[n-1].Mid
		}
		if !page.More {
			return all, nil
		}
	}
}

// filled delivers what was missed, then what came live meanwhile. mu is held.
func (c *Client) filled(h *held, missed []Message) {
	all := append(missed, h.live...)
	sort.SliceStable(all, func(i, j int) bool { return all[i].Seq < all[j].Seq })
	h.filling, h.live = false, nil
	for _, m := range all {
		c.take(h, m)
	}
	if c.resuming == 0 {
		c.emit(&Resumed{})
	}
}
