package routing

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"bellhop/broker/chat"
	"bellhop/broker/internal/store"
)

// Settings that were answered for hold for whatever begins afterwards, on every
// node, though each node keeps a copy of them. Beside a partition's sessions lies
// the id of the last change (`rules`), written before the change is answered. A
// script that uses settings is told which change its node knew of before it read
// them; where there was another since, it refuses, the node reads, and tries again.
// Ids are compared for being the same, not for their order: so a Redis that has
// fallen back is one more change.

// renewPatience bounds a reading that several wait for.
const renewPatience = 10 * time.Second

// knows is the last change of which a partition told before the settings were read.
func (s *Settings) knows(p store.Partition) string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.seen[p.Index]
}

func (s *Settings) know(p store.Partition, change string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen == nil {
		s.seen = map[int]string{}
	}
	s.seen[p.Index] = change
}

// Start reads the settings for the first time.
func (s *Settings) Start(ctx context.Context) error {
	changes := make([]*redis.StringCmd, len(s.store.Parts))
	if _, err := s.store.Redis.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for i, p := range s.store.Parts {
			changes[i] = pipe.Get(ctx, p.Rules())
		}
		return nil
	}); err != nil && !errors.Is(err, redis.Nil) {
		return store.RedisError("queues", err)
	}
	if err := s.Load(ctx); err != nil {
		return err
	}
	for i, p := range s.store.Parts {
		s.know(p, changes[i].Val())
	}
	return nil
}

// Hear is told the last change in the first partition, which each heartbeat looks at, and reads
// the settings where it is another one than was known.
func (s *Settings) Hear(ctx context.Context, change string) error {
	p := s.store.Parts[0]
	if s.knows(p) == change {
		return nil
	}
	return s.Renew(ctx, p, change)
}

// Renew reads the settings after a partition told of a change, once for all who heard of it.
func (s *Settings) Renew(ctx context.Context, p store.Partition, change string) error {
	again := s.once.DoChan(strconv.Itoa(p.Index)+"|"+change, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), renewPatience)
		defer cancel()
		err := s.Load(ctx)
		if err == nil {
			s.know(p, change)
		}
		return nil, err
	})
	select {
	case r := <-again:
		return r.Err
	case <-ctx.Done():
		return store.RedisError("queues", ctx.Err())
	}
}

// Ruled runs a script that uses queues' settings, with one JSON argument, which arg
// makes anew each time.
func (s *Settings) Ruled(ctx context.Context, script string, p store.Partition, keys []string, arg func() any) (store.Reply, error) {
	for range 5 {
		r, err := s.UnderRules(ctx, script, p, keys, arg)
		if err != nil || r.Str(0) != "stale" {
			return r, err
		}
		if err := s.Renew(ctx, p, r.Str(1)); err != nil {
			return nil, err
		}
	}
	return nil, chat.Errorf(chat.CodeUnavailable, "the queues' settings keep changing; try again")
}

// UnderRules runs it once; it may answer 'stale', and does where arg gives nil: what the settings now
// say is not what the caller went by.
func (s *Settings) UnderRules(ctx context.Context, script string, p store.Partition, keys []string, arg func() any) (store.Reply, error) {
	rules := s.knows(p) // before the settings are looked at
	told := arg()
	if told == nil {
		return store.Reply{"stale", rules}, nil
	}
	data, err := json.Marshal(told)
	if err != nil {
		return nil, fmt.Errorf("script %s: %w", script, err)
	}
	data = append(bytes.TrimSuffix(data, []byte("}")), `,"rules":`+chat.Quote(rules)+`}`...)
	return s.store.Run(ctx, script, keys, string(data))
}
