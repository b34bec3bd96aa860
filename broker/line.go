package broker

import (
	"context"
	"time"

	"github.com/oklog/ulid/v2"

	"bellhop/broker/chat"
	"bellhop/broker/internal/store"
)

// wait is what scripts are told of a queue in which a session begins to wait.
type wait struct {
	Abandon  int64     `json:"abandon"`  // ms
	Patience int64     `json:"patience"` // ms
	Greet    *greeting `json:"greet,omitempty"`
	Closed   bool      `json:"closed,omitempty"`
	Sticky   int64     `json:"sticky"` // ms
	Bot      bool      `json:"bot,omitempty"`
}

// greeting is a system message that greets a user, or says that nobody is there.
type greeting struct {
	Mid  string `json:"mid"`
	Body string `json:"body"`
}

// beginWait is for a session that a user begins.
func beginWait(q chat.QueueSettings, now time.Time) wait {
	w := wait{Abandon: store.Milliseconds(q.AbandonTimeout), Patience: store.Milliseconds(q.Patience), Sticky: store.Milliseconds(q.Sticky), Bot: q.Bot != ""}
	switch {
	case !q.Hours.IsOpen(now):
		w.Closed, w.Patience, w.Sticky = true, 0, 0
		w.Greet = &greeting{ulid.Make().String(), chat.Encode(map[string]any{"what": "offline", "text": q.Offline, "opens": q.Hours.Opens(now)})}
	case q.Greeting != "":
		w.Greet = &greeting{ulid.Make().String(), chat.Encode(map[string]any{"what": "greeting", "text": q.Greeting})}
	}
	return w
}

// patienceArgs is what patience.lua is told.
type patienceArgs struct {
	call
	Text  string `json:"text"`
	Opens string `json:"opens"` // JSON
}

// longWait tells a user who has waited long so.
func (b *Broker) longWait(ctx context.Context, session string) error {
	p, _ := b.Of(session)
	queue, _, err := b.where(ctx, p, session)
	if err != nil {
		return err
	}
	c := newCall(session)
	r, err := b.ruled(ctx, "patience", p, p.Transition(session), func() any {
		q := b.settings.queue(queue)
		return patienceArgs{c, q.Offline, string(q.Hours.Opens(time.Now()))}
	})
	if err != nil || r.Str(0) == "too_early" {
		return err
	}
	return store.Refused(r)
}
