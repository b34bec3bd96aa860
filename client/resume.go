package client

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sort"
	"time"
)

// readers is how many logs are read at a time: a page may have 256 KiB, and the
// server answers in order, so that more would only wait, and time out.
const readers = 4

// held is what the client holds of one session.
type held struct {
	seq     int64            // the last message event delivered
	mid     string           // its mid
	own     map[int64]string // mids by seq, above seq, of what we sent and saw acknowledged
	over    bool             // it has ended, or is not ours to read: a hello that does not name it says nothing
	filling bool             // history is being read, or about to be; live messages wait
	live    []Message        // those
	resets  int              // how many there were
	hearing bool             // the application has still to hear of the last
	round   int              // counts what makes the pages read so far void: resets and hellos
}

// hold finds or makes it; mu is held.
func (c *Client) hold(session string) *held {
	h := c.held[session]
	if h == nil {
		h = &held{own: map[int64]string{}}
		c.held[session] = h
	}
	return h
}

// last is the last message up to which everything is held: our own count above
// the last event.
func (h *held) last() (seq int64, mid string) {
	for seq, mid = h.seq, h.mid; h.own[seq+1] != ""; seq++ {
		mid = h.own[seq+1]
	}
	return seq, mid
}

// acknowledged notes a send of ours that is in the log.
func (h *held) acknowledged(r SendReply) {
	if r.Seq > h.seq {
		h.own[r.Seq] = r.Mid
	}
}

// hello begins a connection: what was not acknowledged goes out again, and
// what was missed is read.
func (c *Client) hello(e *Hello) {
	c.greeted, c.since, c.role = true, time.Now(), e.Me.Role
	c.emit(e)
	for _, k := range c.sends {
		c.write(k)
	}
	named := map[string]bool{}
	for i := range e.Sessions {
		named[e.Sessions[i].ID] = true
	}
	for id, h := range c.held {
		// What was being read may be of a log that is gone: it begins anew.
		if (h.filling || !named[id] && !h.over) && !h.hearing {
			c.fill(id, h)
		}
	}
	for i := range e.Sessions {
		c.named(&e.Sessions[i])
	}
	if e.More {
		c.others(e.Me, named)
	}
	c.resumed()
}

// named compares a session that hello has, or had no room for, with what is
// held, and reads its log where they differ, in either direction. mu is held.
func (c *Client) named(s *Session) {
	h := c.hold(s.ID)
	h.over = s.State == stateEnded
	seq, mid := h.last()
	same := s.Seq == seq && (s.Mid == mid || s.Mid == "") // an older server names no mid
	for own := range h.own {
		same = same && own <= seq
	}
	if !same && !h.filling {
		c.fill(s.ID, h)
	}
}

const stateEnded = "ended"

// saw reads what is missing where a session is ahead. mu is held.
func (c *Client) saw(s *Session) {
	h := c.hold(s.ID)
	h.over = s.State == stateEnded
	if seq, _ := h.last(); s.Seq > seq && !h.filling {
		c.fill(s.ID, h)
	}
}

// joined is saw where we take part from now on: the log may have fallen back
// while we took no part, and nobody told us. mu is held.
func (c *Client) joined(s *Session) {
	c.saw(s)
	if h := c.hold(s.ID); h.seq > 0 && !h.filling {
		c.fill(s.ID, h)
	}
}

// resumed tells when nothing is left to read. mu is held.
func (c *Client) resumed() {
	if c.resuming == 0 && c.greeted {
		c.emit(&Resumed{})
	}
}

// message delivers a live message, or keeps it while history is read.
func (c *Client) message(m Message) {
	h := c.hold(m.Session)
	if !h.filling && c.missing(h, m) {
		c.fill(m.Session, h)
	}
	if h.filling {
		h.live = append(h.live, m)
		return
	}
	c.take(h, m)
}

// missing tells whether a live message shows that some before it are not held: one may
// come before the answer, or the event, by which we learn that we take part. mu is held.
func (c *Client) missing(h *held, m Message) bool {
	seq, _ := h.last()
	before := m.Seq - seq - 1
	if seq > 0 {
		if c.role == "user" {
			return false // they see no notes, and take part all along
		}
		for _, k := range c.sends {
			if k.session == m.Session {
				before-- // its answer may be that
			}
		}
	}
	return before > 0
}

