package hooks

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"bellhop/broker/chat"
	"bellhop/broker/internal/store"
)

// turn is one node's hold of one session: it delivers the session's events in
// order until there are none, one is not taken, or the time is over.
type turn struct {
	*Teller
	store.Collected
	st *chat.Snapshot

	at    int64            // steps told, as far as this turn knows
	kept  int64            // steps told, as far as Redis knows
	tries int64            // of the next event
	stale bool             // an event past its life was not taken in this turn
	mids  map[int64]string // of the messages this turn has read
	over  bool             // the session is given back, or somebody else's
}

// mark is what hooked.lua takes.
type mark struct {
	Session string `json:"session"`
	Lease   string `json:"lease"`
	At      int64  `json:"at"`
	Mid     string `json:"mid,omitempty"`
	Tries   int64  `json:"tries"`
	Again   int64  `json:"again"` // ms
	Since   int64  `json:"since"` // ms
	Letter  string `json:"letter,omitempty"`
	Keep    int    `json:"keep"`
}

const (
	keepOn       = -1               // mark.Again: the turn goes on
	unreadPause  = 5 * time.Second  // until events that could not be read are read again
	markPatience = 10 * time.Second // of telling Redis how far it is
)

func (h *Teller) turn(ctx context.Context, c store.Collected) {
	t := &turn{Teller: h, Collected: c}
	err := t.run(ctx)
	if err == nil {
		return
	}
	if ctx.Err() == nil {
		h.store.Log.Warn("a session's events are not told for now; soon again", "session", c.ID, "error", err)
	}
	if t.st != nil && !t.over { // if this fails, too, or nothing is known of it, the lease runs out
		since, _ := strconv.ParseInt(t.Since, 10, 64)
		_ = t.mark(context.WithoutCancel(ctx), mark{Tries: t.tries, Again: unreadPause.Milliseconds(), Since: since})
	}
}

func (t *turn) run(ctx context.Context) error {
	p := t.Part
	r, err := t.store.Run(ctx, "look", p.Looked(t.ID))
	if err != nil {
		return err
	}
	st, fields, err := chat.ParseSnapshot(t.ID, r.Str(0))
	if err != nil {
		return fmt.Errorf("session %s: %w", t.ID, err)
	}
	if st == nil { // gone: hooked.lua takes it off the list
		return t.mark(ctx, mark{})
	}
	t.st, t.at, t.tries = st, fields.Num("hooked"), fields.Num("hook_tries")
	t.kept = t.at
	first := t.at/steps + 1
	last := min(st.Seq, first+pageSize-1)
	entries, err := t.sessions.ReadLog(ctx, t.ID, first, last)
	if err != nil {
		return err
	}
	t.mids = make(map[int64]string, len(entries))
	for i := range entries {
		t.mids[entries[i].Seq] = chat.MidOf(entries[i].Head)
	}
	for i := range entries {
		if err := t.entry(ctx, &entries[i]); err != nil || t.over {
			return err
		}
	}
	t.at = max(t.at, steps*last) // a seq that nobody has any more is none to tell
	return t.mark(ctx, mark{})
}

// entry tells of one entry. Whether it was heard is asked before it is told,
// since that may take a while.
func (t *turn) entry(ctx context.Context, e *chat.Entry) error {
	alone, err := t.unheard(ctx, t.st, e)
	if err != nil {
		return err
	}
	if step := steps*e.Seq - 1; t.at < step {
		ev, err := t.event(ctx, t.st, e)
		if err != nil {
			return err
		}
		if err := t.tell(ctx, ev); err != nil || t.over {
			return err
		}
		t.at = step
	}
	if err := t.tell(ctx, alone); err != nil || t.over {
		return err
	}
	t.at = steps * e.Seq
	return nil
}

