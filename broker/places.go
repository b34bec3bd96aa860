package broker

import (
	"context"
	"strings"

	"github.com/oklog/ulid/v2"

	"bellhop/broker/internal/store"
)

// resolve finds out what became of a place that was reserved and never settled.
// remind: where that cannot be said yet, its timer asks again soon.
func (b *Broker) resolve(ctx context.Context, p store.Partition, agent, session string, remind bool) error {
	again := ""
	if remind {
		again = "1"
	}
	r, err := b.Run(ctx, "place", []string{p.Load(agent), p.Timers()}, agent, session, again)
	if err != nil {
		return err
	}
	token, is := r.Str(0), r.Str(1)
	switch {
	case token == "" || is == "held":
		return nil
	case is == "early" && !remind:
		return errAgain // reserved anew since the timer was set
	}
	home, ok := b.Of(session)
	if !ok {
		return b.settle(ctx, effect{Agent: agent, Session: session, Role: "none", Token: token})
	}
	due := ""
	if is == "due" {
		due = "1"
	}
	if r, err = b.Run(ctx, "resolve", []string{home.Session(session)}, agent, token, due); err != nil || r.Str(0) == "later" {
		return err // then its timer asks
	}
	return b.settle(ctx, effect{Agent: agent, Session: session, Rev: r.Num(1), Role: r.Str(0), Token: token,
		Hold: r.Num(2) == 1, Ended: r.Num(3) == 1, Created: createdAt(session, 0)})
}

// createdAt reads the time in a session's id, in ms; def if it has none.
func createdAt(session string, def int64) int64 {
	_, rest, _ := strings.Cut(session, "-")
	id, err := ulid.ParseStrict(rest)
	if err != nil {
		return def
	}
	return ulid.Time(id.Time()).UnixMilli()
}
