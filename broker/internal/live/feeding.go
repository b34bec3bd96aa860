package live

import (
	"context"
	"errors"
	"maps"
	"time"

	"bellhop/broker/chat"
	"bellhop/broker/internal/store"
	"bellhop/internal/trace"
)

// open subscribes, then reads the session: what happens after the read is heard. known
// is the session as it was just now, or nil.
func (f *feed) open(known *chat.Snapshot) {
	// Others wait for this feed, too: it must not end with the first one's context.
	ctx, cancel := context.WithTimeout(f.h.store.Life, FeedPatience)
	defer cancel()
	defer close(f.loaded)
	defer func() {
		if p := recover(); p != nil { // others wait for it
			f.h.store.Panicked("a session's feed", p)
			f.failed = chat.Errorf(chat.CodeInternal, "something went wrong on our side")
		}
	}()
	if f.failed = f.part.sub.Add(ctx, f.part.Session(f.id)); f.failed != nil {
		return
	}
	f.subscribed = true
	st, err := f.first(ctx, known)
	if err != nil {
		f.failed = err
		return
	}
	f.mu.Lock()
	f.st, f.seq, f.mid, f.unread, f.read = st, st.Seq, st.LastMid, maps.Clone(st.Counts), maps.Clone(st.Marks)
	f.mu.Unlock()
	f.drain(0)
}

// first reads the session for the first time.
func (f *feed) first(ctx context.Context, known *chat.Snapshot) (*chat.Snapshot, error) {
	if known != nil {
		return f.h.sessions.Confirm(ctx, known)
	}
	return f.h.sessions.Look(ctx, f.id)
}

// handle takes one event off the session's channel.
func (f *feed) handle(payload string) {
	defer f.ruined("a session's event")
	f.mu.Lock()
	defer f.unlock()
	switch {
	case f.busy:
		f.wait(payload)
	case !f.apply(payload):
		f.busy = true
		f.wait(payload)
		f.h.store.Tasks.Go(f.fill)
	}
}

// wait keeps an event until Redis has been read; of too many only what a read
// does not tell, and then Redis is read once more. f.mu is held.
func (f *feed) wait(payload string) {
	switch {
	case f.weight+len(payload) <= MaxBacklog, payload[0] == chat.PubRecalled: // those are short, and as few as messages of two minutes
		f.backlog, f.weight = append(f.backlog, payload), f.weight+len(payload)
	case payload[0] != chat.PubTyping:
		f.weight = MaxBacklog // what follows must not overtake it
		f.again = true
	}
}

// reread has Redis compared with what was delivered, also where that is under way:
// what it has read so far may be older than the reason for it.
func (f *feed) reread() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.busy {
		f.again = true
		return
	}
	f.busy = true
	f.h.store.Tasks.Go(f.fill)
}

// unlock frees the lock and does what must not be done under it.
func (f *feed) unlock() {
	freed, came := f.freed, f.came
	f.freed, f.came = 0, nil
	f.mu.Unlock()
	for range freed {
		f.h.release(f)
	}
	for _, c := range came {
		if m := f.h.at(chat.IDOf(c.who)).member(c.who); m != nil {
			f.h.store.Tasks.Go(func() {
				defer m.ruined("welcome")
				if c.back {
					m.deliver(resetLine(f.id), "")
				}
				f.h.welcome(m, f.id, nil)
			})
		}
	}
}

// fill reads what the channel lost, trying until it has it, then goes on.
func (f *feed) fill() {
	defer f.ruined("a session's feed")
	for pause := 20 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		f.mu.Lock()
		old := len(f.backlog) // published before Redis is read
		f.again = false
		f.mu.Unlock()
		ctx, cancel := context.WithTimeout(f.h.store.Life, FeedPatience)
		err := f.refresh(ctx)
		cancel()
		if errors.Is(err, &chat.Error{Code: chat.CodeNotFound}) {
			f.vanish()
			err = nil
		}
		if err == nil {
			f.drain(old)
			return
		}
		if !store.Sleep(f.h.store.Life, store.Jitter(pause)) {
			return
		}
	}
}

