package store

import (
	"context"
	"sync"

	"github.com/redis/go-redis/v9"
)

// Scan lists the keys of a pattern on every master.
func Scan(ctx context.Context, rdb redis.UniversalClient, pattern string) ([]string, error) {
	var mu sync.Mutex
	var out []string
	each := func(ctx context.Context, c *redis.Client) error {
		iter := c.Scan(ctx, 0, pattern, 1000).Iterator()
		for iter.Next(ctx) {
			mu.Lock()
			out = append(out, iter.Val())
			mu.Unlock()
		}
		return iter.Err()
	}
	var err error
	switch c := rdb.(type) {
	case *redis.ClusterClient:
		err = c.ForEachMaster(ctx, each)
	case *redis.Client:
		err = each(ctx, c)
	}
	return out, RedisError("scan", err)
}

// Scan lists the keys of a pattern.
func (s *Store) Scan(ctx context.Context, pattern string) ([]string, error) {
	return Scan(ctx, s.Redis, pattern)
}