// take delivers what is not held yet. A message where another one is held tells
// that what is held is void. mu is held.
func (c *Client) take(h *held, m Message) {
	own := h.own[m.Seq]
	if m.Seq == h.seq && m.Mid != h.mid || own != "" && own != m.Mid {
		c.reset(m.Session)
		return
	}
	if m.Seq <= h.seq {
		return
	}
	h.seq, h.mid = m.Seq, m.Mid
	maps.DeleteFunc(h.own, func(seq int64, _ string) bool { return seq <= m.Seq })
	if own == "" && !c.unanswered(m) {
		c.emit(&MessageEvent{m})
	}
}

// unanswered tells whether a message is a send of ours whose answer is still to come.
func (c *Client) unanswered(m Message) bool {
	return m.Key != "" && slices.ContainsFunc(c.sends, func(k *call) bool { return k.key == m.Key && k.session == m.Session })
}

// reset forgets what is held of a session, has the application forget it, and
// then reads the log from its start. What is acknowledged meanwhile is read,
// too: the application may have heard of it before it forgot. mu is held.
func (c *Client) reset(id string) {
	h := c.hold(id)
	h.seq, h.mid, h.own, h.live = 0, "", map[int64]string{}, nil
	h.filling, h.hearing = true, true
	h.resets++
	h.round++
	c.resuming++
	resets := h.resets
	c.emit(&Reset{id})
	forgotten := func() {
		c.resuming--
		if h.resets == resets { // else the next reset reads
			h.hearing = false
			clear(h.own)
			c.fill(id, h)
		}
	}
	if c.opt.OnEvent == nil {
		forgotten()
		return
	}
	c.emit(after(func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		forgotten()
	}))
}

// fill reads a session's history after what is held; what was being read is
// void. mu is held.
func (c *Client) fill(id string, h *held) {
	h.filling, h.live = true, nil
	h.round++
	c.resuming++
	round := h.round
	// Now: what is acknowledged from here on may be of another log than what is held.
	after, mid := h.last()
	own := maps.Clone(h.own)
	maps.DeleteFunc(own, func(seq int64, _ string) bool { return seq <= after })
	c.wg.Go(func() {
		missed, err := c.missed(id, h, round, after, mid, own)
		c.mu.Lock()
		defer c.mu.Unlock()
		c.resuming--
		switch {
		case h.round != round:
			c.resumed() // what took its place may have been faster
		case err == nil:
			c.filled(h, missed)
		case errors.Is(err, errVoid):
			c.reset(id)
		case errors.Is(err, errForbidden), errors.Is(err, errNotFound):
			h.over = true // what the application holds stays, and is compared if it is ours again
			c.filled(h, nil)
		case c.ctx.Err() != nil:
		default:
			h.filling, h.live = false, nil // the next hello begins anew
		}
	})
}

var (
	errForbidden, errNotFound = &Error{Code: "forbidden"}, &Error{Code: "not_found"}
	// errVoid tells that the log is not the one that is held.
	errVoid = errors.New("client: the log was reset")
)

// missed reads all pages after a message that is held; own must be among them.
func (c *Client) missed(id string, h *held, round int, after int64, mid string, own map[int64]string) ([]Message, error) {
	var all []Message
	for more := true; more; {
		var page HistoryReply
		err := c.insist(func(ctx context.Context) (err error) {
			c.mu.Lock()
			void := h.round != round
			if !void {
				h.live = nil // it is in the log by now
			}
			c.mu.Unlock()
			if void {
				return errVoid
			}
			page, err = c.historyAfter(ctx, id, after, mid)
			return err
		})
		if err != nil {
			return nil, err
		}
		if page.Reset && after > 0 {
			return nil, errVoid
		}
		for i := range page.Messages {
			m := &page.Messages[i]
			if own[m.Seq] == m.Mid {
				delete(own, m.Seq)
			}
			after, mid = m.Seq, m.Mid
		}
		all = append(all, page.Messages...)
		more = page.More && len(page.Messages) > 0
	}
	if len(own) > 0 {
		return nil, errVoid // acknowledged before, and not in the log any more
	}
	return all, nil
}