// drain applies what waited, and goes back to applying events as they come. Of
// the first old ones Redis, which was read after they were published, knows
// better: what they say of messages it does not have is of a Redis that fell back.
func (f *feed) drain(old int) {
	f.mu.Lock()
	defer f.unlock()
	for ; len(f.backlog) > 0; old-- {
		if old > 0 {
			f.passed(f.backlog[0])
		} else if !f.apply(f.backlog[0]) {
			f.h.store.Tasks.Go(f.fill)
			return
		}
		f.weight -= len(f.backlog[0])
		f.backlog = f.backlog[1:]
	}
	if f.backlog, f.weight = nil, 0; f.again {
		f.h.store.Tasks.Go(f.fill)
		return
	}
	f.busy = false
}

// passed carries out what of an event a later read of Redis does not tell.
func (f *feed) passed(payload string) {
	switch payload[0] {
	case chat.PubRecalled:
		f.recalled(payload[1:])
	case chat.PubTyping:
		f.typing(payload[1:])
	}
}

// refresh reads the session and delivers what was missed; where the log is not
// what was delivered, all begin anew.
func (f *feed) refresh(ctx context.Context) error {
	for {
		f.mu.Lock()
		seq, mid, before := f.seq, f.mid, f.st
		f.mu.Unlock()
		st, err := f.h.sessions.Look(ctx, f.id)
		if err != nil {
			return err
		}
		missed, agrees, err := f.h.since(ctx, f.id, seq, mid, st)
		if err != nil {
			return err
		}
		if f.caughtUp(st, before, seq, missed, agrees) {
			return nil
		}
	}
}

// caughtUp takes over what was read after a seq, while the feed was at the state
// before; false if it went on meanwhile, so that this is not what was compared.
func (f *feed) caughtUp(st, before *chat.Snapshot, seq int64, missed []chat.Entry, agrees bool) bool {
	f.mu.Lock()
	defer f.unlock()
	if !agrees {
		if f.seq != seq {
			return false
		}
		f.restart(st)
		return true
	}
	filled := int64(0)
	for i := range missed {
		if missed[i].Seq > f.seq {
			f.message(&missed[i], f.sending[chat.MidOf(missed[i].Head)], nil)
			filled++
		}
	}
	if filled > 0 {
		f.h.gaps.Add(1)
		f.h.filledGap.Add(filled)
	}
	if f.st == before && (st.Rev < before.Rev || st.Rev == before.Rev && st.Op != before.Op) {
		f.changed(st)
	}
	f.adopt(st)
	return true
}

// since gives a session's entries after a seq, and whether the log has the message
// there whose mid is given; an unknown mid agrees.
func (h *Hub) since(ctx context.Context, session string, seq int64, mid string, st *chat.Snapshot) (after []chat.Entry, agrees bool, err error) {
	switch {
	case st.Seq < seq:
		return nil, false, nil
	case st.Seq == seq:
		return nil, mid == "" || st.LastMid == "" || st.LastMid == mid, nil
	}
	list, err := h.sessions.ReadLog(ctx, session, max(seq, 1), st.Seq)
	if err != nil || len(list) == 0 {
		return nil, seq == 0, err
	}
	if seq == 0 {
		return list, true, nil
	}
	return list[1:], list[0].Seq == seq && (mid == "" || chat.MidOf(list[0].Head) == mid), nil
}

