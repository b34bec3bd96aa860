package routing

import (
	"time"

	"github.com/oklog/ulid/v2"

	"bellhop/broker/chat"
	"bellhop/broker/internal/store"
)

// Wait is what scripts are told of a queue in which a session begins to wait.
type Wait struct {
	Abandon  int64     `json:"abandon"`  // ms
	Patience int64     `json:"patience"` // ms
	Greet    *Greeting `json:"greet,omitempty"`
	Closed   bool      `json:"closed,omitempty"`
	Sticky   int64     `json:"sticky"` // ms
	Bot      bool      `json:"bot,omitempty"`
}

// Greeting is a system message that greets a user, or says that nobody is there.
type Greeting struct {
	Mid  string `json:"mid"`
	Body string `json:"body"`
}

// Begin is for a session that a user begins.
func Begin(q chat.QueueSettings, now time.Time) Wait {
	w := Wait{Abandon: store.Milliseconds(q.AbandonTimeout), Patience: store.Milliseconds(q.Patience), Sticky: store.Milliseconds(q.Sticky), Bot: q.Bot != ""}
	switch {
	case !q.Hours.IsOpen(now):
		w.Closed, w.Patience, w.Sticky = true, 0, 0
		w.Greet = &Greeting{ulid.Make().String(), chat.Encode(map[string]any{"what": "offline", "text": q.Offline, "opens": q.Hours.Opens(now)})}
	case q.Greeting != "":
		w.Greet = &Greeting{ulid.Make().String(), chat.Encode(map[string]any{"what": "greeting", "text": q.Greeting})}
	}
	return w
}
