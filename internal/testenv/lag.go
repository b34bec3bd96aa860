package testenv

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// LoseTail has the replica take over from a master whose newest writes it never
// got: those made while `while` runs. It returns the master, which is dead.
func (s *SentinelSet) LoseTail(while func()) *RedisServer {
	s.t.Helper()
	master := s.Master()
	for _, d := range s.data {
		if d != master {
			loseTail(s.t, master, d, while)
		}
	}
	return master
}

// LoseTail does the same for the master of a key.
func (c *RedisCluster) LoseTail(key string, while func()) *RedisServer {
	c.t.Helper()
	master := c.MasterFor(key)
	replica := c.replicaOf(master)
	if replica == nil {
		c.t.Fatalf("testenv: the master of %q has no replica", key)
	}
	loseTail(c.t, master, replica, while)
	return master
}

// loseTail stops the replica when it has what was written so far, fills what the
// kernel keeps for it, and kills the master after `while`: what came behind the
// filling never reaches the replica.
func loseTail(t testing.TB, master, replica *RedisServer, while func()) {
	t.Helper()
	key := ""
	for i := 0; key == ""; i++ { // one of the master's own slots
		if k := "testenv:filling:" + strconv.Itoa(i); do(master, "set", k, "").Err() == nil {
			key = k
		}
	}
	if err := caughtUp(master, key); err != nil {
		t.Fatalf("testenv: the replica lags by itself: %v", err)
	}
	replica.Pause()
	filling := strings.Repeat("x", 1<<20)
	for range 32 {
		if err := do(master, "set", key, filling).Err(); err != nil {
			t.Errorf("testenv: filling: %v", err)
		}
	}
	_ = do(master, "del", key)
	while()
	master.Kill()
	replica.Resume()
}

// caughtUp waits until a replica has all that was written to its master; key is one of the master's.
func caughtUp(master *RedisServer, key string) error {
	return eventually(startLimit, func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		var has *redis.Cmd
		_, err := master.Client().Pipelined(ctx, func(pipe redis.Pipeliner) error { // WAIT is for what its own connection has written last
			pipe.Set(ctx, key, "", 0)
			has = pipe.Do(ctx, "wait", 1, 1000)
			return nil
		})
		if err != nil {
			return err
		}
		if n, err := has.Int(); err != nil || n < 1 {
			return errors.Join(err, errors.New("it has not acknowledged everything"))
		}
		return nil
	})
}
