package people

import (
	"fmt"
	"math"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"bellhop/broker/chat"
	"bellhop/internal/testenv"
)

// A client library that repeats a call counts nothing twice.
func TestPermitTwice(t *testing.T) {
	testenv.EachShared(t, func(t *testing.T, url string) {
		b := start(t, url)
		key := []string{b.store.Home("x").Rate(RateSend, name("a:ann"))}
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

// GCRA as the script has it against the plain words: of any stretch of time, no
// more than burst + rate × time are let through, and none is refused that fits.
func TestRateAgainstAModel(t *testing.T) {
	rdb := testenv.Client(t, testenv.Shared(t, testenv.EngineEmbedded))
	ctx := t.Context()
	lib, err := os.ReadFile("../../../scripts/lib/rate.lua")
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
			text, err := rdb.Eval(ctx, src, []string{key}, now, interval, burst).Text()
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

// A participant has a budget of lists, hosts have none, and who is quiet is forgotten.
func TestListLimits(t *testing.T) {
	l := NewLimits(nil, Rates{})
	ann, bob := chat.Actor{Identity: chat.Identity{Role: chat.RoleAgent, ID: name("ann")}}, chat.Actor{Identity: chat.Identity{Role: chat.RoleUser, ID: name("bob")}}
	host := chat.Actor{Host: true}
	var refused error
	n := 0
	for ; n < 1000 && refused == nil; n++ {
		refused = l.AllowList(ann)
	}
	require.GreaterOrEqual(t, n, 100)
	require.Less(t, n, 200)
	code(t, chat.CodeRateLimited, refused)
	require.Positive(t, chat.AsError(refused).RetryMS)
	require.NoError(t, l.AllowList(bob))
	for range 1000 {
		require.NoError(t, l.AllowList(host))
	}
	require.Eventually(t, func() bool { return l.AllowList(ann) == nil }, 40*time.Second, 50*time.Millisecond)
	l.list = 1e9 // everybody is rested at once
	for _, r := range l.seen {
		r.lists.SetLimit(1e9)
	}
	require.Eventually(t, func() bool {
		l.Sweep()
		l.mu.Lock()
		defer l.mu.Unlock()
		return len(l.seen) == 0
	}, 40*time.Second, 50*time.Millisecond)
	for i := range maxLimited + 10 {
		require.NoError(t, l.AllowList(chat.Actor{Identity: chat.Identity{Role: chat.RoleUser, ID: strconv.Itoa(i)}}))
	}
	require.LessOrEqual(t, len(l.seen), maxLimited)
}

// Who has sent something lately is remembered up to a bound.
func TestSendersAreBounded(t *testing.T) {
	l := NewLimits(nil, Rates{})
	for i := range maxLimited + 100 {
		require.NotNil(t, l.Sender("u:"+fmt.Sprint(i)))
	}
	require.Len(t, l.by, maxLimited)
}
