package store

import (
	"context"
	"strconv"
	"strings"

	"github.com/oklog/ulid/v2"
	"github.com/redis/go-redis/v9"
)

// Created reads the time in a session's id, in ms; def if it has none.
func Created(session string, def int64) int64 {
	_, rest, _ := strings.Cut(session, "-")
	id, err := ulid.ParseStrict(rest)
	if err != nil {
		return def
	}
	return ulid.Time(id.Time()).UnixMilli()
}

// EachSession gives the ids of all sessions of a partition, some at a time.
func (s *Store) EachSession(ctx context.Context, p Partition, f func(ctx context.Context, ids []string) error) error {
	after := "-inf"
	for {
		list, err := s.Redis.ZRangeByScoreWithScores(ctx, p.Sessions(), &redis.ZRangeBy{Min: after, Max: "+inf", Count: 500}).Result()
		if err != nil {
			return RedisError("sessions", err)
		}
		ids := make([]string, 0, len(list))
		for _, z := range list {
			id, _ := z.Member.(string)
			ids = append(ids, id)
		}
		if err := f(ctx, ids); err != nil || len(list) < 500 {
			return err
		}
		next := strconv.FormatFloat(list[len(list)-1].Score, 'f', -1, 64)
		if next == after { // as many of one millisecond: go past it
			next = "(" + next
		}
		after = next
	}
}
