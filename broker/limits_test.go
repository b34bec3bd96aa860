package broker

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"bellhop/broker/chat"
	"bellhop/internal/testenv"
)

func sendRate(r float64) func(*Options) { return func(o *Options) { o.SendRate = r } }

// redisTime is the clock that limits are counted by.
func redisTime(t testing.TB, b *Broker) time.Time {
	t.Helper()
	at, err := b.Redis.Time(t.Context()).Result()
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
		st, err := b.Look(t.Context(), s.ID)
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
	for range 2 * openRate {
		uma.open(name("q"))
	}
	for range 2 * uploadRate {
		_, err := b.AllowUpload(t.Context(), uma.Actor, 1)
		require.NoError(t, err)
	}
	require.Nil(t, b.limits.sender("u:"+uma.ID))
	require.Zero(t, b.Redis.Exists(t.Context(), b.Home(uma.ID).Rate(rateSend, "u:"+uma.ID)).Val())
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
		bound := 2*staffRate + staffRate*within.Seconds()
		t.Logf("%d sends, %.0f are due", n, bound)
		// What is sent during a report's round trip is the machine's to say.
		require.LessOrEqual(t, float64(n), 1.5*bound, "nodes by themselves would let through twice as many")
		require.GreaterOrEqual(t, float64(n), 0.8*bound, "less than the rate")
		clean(t, b)
	}
}

// A client library that repeats a call counts nothing twice.
func TestPermitTwice(t *testing.T) {
	testenv.EachShared(t, func(t *testing.T, url string) {
		b := startNode(t, url)
		key := []string{b.Home("x").Rate(rateSend, name("a:ann"))}
		args := func(op string, n int, done string) []any { return []any{1_000_000, 5, op, n, done} }
		for range 2 {
			r := b.mustRaw(t, "permit", key, args("op1", 4, "1")...)
			require.Equal(t, []any{"ok", int64(0)}, []any(r))
		}
		require.Equal(t, "ok", b.mustRaw(t, "permit", key, args("op2", 1, "0")...).Str(0))
		require.Equal(t, "rate_limited", b.mustRaw(t, "permit", key, args("op3", 1, "0")...).Str(0))
		require.Equal(t, "ok", b.mustRaw(t, "permit", key, args("op2", 1, "0")...).Str(0), "the second run of op2")
		r := b.mustRaw(t, "permit", key, args("op4", 10, "1")...)
		require.Equal(t, "ok", r.Str(0))
		require.InDelta(t, 11_000, float64(r.Num(1)), 900, "ten more than fit must be waited for")
	})
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
		require.GreaterOrEqual(t, opened, openRate)
		require.LessOrEqual(t, opened, openRate+1+int(time.Since(began).Seconds()))
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
			for i := range 2 * uploadRate {
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
			require.InDelta(t, uploadRate, passed.Load(), 1, "one more may have come with the time")
			a.Host = true
			_, err := b.AllowUpload(t.Context(), a, 1)
			require.NoError(t, err)
		}
	})
}

// GCRA as the script has it against the plain words: of any stretch of time, no
// more than burst + rate × time are let through, and none is refused that fits.
func TestRateAgainstAModel(t *testing.T) {
	b := startNode(t, testenv.Shared(t, testenv.EngineEmbedded))
	ctx := t.Context()
	lib, err := os.ReadFile("../scripts/lib/rate.lua")
	require.NoError(t, err)
	src := string(lib) + "\nlocal now = tonumber(ARGV[1])\nreturn tostring(pass(KEYS[1], now, tonumber(ARGV[2]), tonumber(ARGV[3])))"
	rapid.Check(t, func(r *rapid.T) {
		key := name("{x}:rate")
		interval, burst := rapid.Int64Range(1, 5_000_000).Draw(r, "interval"), rapid.Int64Range(1, 40).Draw(r, "burst")
		now := int64(1_700_000_000_000_000)
		level, at := float64(0), now // a bucket that leaks one in each interval
		for range rapid.IntRange(1, 120).Draw(r, "calls") {
			if rapid.Bool().Draw(r, "pause") {
				now += rapid.Int64Range(0, 3*interval).Draw(r, "µs")
			}
			level = math.Max(0, level-float64(now-at)/float64(interval))
			at = now
			text, err := b.Redis.Eval(ctx, src, []string{key}, now, interval, burst).Text()
			require.NoError(r, err)
			wait, err := strconv.ParseFloat(text, 64)
			require.NoError(r, err)
			over := level + 1 - float64(burst) // what must leak first
			if math.Abs(over) < 1e-6 {
				over = 0
			}
			if over <= 0 {
				require.Zero(r, wait, "refused, and %f of %d are held", level, burst)
				level++
			} else {
				require.InDelta(r, over*float64(interval), wait, 1, "the wait")
			}
		}
	})
}

// A time far ahead, of a clock that was fast before a failover, locks nobody out.
func TestAClockThatWasFast(t *testing.T) {
	b := startNode(t, testenv.Shared(t, testenv.EngineRedis), sendRate(10))
	uma := user(t, b, name("uma"))
	s := uma.open(name("q"))
	ahead := redisTime(t, b).Add(time.Hour).UnixMicro()
	require.NoError(t, b.Redis.Set(context.WithoutCancel(t.Context()), b.Home(uma.ID).Rate(rateSend, "u:"+uma.ID), ahead, 0).Err())
	_, err := b.Send(t.Context(), uma.Actor, chat.SendRequest{Session: s.ID, Body: json.RawMessage(`"x"`)})
	code(t, chat.CodeRateLimited, err)
	require.LessOrEqual(t, chat.AsError(err).RetryMS, int64(100))
}
