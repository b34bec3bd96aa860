package routing

import (
	"context"
	"errors"
	"time"

	"bellhop/broker/chat"
)

// job is one session for one agent, whose load must be no more than load.
type job struct {
	session string
	load    int
	event   int64 // the last that had been heard when it was planned
}

// head are those first in line, at most so many, with what is known of them.
func (d *dispatcher) head(ctx context.Context, most int) ([]*chat.Snapshot, error) {
	var out []*chat.Snapshot
	var missing []string
	d.view.Line(func(session string, st *chat.Snapshot) bool {
		d.mu.Lock()
		_, passed := d.passed[session]
		d.mu.Unlock()
		if passed {
			return true
		}
		if st == nil {
			missing = append(missing, session)
			st = &chat.Snapshot{Session: chat.Session{ID: session}}
		}
		out = append(out, st)
		return len(out) < most
	})
	if len(missing) == 0 {
		return out, nil
	}
	read, err := d.needs.LookAll(ctx, missing)
	if err != nil {
		return nil, err
	}
	found := map[string]*chat.Snapshot{}
	for _, st := range read {
		if st != nil {
			found[st.ID] = st
		}
	}
	for i, st := range out {
		if st.User.ID == "" && found[st.ID] != nil {
			out[i] = found[st.ID]
		}
	}
	return out, nil
}

// plannable is for how many sessions it is of use to plan: those for whom there are places, or all
// where a bot may take them.
func (d *dispatcher) plannable(bot string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	if bot != "" {
		return dispatchBatch
	}
	return min(dispatchBatch, d.crew.rooms)
}

// plan says who gets what, in which order. The bot gets what it has not been
// tried with, a user's last agent its session, the others go by load.
func (d *dispatcher) plan(waiting []*chat.Snapshot, botID string) (bot []job, jobs map[string][]job) {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := &d.crew
	was := map[*mate]mate{} // what is planned is not so yet
	defer func() {
		for m, old := range was {
			c.change(m, func() { m.load, m.idle = old.load, old.idle })
		}
	}()
	if m := c.by[botID]; m != nil {
		was[m] = *m
		c.hide(m)
	}
	now := time.Now().UnixMilli()
	jobs = map[string][]job{}
	for _, st := range waiting {
		if _, tried := d.botted[st.ID]; st.BotFirst && botID != "" && !tried {
			bot = append(bot, job{session: st.ID})
			continue
		}
		m := c.by[st.Sticky]
		if m == nil || m.at < 0 {
			m = c.next()
		}
		if m == nil {
			continue
		}
		if _, known := was[m]; !known {
			was[m] = *m
		}
		jobs[m.id] = append(jobs[m.id], job{st.ID, m.load, d.events})
		c.change(m, func() {
			m.load++
			m.idle = now
		})
	}
	return bot, jobs
}

// learn takes over what came of one job; true if the next plan may do better. Where an event has told of the agent since
// the job was planned, that may be newer than the answer, and no other follows: the event counts.
func (d *dispatcher) learn(agent string, role chat.Role, j job, err error) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	m := d.crew.by[agent]
	if m != nil && m.event > j.event {
		m = nil
	}
	now := time.Now()
	var e *chat.Error
	switch {
	case err == nil:
		d.passed[j.session] = now
		if m != nil && role != chat.RoleBot {
			d.crew.change(m, func() { m.load, m.idle = max(m.load, j.load+1), now.UnixMilli() })
		}
		return true
	case gone(err):
		d.passed[j.session] = now
		return true
	case role == chat.RoleBot:
		d.botted[j.session] = now
		return true
	case errors.As(err, &e) && e.Code == chat.CodeFull:
		if m != nil {
			d.crew.change(m, func() { m.load, m.capacity = e.Load, e.Capacity })
		}
		return true
	case errors.As(err, &e) && (e.Code == chat.CodeNoAgent || e.Code == chat.CodeForbidden):
		if m != nil {
			d.crew.remove(agent) // its next presence brings it back
		}
		return true
	}
	d.store.Log.Warn("session not assigned; again in a second", "session", j.session, "agent", agent, "error", err)
	return false
}

// gone tells whether an error says that the session waits no more.
func gone(err error) bool {
	if err == nil {
		return false
	}
	switch chat.AsError(err).Code {
	case chat.CodeTaken, chat.CodeEnded, chat.CodeNotFound:
		return true
	}
	return false
}

// forget lets go of what is long ago, now and then: it costs what there is of it.
func (d *dispatcher) forget() {
	if time.Since(d.forgot) < forgetAfter/10 {
		return
	}
	d.forgot = time.Now()
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, m := range []map[string]time.Time{d.passed, d.botted} {
		for id, at := range m {
			if time.Since(at) > forgetAfter {
				delete(m, id)
			}
		}
	}
}
