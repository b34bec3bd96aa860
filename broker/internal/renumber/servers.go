package renumber

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"bellhop/broker/internal/store"
)

const (
	// replicaPatience is how long replicas, and the disk, may take for what was written.
	replicaPatience = time.Minute
	// onDisk is after how long `appendfsync everysec` has written all, but where the disk is behind.
	onDisk   = 2 * time.Second
	diskPoll = 100 * time.Millisecond
	waitPoll = time.Second // less than a client waits for an answer
)

// errMoving: a walk over all keys may miss those of a slot that moves.
var errMoving = errors.New("slots of the cluster are being moved: run this when they are not")

// masters calls f with a client of each server that holds keys, several at a time.
func masters(ctx context.Context, rdb redis.UniversalClient, f func(ctx context.Context, c *redis.Client) error) error {
	switch c := rdb.(type) {
	case *redis.ClusterClient:
		return c.ForEachMaster(ctx, f)
	case *redis.Client:
		return f(ctx, c)
	}
	return nil
}

// field is one of INFO's.
func field(info, name string) string {
	for line := range strings.Lines(info) {
		if is, value, _ := strings.Cut(strings.TrimSpace(line), ":"); is == name {
			return value
		}
	}
	return ""
}

// Servers tells which processes hold the keys, and which slots. As long as that is so, a walk over all
// keys sees each, and nothing that was written is undone. An error where slots are being moved.
func Servers(ctx context.Context, rdb redis.UniversalClient) (string, error) {
	_, cluster := rdb.(*redis.ClusterClient)
	var mu sync.Mutex
	var all []string
	err := masters(ctx, rdb, func(ctx context.Context, c *redis.Client) error {
		info, err := c.Info(ctx, "server").Result()
		is := field(info, "run_id")
		if err == nil && cluster {
			var nodes, slots string
			if nodes, err = c.ClusterNodes(ctx).Result(); err == nil {
				slots, err = slotsOf(nodes)
			}
			is += " " + slots
		}
		if err != nil {
			if errors.Is(err, errMoving) {
				return err
			}
			return store.RedisError("servers", err)
		}
		mu.Lock()
		defer mu.Unlock()
		all = append(all, is)
		return nil
	})
	slices.Sort(all)
	return strings.Join(all, "\n"), err
}

// slotsOf reads from CLUSTER NODES which slots the server that answered has.
func slotsOf(nodes string) (string, error) {
	for line := range strings.Lines(nodes) {
		f := strings.Fields(line)
		if len(f) < 8 || !strings.Contains(f[2], "myself") {
			continue
		}
		slots := strings.Join(f[8:], " ")
		if strings.Contains(slots, "[") {
			return "", errMoving
		}
		return slots, nil
	}
	return "", fmt.Errorf("a server of the cluster does not know itself: %q", nodes)
}

// same is nil where the servers are those that they were when the freezing began.
func (m *Mover) same(ctx context.Context) error {
	now, err := Servers(ctx, m.store.Redis)
	if err == nil && now != m.servers {
		err = errors.New("a server of Redis began anew meanwhile, or its slots moved: run this again")
	}
	return err
}

// ofRecord is written where the record is.
var ofRecord = []any{"set", store.WaitedKey, 1, "px", replicaPatience.Milliseconds()}

// Followed waits until replicas have the record: nothing may be moved of which it does not tell.
func Followed(ctx context.Context, rdb redis.UniversalClient) error {
	return masters(ctx, rdb, func(ctx context.Context, c *redis.Client) error { return replicated(ctx, c, [][]any{ofRecord}) })
}

// Kept waits until replicas and disks have what was written. Each server that holds one of the partitions,
// or the record, is asked.
func Kept(ctx context.Context, rdb redis.UniversalClient, parts, old []store.Partition) error {
	var marks [][]any // one of these each server takes
	for _, p := range parts {
		marks = append(marks, []any{"hset", p.Epoch(), "waited", 1})
	}
	for _, p := range old {
		marks = append(marks, []any{"set", p.Frozen("waited"), 1})
	}
	marks = append(marks, ofRecord)
	written := time.Now()
	return masters(ctx, rdb, func(ctx context.Context, c *redis.Client) error {
		if err := replicated(ctx, c, marks); err != nil {
			return err
		}
		for {
			info, err := c.Info(ctx, "persistence").Result()
			if err != nil {
				return store.RedisError("persistence", err)
			}
			switch age := time.Since(written); {
			case field(info, "aof_enabled") != "1" || age >= onDisk && field(info, "aof_pending_bio_fsync") == "0":
				return nil
			case age > replicaPatience:
				return errors.New("a disk is behind what was written: run this again when it is not")
			}
			if !store.Sleep(ctx, diskPoll) {
				return ctx.Err()
			}
		}
	})
}

// replicated waits until a server's replicas have what was written there.
func replicated(ctx context.Context, c *redis.Client, marks [][]any) error {
	info, err := c.Info(ctx, "replication").Result()
	if err != nil {
		return store.RedisError("replication", err)
	}
	replicas, _ := strconv.Atoi(field(info, "connected_slaves"))
	if replicas == 0 {
		return nil
	}
	for until := time.Now().Add(replicaPatience); len(marks) > 0; {
		var wait *redis.Cmd
		_, err := c.Pipelined(ctx, func(pipe redis.Pipeliner) error {
			pipe.Do(ctx, marks[0]...) // a connection waits for what was written by itself, and before
			wait = pipe.Do(ctx, "wait", replicas, waitPoll.Milliseconds())
			return nil
		})
		if _, moved := redis.IsMovedError(err); moved {
			marks = marks[1:] // another server's
			continue
		}
		if err != nil {
			return store.RedisError("replication", err)
		}
		n, err := wait.Int()
		if err != nil {
			return store.RedisError("replication", err)
		}
		if n >= replicas {
			return nil
		}
		if time.Now().After(until) {
			return fmt.Errorf("of %d replicas, %d have what was written: run this again when they follow", replicas, n)
		}
	}
	return nil
}
