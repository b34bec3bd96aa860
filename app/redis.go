package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
)

// embedded is a Redis in memory, of this process, behind its real protocol.
type embedded struct{ server *miniredis.Miniredis }

func startEmbedded() (*embedded, error) {
	server := miniredis.NewMiniRedis()
	server.ClockTTL(true) // keys expire by the clock, as in a real one
	if err := server.StartAddr("127.0.0.1:0"); err != nil {
		return nil, fmt.Errorf("embedded Redis: %w", err)
	}
	return &embedded{server}, nil
}

// URL is where it listens.
func (e *embedded) URL() string { return "redis://" + e.server.Addr() }

// Close stops it; what it held is gone.
func (e *embedded) Close() { e.server.Close() }

// patience is how long a start waits for Redis, and as long for the archive.
var patience = 30 * time.Second

// waitFor asks until there is an answer, with a line a second, for 30 s at most.
func waitFor(ctx context.Context, log *slog.Logger, what string, ask func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		try, done := context.WithTimeout(ctx, time.Second)
		err := ask(try)
		wait := try.Err() == nil
		if err == nil {
			done()
			return nil
		}
		if wait {
			<-try.Done()
		}
		done()
		if ctx.Err() != nil {
			return fmt.Errorf("%s does not answer: %w", what, err)
		}
		log.Warn("waiting for "+what, "error", err)
	}
}

// checkEviction refuses a Redis that may throw sessions away when it is full.
func checkEviction(ctx context.Context, rdb redis.UniversalClient, allowed bool, log *slog.Logger) error {
	check := func(ctx context.Context, c *redis.Client) error {
		policy, err := c.ConfigGet(ctx, "maxmemory-policy").Result()
		if err != nil {
			log.Warn("Redis does not tell its maxmemory-policy; make sure that it is noeviction", "error", err)
			return nil
		}
		if p := policy["maxmemory-policy"]; p != "" && p != "noeviction" {
			return fmt.Errorf("--redis-url: its maxmemory-policy is %s, which loses sessions; set noeviction, or --allow-eviction", p)
		}
		return nil
	}
	var err error
	switch c := rdb.(type) {
	case *redis.ClusterClient:
		err = c.ForEachMaster(ctx, check)
	case *redis.Client:
		err = check(ctx, c)
	default:
		err = errors.New("unknown Redis client")
	}
	if err != nil && allowed {
		log.Warn("going on all the same", "error", err)
		return nil
	}
	if err != nil {
		return settingsError{err}
	}
	return nil
}
