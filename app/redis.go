package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

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
		// Not CONFIG GET, which shows passwords to whoever may use it.
		info, err := c.Info(ctx, "memory").Result()
		if err != nil {
			log.Warn("Redis does not tell its maxmemory-policy; make sure that it is noeviction", "error", err)
			return nil
		}
		for line := range strings.Lines(info) {
			if p, ok := strings.CutPrefix(strings.TrimSpace(line), "maxmemory_policy:"); ok && p != "noeviction" {
				return fmt.Errorf("--redis-url: its maxmemory-policy is %s, which loses sessions; set noeviction, or --allow-eviction", p)
			}
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
