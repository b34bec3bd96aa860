package sessions

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"bellhop/broker/chat"
	"bellhop/broker/internal/store"
)

// censusFresh is how old a census may be: monitoring asks of every node.
const censusFresh = 2 * time.Second

type census struct {
	mu   sync.Mutex
	at   time.Time
	last chat.Census
}

// Census counts the sessions that have not ended, at most every two seconds. It asks each partition as
// much, however many there are.
func (rd *Reader) Census(ctx context.Context) (chat.Census, error) {
	c := &rd.census
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.at) < censusFresh {
		return c.last, nil
	}
	now, err := rd.count(ctx)
	if err != nil {
		return now, store.RedisError("census", err)
	}
	c.at, c.last = time.Now(), now
	return now, nil
}

func (rd *Reader) count(ctx context.Context) (out chat.Census, err error) {
	sums := []struct {
		state chat.State
		n     *int64
	}{{chat.Waiting, &out.Waiting}, {chat.Serving, &out.Serving}, {chat.Transferring, &out.Transferring}, {chat.Ending, &out.Ending}}
	counts := make([]*redis.IntCmd, 0, len(sums)*len(rd.store.Parts))
	first := make([]*redis.StringSliceCmd, 0, len(rd.store.Parts))
	_, err = rd.store.Redis.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for _, p := range rd.store.Parts {
			for _, s := range sums {
				by := ByState(s.state)
				counts = append(counts, pipe.ZLexCount(ctx, p.States(), "["+by, "("+by+"\xff"))
			}
			by := ByState(chat.Waiting)
			first = append(first, pipe.ZRangeArgs(ctx, redis.ZRangeArgs{Key: p.States(), Start: "[" + by, Stop: "(" + by + "\xff", ByLex: true, Count: 1}))
		}
		return nil
	})
	if err != nil {
		return chat.Census{}, err
	}
	for i, n := range counts {
		*sums[i%len(sums)].n += n.Val()
	}
	now := time.Now().UnixMilli()
	for _, list := range first {
		for _, member := range list.Val() {
			at, _, _ := strings.Cut(strings.TrimPrefix(member, ByState(chat.Waiting)), "|")
			if created, err := strconv.ParseInt(at, 10, 64); err == nil {
				out.Oldest = max(out.Oldest, (now-created)/1000)
			}
		}
	}
	return out, nil
}
