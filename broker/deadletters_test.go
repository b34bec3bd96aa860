package broker

import (
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"bellhop/broker/chat"
	"bellhop/internal/testenv"
)

// letters are all dead letters of a session, read page by page, the oldest first.
func letters(t testing.TB, b *Broker, session string) []chat.DeadLetter {
	t.Helper()
	var out []chat.DeadLetter
	last, seen := time.Time{}, map[string]bool{}
	for cursor := ""; ; {
		page, err := b.DeadLetters(t.Context(), 3, cursor)
		require.NoError(t, err)
		require.LessOrEqual(t, len(page.Dead), 3)
		for _, l := range page.Dead {
			require.False(t, seen[l.ID], "twice")
			require.False(t, l.Died.Before(last), "the oldest first")
			seen[l.ID], last = true, l.Died.Time
			if l.Session == session {
				out = append(out, l)
			}
		}
		if cursor = page.Cursor; cursor == "" {
			return out
		}
	}
}

// An event that is never taken is tried as often as it should be, while its
// session waits and others go on; then it is a dead letter and the session goes
// on. It can be replayed, with the id it had, and removed.
func TestDeadLetters(t *testing.T) {
	testenv.EachShared(t, func(t *testing.T, url string) {
		r := newReceiver(t)
		var poison atomic.Value
		poison.Store("")
		r.answers(func(e told) int {
			if string(e.Data.Message.Body) == poison.Load() {
				return http.StatusInternalServerError
			}
			return http.StatusOK
		})
		retries := []time.Duration{200 * time.Millisecond, 200 * time.Millisecond, 200 * time.Millisecond}
		b := startNode(t, url, tellsTo(t, r), func(o *Options) { o.HookRetries = retries })
		ctx := t.Context()
		text := name("poison")
		poison.Store(chat.Quote(text))
		uma, eve := user(t, b, name("uma")), user(t, b, name("eve"))
		s, other := uma.open(name("q")), eve.open(name("q"))
		bad := uma.send(s.ID, text)
		uma.send(s.ID, "later")
		r.until("a first attempt", func() bool {
			all := of(r.tried, s.ID)
			return len(all) > 1 && all[len(all)-1].Data.Message.Seq == bad.Seq
		})
		eve.send(other.ID, "meanwhile")
		r.await(other.ID, "message.created")
		require.Len(t, of(r.taken, s.ID), 1, "the session waits, others go on")
		r.until("what comes later", func() bool { all := of(r.taken, s.ID); return len(all) == 2 && all[1].Data.Message.Seq == 3 })
		r.mu.Lock()
		require.Len(t, of(r.tried, s.ID), 1+4+1, "tried once and thrice again")
		r.mu.Unlock()

		dead := letters(t, b, s.ID)
		require.Len(t, dead, 1)
		l := dead[0]
		require.Equal(t, "evt_"+bad.Mid, l.Event)
		require.Equal(t, "message.created", l.Type)
		require.Equal(t, bad.Seq, l.Seq)
		require.EqualValues(t, 4, l.Attempts)
		require.Equal(t, "the endpoint answered 500 Internal Server Error", l.Error)
		require.Equal(t, bad.At, l.At)
		require.Positive(t, b.HookStats().Dead)

		code(t, chat.CodeUnavailable, b.ReplayDeadLetter(ctx, l.ID))
		require.Len(t, letters(t, b, s.ID), 1, "what was not taken stays")
		poison.Store("")
		require.NoError(t, b.ReplayDeadLetter(ctx, l.ID))
		all := r.await(s.ID, "message.created")
		require.Equal(t, l.Event, all[len(all)-1].ID, "with the id it had")
		require.JSONEq(t, chat.Quote(text), string(all[len(all)-1].Data.Message.Body))
		require.Empty(t, letters(t, b, s.ID))
		code(t, chat.CodeNotFound, b.ReplayDeadLetter(ctx, l.ID))
		code(t, chat.CodeNotFound, b.DeleteDeadLetter(ctx, l.ID))
		for _, bad := range []string{"", "x", "00-1", "ff-1-1-1", "zz-1-1", "00-01-1", l.ID + "0-"} {
			code(t, chat.CodeNotFound, b.ReplayDeadLetter(ctx, bad))
			code(t, chat.CodeNotFound, b.DeleteDeadLetter(ctx, bad))
		}
		_, err := b.DeadLetters(ctx, 0, "x")
		code(t, chat.CodeBadRequest, err)
		_, err = b.DeadLetters(ctx, 201, "")
		code(t, chat.CodeBadRequest, err)
	})
}

