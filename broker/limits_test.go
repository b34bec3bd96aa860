package broker

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/stretchr/testify/require"

	"bellhop/broker/chat"
	"bellhop/broker/internal/people"
	"bellhop/internal/testenv"
)

func sendRate(r float64) func(*Options) { return func(o *Options) { o.SendRate = r } }

// redisTime is the clock that limits are counted by.
func redisTime(t testing.TB, b *Broker) time.Time {
	t.Helper()
	at, err := b.store.Redis.Time(t.Context()).Result()
	require.NoError(t, err)
	return at
}

// flood sends without a pause, over all the nodes in turn, until the time is over.
// It gives how many were accepted, within how long at most, by Redis's clock.
func flood(t *testing.T, a chat.Actor, session string, each int, lasts time.Duration, nodes ...*Broker) (accepted int64, within time.Duration) {
	t.Helper()
	var n, refused atomic.Int64
	from := redisTime(t, nodes[0])
	end := time.Now().Add(lasts)
	var wg sync.WaitGroup
	for _, b := range nodes {
		for range each {
			wg.Go(func() {
				for time.Now().Before(end) {
					_, err := b.Send(t.Context(), a, chat.SendRequest{Session: session, Body: json.RawMessage(`"x"`), Key: ulid.Make().String()})
					var e *chat.Error
					switch {
					case err == nil:
						n.Add(1)
					case errors.As(err, &e) && e.Code == chat.CodeRateLimited && e.RetryMS > 0:
						refused.Add(1)
						time.Sleep(time.Millisecond) // what is asked meanwhile is a flood
					default:
						t.Error(err)
						return
					}
				}
			})
		}
	}
	wg.Wait()
	require.Positive(t, refused.Load(), "nobody was ever refused")
	return n.Load(), redisTime(t, nodes[0]).Sub(from)
}

// A user who sends through two nodes at once gets no more through than through
// one, exactly; what was refused is not stored; others do not notice.
func TestAUserIsLimitedOverAllNodes(t *testing.T) {
	testenv.EachShared(t, func(t *testing.T, url string) {
		const rate, burst = 10, 20 // slow enough for the slowest of the four, with the race detector
		b, c := startNode(t, url, sendRate(rate)), startNode(t, url, sendRate(rate))
		uma, tom := user(t, b, name("uma")), user(t, c, name("tom"))
		s, other := uma.open(name("q")), tom.open(name("q"))

		calm, stop := make(chan error, 1), make(chan struct{})
		go func() {
			for {
				select {
				case <-stop:
					calm <- nil
					return
				case <-time.After(150 * time.Millisecond):
					if _, err := c.Send(t.Context(), tom.Actor, chat.SendRequest{Session: other.ID, Body: json.RawMessage(`"x"`)}); err != nil {
						calm <- err
						return
					}
				}
			}
		}()
		n, within := flood(t, uma.Actor, s.ID, 2, time.Second, b, c)
		close(stop)
		require.NoError(t, <-calm, "somebody else was limited")
		require.LessOrEqual(t, float64(n), burst+rate*within.Seconds())
		require.GreaterOrEqual(t, float64(n), burst+rate*0.8, "less than the rate")
		st, err := b.sessions.Look(t.Context(), s.ID)
		require.NoError(t, err)
		require.Equal(t, n+1, st.Seq, "what was refused is not stored, what was accepted is")

		// It recovers by itself, after what retryAfter says; the nodes themselves refuse a flood first.
		tries := 0
		for done := 0; done < 5; tries++ {
			_, err = []*Broker{b, c}[tries%2].Send(t.Context(), uma.Actor, chat.SendRequest{Session: s.ID, Body: json.RawMessage(`"x"`)})
			if err == nil {
				done++
				continue
			}
			code(t, chat.CodeRateLimited, err)
			time.Sleep(time.Duration(chat.AsError(err).RetryMS) * time.Millisecond)
		}
		require.LessOrEqual(t, tries, 15)
		clean(t, b)
	})
}

// A resend of what was stored is answered although its sender is limited.
func TestAStoredMessageIsAnsweredWhenLimited(t *testing.T) {
	testenv.EachShared(t, func(t *testing.T, url string) {
		b, c := startNode(t, url, sendRate(0.01)), startNode(t, url, sendRate(0.01)) // a burst of one
		uma := user(t, b, name("uma"))
		s := uma.open(name("q"))
		first := chat.SendRequest{Session: s.ID, Body: json.RawMessage(`"x"`), Key: "first"}
		sent, err := b.Send(t.Context(), uma.Actor, first)
		require.NoError(t, err)
		for _, n := range []*Broker{b, c} {
			for range 2 {
				_, err = n.Send(t.Context(), uma.Actor, chat.SendRequest{Session: s.ID, Body: json.RawMessage(`"x"`), Key: "second"})
				code(t, chat.CodeRateLimited, err)
				require.Greater(t, chat.AsError(err).RetryMS, int64(90_000))
				again, err := n.Send(t.Context(), uma.Actor, first)
				require.NoError(t, err)
				require.True(t, again.Duplicate)
				require.Equal(t, sent.Mid, again.Mid)
				require.Equal(t, sent.Seq, again.Seq)
			}
		}
		// A host application has no limit, in whosever name it sends.
		for range 5 {
			_, err = b.Send(t.Context(), host, chat.SendRequest{Session: s.ID, As: chat.RoleUser, Body: json.RawMessage(`"x"`)})
			require.NoError(t, err)
		}
		// Far above the rate, this node asks Redis no more.
		for range 10 {
			_, err = b.Send(t.Context(), uma.Actor, first)
		}
		code(t, chat.CodeRateLimited, err)
	})
}

