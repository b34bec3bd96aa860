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

// obey puts into a step what the settings say now: of the queue that its session is in,
// and of the one that it shall wait in.
func (s *step) obey(b *Broker, queue string) {
	s.Queue, s.Idle, s.TTL, s.Keep = queue, b.idle(queue), store.Milliseconds(b.settings.queue(queue).EndTimeout), b.settings.keep()
	if s.To == "" {
		return
	}
	q := b.settings.queue(s.To)
	s.Abandon, s.Patience = store.Milliseconds(q.AbandonTimeout), 0
	if q.Hours.IsOpen(time.Now()) {
		s.Patience = store.Milliseconds(q.Patience)
	}
}

// idle are the queues' idle time-outs in ms, for a session whose queue only the script knows.
func (b *Broker) idle(queues ...string) map[string]int64 {
	out := make(map[string]int64, len(queues))
	for _, q := range queues {
		out[q] = store.Milliseconds(b.settings.queue(q).IdleTimeout)
	}
	return out
}

// longWait tells a user who has waited long so.
func (b *Broker) longWait(ctx context.Context, session string) error {
	p, _ := b.Of(session)
	queue, _, err := b.where(ctx, p, session)
	if err != nil {
		return err
	}
	op := ulid.Make().String()
	r, err := b.ruled(ctx, "patience", p, p.Transition(session), func() any {
		q := b.settings.queue(queue)
		return struct {
			Op      string `json:"op"`
			Session string `json:"session"`
			Text    string `json:"text"`
			Opens   string `json:"opens"` // JSON
		}{op, session, q.Offline, string(q.Hours.Opens(time.Now()))}
	})
	if err != nil || r.Str(0) == "too_early" {
		return err
	}
	return store.Refused(r)
}