// 410 is never tried again. The letters are bounded; what had to go is counted.
func TestGoneIsDeadAtOnceAndLettersAreBounded(t *testing.T) {
	r := newReceiver(t)
	r.answers(func(told) int { return http.StatusGone })
	b := startNode(t, testenv.Redis(t).URL(), tellsTo(t, r), func(o *Options) { o.hookKeep, o.Partitions = 10, 2 })
	uma := user(t, b, name("uma"))
	s := uma.open(name("q"))
	for i := range 11 {
		uma.send(s.ID, fmt.Sprint(i))
	}
	r.until("all of them", func() bool { return len(of(r.tried, s.ID)) == 12 })
	require.Eventually(t, func() bool { return b.HookStats().Dead == 12 }, 10*time.Second, 10*time.Millisecond)
	dead := letters(t, b, s.ID)
	require.Len(t, dead, 5, "of a partition, the newest")
	require.EqualValues(t, 8, dead[0].Seq)
	require.EqualValues(t, 12, dead[4].Seq)
	require.EqualValues(t, 7, b.HookStats().Dropped)
	require.Equal(t, "the endpoint answered 410 Gone", dead[0].Error)
	require.EqualValues(t, 1, dead[0].Attempts)
	require.NoError(t, b.DeleteDeadLetter(t.Context(), dead[0].ID))
	require.Len(t, letters(t, b, s.ID), 4)
	lag, err := b.HookLag(t.Context())
	require.NoError(t, err)
	require.Equal(t, HookLag{Dead: 4}, lag)
}

// An endpoint that asks for patience gets it, and that uses up no attempt.
func TestRetryAfter(t *testing.T) {
	r := newReceiver(t)
	var n atomic.Int64
	var asked, came atomic.Int64
	r.answers(func(told) int {
		switch n.Add(1) {
		case 1, 2:
			asked.Store(time.Now().UnixMilli())
			return http.StatusTooManyRequests // the receiver says after 1 s
		default:
			came.CompareAndSwap(0, time.Now().UnixMilli())
			return http.StatusOK
		}
	})
	b := startNode(t, testenv.Redis(t).URL(), tellsTo(t, r), func(o *Options) { o.HookRetries = []time.Duration{time.Millisecond} })
	s := user(t, b, name("uma")).open(name("q"))
	r.await(s.ID, "session.opened")
	require.GreaterOrEqual(t, came.Load()-asked.Load(), int64(1000))
	require.EqualValues(t, 2, b.HookStats().Failed)
	require.Zero(t, b.HookStats().Dead)
}

// Where an endpoint has been away for longer than an event is tried for, what is
// as old is not tried for as long again, one after the other.
func TestOldEventsAreGivenUpTogether(t *testing.T) {
	r := newReceiver(t)
	r.answers(func(told) int { return http.StatusInternalServerError })
	b := startNode(t, testenv.Redis(t).URL(), tellsTo(t, r), func(o *Options) {
		o.HookRetries = []time.Duration{100 * time.Millisecond, time.Hour}
		o.hookLife = time.Second
	})
	uma := user(t, b, name("uma"))
	s := uma.open(name("q"))
	for i := range 50 {
		uma.send(s.ID, fmt.Sprint(i))
	}
	p, _ := b.store.Of(s.ID)
	r.until("two attempts", func() bool { return len(of(r.tried, s.ID)) == 2 })
	time.Sleep(time.Second) // so old are they to be
	uma.send(s.ID, "young")
	waiting := func() { // an hour is over
		require.NoError(t, b.store.Redis.ZAdd(t.Context(), p.Hooks(), overdue(s.ID)).Err())
	}
	waiting()
	r.until("the young one", func() bool {
		all := of(r.tried, s.ID)
		return len(all) > 2 && all[len(all)-1].Data.Message.Seq == 52
	})
	require.Len(t, letters(t, b, s.ID), 51)
	r.mu.Lock()
	require.LessOrEqual(t, len(of(r.tried, s.ID)), 3+50+2, "each once")
	r.mu.Unlock()
	r.answers(nil)
	r.until("it is taken", func() bool { return len(of(r.taken, s.ID)) == 1 })
}