// insist asks until it is answered, slower and slower: the server may be
// overloaded, or refuse what another one will not. It gives up where the
// answer is final, and with the connection.
func (c *Client) insist(ask func(ctx context.Context) error) error {
	for pause := c.opt.MinBackoff; ; pause = min(2*pause, c.opt.MaxBackoff) {
		err := c.inTurn(ask)
		if err == nil || c.ctx.Err() != nil || errors.Is(err, errVoid) || errors.Is(err, errForbidden) || errors.Is(err, errNotFound) ||
			errors.Is(err, errDisconnected) {
			return err
		}
		wait := pause/2 + jitter(pause/2)
		var e *Error
		if errors.As(err, &e) {
			wait = max(wait, time.Duration(e.RetryAfter)*time.Millisecond)
		}
		if err := c.pause(wait); err != nil {
			return err
		}
	}
}

// inTurn asks when few others do.
func (c *Client) inTurn(ask func(ctx context.Context) error) error {
	select {
	case c.reading <- struct{}{}:
	case <-c.ctx.Done():
		return c.ctx.Err()
	}
	defer func() { <-c.reading }()
	ctx, cancel := context.WithTimeout(c.ctx, 30*time.Second)
	defer cancel()
	return ask(ctx)
}

// filled delivers what was missed, then what came live meanwhile. mu is held.
func (c *Client) filled(h *held, missed []Message) {
	all := append(missed, h.live...)
	sort.SliceStable(all, func(i, j int) bool { return all[i].Seq < all[j].Seq })
	h.filling, h.live = false, nil
	for resets, i := h.resets, 0; i < len(all) && h.resets == resets; i++ {
		c.take(h, all[i])
	}
	c.resumed()
}

// others reads about the sessions that hello had no room for: the open ones,
// and those that ended lately. mu is held.
func (c *Client) others(me Me, named map[string]bool) {
	c.resuming++
	ws := c.ws
	c.wg.Go(func() {
		lately := c.serverTime().Add(-time.Hour)
		// What could not be listed is left out: it still comes live.
		all := c.list("waiting,serving,transferring,ending", func(*Session) bool { return true })
		all = append(all, c.list(stateEnded, func(s *Session) bool { return s.Ended != nil && s.Ended.After(lately) })...)
		c.mu.Lock()
		defer c.mu.Unlock()
		c.resuming--
		if c.ws != ws {
			return // the next hello begins anew
		}
		for i := range all {
			if s := &all[i]; !named[s.ID] && s.has(me) {
				c.named(s)
			}
		}
		c.resumed()
	})
}

// serverTime is the time by the server's clock; by our own, which may be off,
// where it does not tell.
func (c *Client) serverTime() time.Time {
	now := time.Now()
	_ = c.inTurn(func(ctx context.Context) error {
		at, err := c.Ping(ctx)
		if err == nil {
			now = at
		}
		return err
	})
	return now
}

// has tells whether somebody takes part in a session.
func (s *Session) has(me Me) bool {
	is := func(p Person) bool { return p.ID == me.ID }
	if me.Role == "user" {
		return is(s.User)
	}
	return s.Agent != nil && is(*s.Agent) || slices.ContainsFunc(s.Assistants, is)
}

// list pages through one's sessions, as long as a page has one that is wanted.
func (c *Client) list(state string, wanted func(*Session) bool) (all []Session) {
	for r := (SessionsRequest{State: state, Limit: 200}); ; {
		var page []Session
		var cursor string
		if err := c.insist(func(ctx context.Context) (err error) {
			page, cursor, err = c.Sessions(ctx, r)
			return err
		}); err != nil {
			return all
		}
		before := len(all)
		for i := range page {
			if wanted(&page[i]) {
				all = append(all, page[i])
			}
		}
		if r.Cursor = cursor; cursor == "" || len(all) == before {
			return all
		}
	}
}