// 0 in the settings is negative here: no limit.
func TestNoLimit(t *testing.T) {
	b := startNode(t, testenv.Shared(t, testenv.EngineRedis))
	uma := user(t, b, name("uma"))
	s := uma.open(name("q"))
	for range 200 {
		uma.send(s.ID, "x")
	}
	for range 2 * people.OpenRate {
		uma.open(name("q"))
	}
	for range 2 * people.UploadRate {
		_, err := b.AllowUpload(t.Context(), uma.Actor, 1)
		require.NoError(t, err)
	}
	require.Nil(t, b.limits.Sender("u:"+uma.ID))
	require.Zero(t, b.store.Redis.Exists(t.Context(), b.store.Home(uma.ID).Rate(people.RateSend, "u:"+uma.ID)).Val())
}

// Staff are limited at each node exactly, and over the nodes but for what these
// keep to themselves: twenty each, and what is under way.
func TestStaffAreLimitedOverAllNodes(t *testing.T) {
	for _, e := range []testenv.Engine{testenv.EngineRedis, testenv.EngineCluster} {
		url := testenv.Shared(t, e)
		b, c := startNode(t, url), startNode(t, url)
		q := name("q")
		ann := agent(t, b, name("ann"), q)
		s := user(t, b, name("uma")).open(q)
		ann.grab(s.ID)
		n, within := flood(t, ann.Actor, s.ID, 2, 2*time.Second, b, c)
		bound := 2*people.StaffRate + people.StaffRate*within.Seconds()
		t.Logf("%d sends, %.0f are due", n, bound)
		// What is sent during a report's round trip is the machine's to say.
		require.LessOrEqual(t, float64(n), 1.5*bound, "nodes by themselves would let through twice as many")
		require.GreaterOrEqual(t, float64(n), 0.8*bound, "less than the rate")
		clean(t, b)
	}
}

// Opens of one user; getting an open one back does not count, and hosts have no limit.
func TestOpensAreLimited(t *testing.T) {
	testenv.EachShared(t, func(t *testing.T, url string) {
		b, c := startNode(t, url, sendRate(20)), startNode(t, url, sendRate(20))
		uma := user(t, b, name("uma"))
		q := name("q")
		first := uma.open(q)
		began, opened := time.Now(), 1
		for ; ; opened++ {
			_, err := []*Broker{b, c}[opened%2].Open(t.Context(), uma.Actor, chat.OpenRequest{Queue: name("q")})
			if err != nil {
				code(t, chat.CodeRateLimited, err)
				require.InDelta(t, 500, chat.AsError(err).RetryMS, 500)
				break
			}
		}
		require.GreaterOrEqual(t, opened, people.OpenRate)
		require.LessOrEqual(t, opened, people.OpenRate+1+int(time.Since(began).Seconds()))
		for _, n := range []*Broker{b, c} {
			again, err := n.Open(t.Context(), uma.Actor, chat.OpenRequest{Queue: q})
			require.NoError(t, err)
			require.Equal(t, first.ID, again.ID)
		}
		_, err := b.Open(t.Context(), host, chat.OpenRequest{User: uma.Person(), Queue: name("q")})
		require.NoError(t, err, "the host's opens for the same user")
		user(t, b, name("tom")).open(q)
		clean(t, b)
	})
}

func TestUploadsAreLimited(t *testing.T) {
	testenv.EachShared(t, func(t *testing.T, url string) {
		b, c := startNode(t, url, sendRate(20)), startNode(t, url, sendRate(20))
		for _, a := range []chat.Actor{{Identity: chat.Identity{Role: chat.RoleUser, ID: name("uma")}}, {Identity: chat.Identity{Role: chat.RoleAgent, ID: name("ann")}}} {
			var passed atomic.Int64
			var wg sync.WaitGroup
			for i := range 2 * people.UploadRate {
				wg.Go(func() {
					_, err := []*Broker{b, c}[i%2].AllowUpload(t.Context(), a, 1)
					if err == nil {
						passed.Add(1)
						return
					}
					if e := chat.AsError(err); e.Code != chat.CodeRateLimited || e.RetryMS < 1 || e.RetryMS > 2000 {
						t.Errorf("%v, wait %d ms", err, e.RetryMS)
					}
				})
			}
			wg.Wait()
			require.InDelta(t, people.UploadRate, passed.Load(), 1, "one more may have come with the time")
			a.Host = true
			_, err := b.AllowUpload(t.Context(), a, 1)
			require.NoError(t, err)
		}
	})
}

// A time far ahead, of a clock that was fast before a failover, locks nobody out.
func TestAClockThatWasFast(t *testing.T) {
	b := startNode(t, testenv.Shared(t, testenv.EngineRedis), sendRate(10))
	uma := user(t, b, name("uma"))
	s := uma.open(name("q"))
	ahead := redisTime(t, b).Add(time.Hour).UnixMicro()
	require.NoError(t, b.store.Redis.Set(context.WithoutCancel(t.Context()), b.store.Home(uma.ID).Rate(people.RateSend, "u:"+uma.ID), ahead, 0).Err())
	_, err := b.Send(t.Context(), uma.Actor, chat.SendRequest{Session: s.ID, Body: json.RawMessage(`"x"`)})
	code(t, chat.CodeRateLimited, err)
	require.LessOrEqual(t, chat.AsError(err).RetryMS, int64(100))
}