// restart is for a Redis that fell back: what was delivered is not the log (any
// more). f.mu is held.
func (f *feed) restart(st *chat.Snapshot) {
	f.h.resets.Add(1)
	f.h.lost.Add(max(0, f.seq-st.Seq))
	f.h.store.Log.Warn("the log is not what was delivered: all begin anew", "session", f.id, "delivered", f.seq, "seq", st.Seq,
		"rev", f.st.Rev, "revNow", st.Rev)
	f.everyone(resetLine(f.id), "")
	f.seq, f.mid, f.placed, f.sending = st.Seq, st.LastMid, [2]int{}, nil
	f.read = maps.Clone(st.Marks)
	for w, n := range st.Counts {
		f.count(w, n)
	}
	f.changed(st)
	for i := range f.came {
		f.came[i].back = true
	}
}

// midAt is the id of the message at a seq, if that is what was delivered last.
func (f *feed) midAt(seq int64) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.seq != seq {
		return ""
	}
	return f.mid
}

func resetLine(session string) []byte {
	return chat.EventLine("reset", struct {
		Session string `json:"session"`
	}{session})
}

// vanish is for a session that Redis has lost whole and the archive does not
// have: nobody is in it any more.
func (f *feed) vanish() {
	f.mu.Lock()
	defer f.unlock()
	f.h.resets.Add(1)
	f.h.lost.Add(f.seq)
	f.everyone(resetLine(f.id), "")
	for w, m := range f.seats {
		f.count(w, 0)
		f.remove(m)
	}
}

// apply carries out one event; false if Redis must be read first: the log, where
// seqs are missing, or all, where what was delivered under a seq was another
// message. f.mu is held.
func (f *feed) apply(payload string) bool {
	rest := payload[1:]
	switch payload[0] {
	case chat.PubMessage:
		e, origin, counts, carried, ok := chat.ParseMessage(rest)
		if !ok {
			return true
		}
		if e.Seq != f.seq+1 {
			return e.Seq <= f.seq && !f.odd(&e)
		}
		span := f.traced(carried)
		span.Count("bellhop.connections", f.message(&e, origin, counts))
		span.End()
	case chat.PubSession:
		return f.transition(rest)
	case chat.PubRead:
		f.marked(rest)
	case chat.PubRecalled:
		f.recalled(rest)
	case chat.PubTyping:
		f.typing(rest)
	case chat.PubStale:
		return false
	}
	return true
}

// odd tells whether an entry under a seq that was delivered may be another
// message: a repetition is none that was made later than what was delivered last.
func (f *feed) odd(e *chat.Entry) bool {
	mid := chat.MidOf(e.Head)
	return f.mid != "" && (mid > f.mid || e.Seq == f.seq && mid != f.mid)
}

// traced begins the span of giving an event to connections here.
func (f *feed) traced(carried string) trace.Span {
	return f.h.store.Trace.Deliver(f.h.store.Life, carried, f.id)
}

func (f *feed) transition(payload string) bool {
	said, snap, carried, err := chat.ParseSaid(payload)
	if err != nil {
		f.h.store.Log.Error("unreadable event", "session", f.id, "error", err)
		return true
	}
	span := f.traced(carried)
	defer span.End()
	for i := range said {
		if said[i].Seq > f.seq+1 || said[i].Seq <= f.seq && f.odd(&said[i]) {
			return false
		}
		if said[i].Seq == f.seq+1 {
			f.message(&said[i], "", nil)
		}
	}
	st, err := chat.ParseState(f.id, snap)
	if err != nil || st == nil {
		f.h.store.Log.Error("unreadable snapshot", "session", f.id, "error", err)
		return true
	}
	if st.Seq > f.seq {
		return false
	}
	f.adopt(st)
	return true
}

// Resets is how many conversations were told to begin anew, since the start.
func (h *Hub) Resets() int64 { return h.resets.Load() }

// Delivered is how many messages were given to connections; one to three connections is three.
func (h *Hub) Delivered() int64 { return h.delivered.Load() }

// Gaps is how often messages were not heard, or not yet, and read from the log, and how many those were.
func (h *Hub) Gaps() (times, messages int64) { return h.gaps.Load(), h.filledGap.Load() }

// Lost is how many messages were delivered here and were not in Redis any more.
func (h *Hub) Lost() int64 { return h.lost.Load() }
