package broker

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/stretchr/testify/require"

	"bellhop/broker/chat"
	"bellhop/webhook"
)

const hookSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYqrTwjU"

// told is one event as a receiver got it.
type told struct {
	ID        string `json:"-"`
	Type      string
	Timestamp time.Time
	Data      struct {
		Session  chat.Session
		Message  chat.Message
		Recalled *chat.Message
		Internal bool
	}
	cut <-chan struct{} // closed when the sender does not wait any more
}

// receiver is a host application: a real server that verifies what it gets.
type receiver struct {
	*httptest.Server
	t testing.TB

	mu     sync.Mutex
	answer func(e told) int // before it is taken; nil: 204
	tried  []told           // all attempts
	taken  []told
	busy   map[string]int // by session
	most   map[string]int // attempts of one session at once
	more   chan struct{}
}

func newReceiver(t testing.TB) *receiver {
	t.Helper()
	r := &receiver{t: t, busy: map[string]int{}, most: map[string]int{}, more: make(chan struct{})}
	r.Server = httptest.NewServer(http.HandlerFunc(r.take))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) take(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return // cut off
	}
	wh, err := standardwebhooks.NewWebhook(hookSecret)
	if err == nil {
		err = wh.Verify(body, req.Header)
	}
	var e told
	if err == nil {
		err = json.Unmarshal(body, &e)
	}
	if err != nil {
		r.t.Errorf("a bad event came: %v: %s", err, body)
		return
	}
	e.ID, e.cut = req.Header.Get("webhook-id"), req.Context().Done()
	s := e.Data.Session.ID
	r.mu.Lock()
	r.tried = append(r.tried, e)
	r.busy[s]++
	r.most[s] = max(r.most[s], r.busy[s])
	answer := r.answer
	r.wakeLocked()
	r.mu.Unlock()
	status := http.StatusNoContent
	if answer != nil {
		status = answer(e)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.busy[s]--
	if status < 300 {
		r.taken = append(r.taken, e)
		r.wakeLocked()
	}
	if status == http.StatusTooManyRequests {
		w.Header().Set("Retry-After", "1")
	}
	w.WriteHeader(status)
}

func (r *receiver) wakeLocked() {
	close(r.more)
	r.more = make(chan struct{})
}

func (r *receiver) answers(f func(e told) int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = f
}

// of gives what was tried or taken of a session so far.
func of(list []told, session string) []told {
	var out []told
	for _, e := range list {
		if e.Data.Session.ID == session {
			out = append(out, e)
		}
	}
	return out
}

// until waits until a condition on what came holds; it is called with the lock held.
func (r *receiver) until(what string, holds func() bool) {
	r.t.Helper()
	deadline := time.After(45 * time.Second)
	for {
		r.mu.Lock()
		ok, more := holds(), r.more
		r.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-more:
		case <-deadline:
			r.mu.Lock()
			defer r.mu.Unlock()
			r.t.Fatalf("%s did not come; %d tried, %d taken", what, len(r.tried), len(r.taken))
		}
	}
}

// await waits for an event of a session to be taken, and gives all so far.
func (r *receiver) await(session, kind string) (all []told) {
	r.t.Helper()
	r.until(kind, func() bool {
		all = of(r.taken, session)
		for _, e := range all {
			if e.Type == kind {
				return true
			}
		}
		return false
	})
	return all
}

func types(list []told) []string {
	var out []string
	for _, e := range list {
		out = append(out, e.Type)
	}
	return out
}

// tellsTo makes a node tell a receiver, trying again soon.
func tellsTo(t testing.TB, r *receiver) func(*Options) {
	t.Helper()
	e, err := webhook.New(webhook.Options{URL: r.URL, Secrets: []string{hookSecret}})
	require.NoError(t, err)
	t.Cleanup(e.Close)
	return func(o *Options) {
		o.Hook = e
		o.HookRetries = make([]time.Duration, 40)
		for i := range o.HookRetries {
			o.HookRetries[i] = 20 * time.Millisecond
		}
	}
}

// middle is the median.
func middle[T cmp.Ordered](all []T) T {
	slices.Sort(all)
	return all[len(all)/2]
}

// overdue is a member of `hooks` whose time has come.
func overdue(m string) redis.Z { return redis.Z{Score: 1, Member: m} }

// last is the seq of what came last of a session.
func last(list []told, session string) int64 {
	all := of(list, session)
	if len(all) == 0 {
		return 0
	}
	return all[len(all)-1].Data.Message.Seq
}

// refuser takes nothing.
type refuser struct{}

func (refuser) Deliver(context.Context, string, []byte) error { return errors.New("no") }