// tell delivers one event, or gives it up; the turn is over where it is to be tried again.
func (t *turn) tell(ctx context.Context, ev *event) error {
	if ev == nil {
		return nil
	}
	if ctx.Err() != nil || time.Now().After(t.Until) {
		return t.mark(context.WithoutCancel(ctx), mark{Tries: t.tries, Since: ev.at})
	}
	if t.at > t.kept { // before the next, so that a crash repeats one event at most
		if err := t.mark(ctx, mark{Again: keepOn}); err != nil || t.over {
			return err
		}
	}
	err := t.attempt(ctx, ev)
	if err == nil {
		t.tries = 0
		return nil
	}
	if ctx.Err() != nil { // the node ends: that was no attempt
		return t.mark(context.WithoutCancel(ctx), mark{Tries: t.tries, Since: ev.at})
	}
	t.tries++
	wait, again := t.again(ev, err)
	if !again {
		return t.bury(ctx, ev, err)
	}
	return t.mark(ctx, mark{Tries: t.tries, Again: wait.Milliseconds(), Since: ev.at})
}

// attempt is bounded in time.
func (h *Teller) attempt(ctx context.Context, ev *event) error {
	ctx, cancel := context.WithTimeout(ctx, h.patience)
	defer cancel()
	err := h.hook.Deliver(ctx, ev.id, ev.body)
	if err == nil {
		h.delivered.Add(1)
		return nil
	}
	failed := h.failed.Add(1)
	if h.warned.Again() {
		h.store.Log.Warn("an event was not taken; nothing is lost, and it is tried again", "event", ev.id, "type", ev.kind,
			"session", ev.session, "error", err, "attempts", failed)
	}
	return err
}

// again tells whether and when an event that was not taken is tried again.
func (t *turn) again(ev *event, err error) (wait time.Duration, again bool) {
	var gone interface{ Gone() bool }
	if errors.As(err, &gone) && gone.Gone() {
		return 0, false
	}
	age := time.Duration(t.Now-ev.at) * time.Millisecond
	if age > t.life && (t.tries > 1 || t.stale) {
		t.stale = true // what follows it is as old, and gets one attempt
		return 0, false
	}
	var busy interface{ RetryAfter() time.Duration }
	if errors.As(err, &busy) && busy.RetryAfter() > 0 {
		t.tries-- // it answers and asks for patience: only the event's age counts then
		return spread(min(max(busy.RetryAfter(), time.Second), longestWait)), true
	}
	if t.tries > int64(len(t.retries)) {
		return 0, false
	}
	return spread(t.retries[t.tries-1]), true
}

// bury puts an event among the dead letters; the next is told then.
func (t *turn) bury(ctx context.Context, ev *event, cause error) error {
	t.at = ev.step
	letter := chat.Encode(letter{ev.id, ev.kind, ev.session, ev.seq, ev.at, ev.step, t.tries, short(cause.Error(), 300)})
	err := t.mark(context.WithoutCancel(ctx), mark{Again: keepOn, Letter: letter})
	if err == nil && !t.over {
		if n := t.dead.Add(1); t.buried.Again() {
			t.store.Log.Error("an event is given up and among the dead letters", "event", ev.id, "type", ev.kind,
				"session", ev.session, "error", cause, "letters", n)
		}
		t.tries = 0
	}
	return err
}

// mark tells Redis how far the session's events are told. Unless the turn
// keeps on, the session is given back, and the turn is over.
func (t *turn) mark(ctx context.Context, m mark) error {
	ctx, cancel := context.WithTimeout(ctx, markPatience)
	defer cancel()
	m.Session, m.Lease, m.At, m.Keep, m.Mid = t.ID, t.Lease, t.at, t.keep, t.mids[(t.at+1)/steps]
	p := t.Part
	r, err := t.store.RunJSON(ctx, "hooked", []string{p.Session(t.ID), p.Hooks(), p.HooksLate(), p.Dead(), p.Dirty(), p.Log(t.ID), p.Recalled(t.ID)}, m)
	if err != nil {
		return err
	}
	t.kept = t.at
	t.over = m.Again != keepOn || r.Str(0) == "lost"
	if n := r.Num(2); n > 0 {
		if all := t.dropped.Add(n); t.missed.Again() {
			t.store.Log.Error("there are too many dead letters; the oldest are gone", "gone", all)
		}
	}
	if t.over && r.Num(1) > 0 {
		t.Nudge(p)
	}
	return nil
}
