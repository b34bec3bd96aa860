package renumber

import (
	"context"
	"fmt"
	"strconv"

	"github.com/redis/go-redis/v9"

	"bellhop/broker/internal/store"
)

// Clean removes what is left of numberings that are no more, but for what keeps a node that
// was silent all the time from beginning anything there.
func Clean(ctx context.Context, rdb redis.UniversalClient, old ...store.Numbering) error {
	tags := map[string]bool{}
	for _, n := range old {
		for _, p := range n.Parts() {
			tags[p.Tag] = true
		}
	}
	return each(ctx, rdb, func(ctx context.Context, keys []string) error {
		_, err := rdb.Pipelined(ctx, func(pipe redis.Pipeliner) error {
			for _, key := range keys {
				frozen, _, is := store.Thawed(key)
				tag, name, ok := store.Tagged(key)
				if is && tags[frozen] || ok && tags[tag] && ownKinds[name] == "" {
					pipe.Unlink(ctx, key)
				}
			}
			return nil
		})
		return store.RedisError("clean", err)
	})
}

// Wipe removes all of a numbering that nothing was moved to yet.
func Wipe(ctx context.Context, rdb redis.UniversalClient, n store.Numbering) error {
	return (&Mover{store: &store.Store{Redis: rdb}, parts: n.Parts()}).wipe(ctx)
}

// Room is nil where what is copied has room beside what it is copied from.
func Room(ctx context.Context, rdb redis.UniversalClient) error {
	server := func(ctx context.Context, c *redis.Client) error {
		info, err := c.Info(ctx, "memory").Result()
		if err != nil {
			return store.RedisError("memory", err)
		}
		used, _ := strconv.ParseInt(field(info, "used_memory"), 10, 64)
		most, _ := strconv.ParseInt(field(info, "maxmemory"), 10, 64)
		if most > 0 && 2*used > most {
			return fmt.Errorf("a server has %d MiB of %d in use: all is there twice for a while; raise its maxmemory until it is done", used>>20, most>>20)
		}
		return nil
	}
	return masters(ctx, rdb, server)
}
