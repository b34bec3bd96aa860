package store

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"bellhop/internal/testenv"
)

// handsOf are n hands of a store that lives as long as the test.
func handsOf(t testing.TB, n int) *hands {
	t.Helper()
	s := NewStore(redis.NewClient(&redis.Options{}), slog.New(slog.DiscardHandler))
	s.Begin(context.Background())
	t.Cleanup(func() { s.Stop(); s.Tasks.Wait(); _ = s.Redis.Close() })
	s.hands.queue = make([]chan handed, n)
	return s.hands
}

// Whatever comes in a burst or singly, by one receiver or several: what one receives of a partition is carried out
// in its order, and once; after settle all of it is.
func TestHandsKeepTheOrder(t *testing.T) {
	h := handsOf(t, 4)
	var receivers sync.WaitGroup
	for r := range 3 {
		receivers.Go(func() {
			const partitions, messages = 16, 20_000
			var last [partitions]atomic.Int64
			var wrong atomic.Int64
			l := newHolder(h, func(channel, payload string) {
				tag, _, _ := Tagged(channel)
				p, _ := strconv.Atoi(tag)
				if n, _ := strconv.ParseInt(payload, 10, 64); !last[p].CompareAndSwap(n-1, n) {
					wrong.Add(1)
				}
			})
			var sent [partitions]int64
			rnd := rand.New(rand.NewPCG(uint64(r), 1))
			for range messages {
				p := rnd.IntN(partitions)
				sent[p]++
				l.take(fmt.Sprintf("{%d}:s:%d", p, rnd.IntN(100)), strconv.FormatInt(sent[p], 10), rnd.IntN(3) > 0)
				if rnd.IntN(500) == 0 {
					l.settle()
					for p := range sent {
						require.Equal(t, sent[p], last[p].Load())
					}
				}
			}
			l.settle()
			require.Zero(t, wrong.Load())
			for p := range sent {
				require.Equal(t, sent[p], last[p].Load())
			}
		})
	}
	receivers.Wait()
}

// One that is busy holds nobody else up, and no more waits for it than it has room for: then the receiver waits.
func TestABusyHand(t *testing.T) {
	h := handsOf(t, 2)
	var carried atomic.Int64
	begun, free := make(chan struct{}), make(chan struct{})
	goOn := sync.OnceFunc(func() { close(free) })
	t.Cleanup(goOn)
	l := newHolder(h, func(channel, payload string) {
		if payload == "slow" {
			close(begun)
			<-free
		}
		carried.Add(1)
	})
	slow, quick := "{0}:s:x", "{1}:s:x"
	for i := 1; l.of(quick) == l.of(slow); i++ {
		quick = fmt.Sprintf("{%d}:s:x", i)
	}
	l.take(slow, "slow", true)
	<-begun
	for range handful {
		l.take(slow, "", false) // behind the slow one, though it comes singly
	}
	require.Zero(t, carried.Load())
	l.take(quick, "", false)
	require.EqualValues(t, 1, carried.Load())
	full := make(chan struct{})
	go func() { l.take(slow, "", true); close(full) }()
	select {
	case <-full:
		t.Fatal("more waits than there is room for")
	case <-time.After(20 * time.Millisecond): // that it does not end is the subject
	}
	goOn()
	<-full
	l.settle()
	require.EqualValues(t, handful+3, carried.Load())
}

// What came before a channel is confirmed is carried out before whoever asked for it goes on, also in a burst.
func TestSubscriptionsSettle(t *testing.T) {
	url, ctx := testenv.Shared(t, testenv.EngineRedis), t.Context()
	s := NewStore(testenv.Client(t, url).(*redis.Client), slog.New(slog.DiscardHandler)) //nolint:forcetypeassert // it is one
	s.Begin(ctx)
	defer func() { s.Stop(); s.Tasks.Wait() }()
	var carried atomic.Int64
	sub := NewSubscriber(s, func(string, string) {
		time.Sleep(50 * time.Microsecond) // a slow look, so that some wait
		carried.Add(1)
	}, func() {})
	first := "{settle}:" + t.Name()
	require.NoError(t, sub.Add(ctx, first))
	for round := range 20 {
		var published int64
		_, err := s.Redis.Pipelined(ctx, func(p redis.Pipeliner) error {
			for range 100 {
				p.Publish(ctx, first, "x")
				published++
			}
			return nil
		})
		require.NoError(t, err)
		require.NoError(t, sub.Add(ctx, first+strconv.Itoa(round)))
		require.EqualValues(t, int64(round+1)*published, carried.Load())
	}
}

// What a message takes of a receiver, singly and in a burst, with some parsing.
func BenchmarkSubscriber(b *testing.B) {
	work := `{"mid":"01J00000000000000000000000","from":{"id":"uma","role":"user","name":"Uma"},"type":"text","body":"` + strings.Repeat("x", 200) + `"}`
	for _, hands := range []int{1, runtime.GOMAXPROCS(0)} {
		for _, burst := range []bool{false, true} {
			b.Run(fmt.Sprintf("hands=%d,burst=%v", hands, burst), func(b *testing.B) {
				h := handsOf(b, hands)
				l := newHolder(h, func(_, payload string) {
					var m map[string]any
					_ = json.Unmarshal([]byte(payload), &m)
				})
				for i := range b.N {
					l.take("{"+strconv.Itoa(i%16)+"}:s:x", work, burst)
				}
				l.settle()
			})
		}
	}
}
