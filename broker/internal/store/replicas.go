package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// Where clients are to be told only of what so many replicas have, a script that is acknowledged waits for a fence: a
// write that follows it, in its partition, and WAIT on the connection of that write. What a script did is older than
// the fence, so whoever has the fence has it. One fence of a partition is under way at a time, and is for all that
// came before it was sent.
const fencePatience = 2 * time.Second

// acknowledged are the scripts whose effects a client is told of as done. What loops do is done again where it got lost.
var acknowledged = map[string]bool{
	"accept": true, "agent": true, "block": true, "canned": true, "claim": true, "end": true, "introduce": true, "join": true,
	"label": true, "leave": true, "move": true, "offer": true, "open": true, "queue": true, "rate": true, "read": true,
	"recall": true, "reopen": true, "requeue": true, "revoke": true, "send": true, "status": true, "takeover": true,
	"token": true, "uncanned": true, "untoken": true, "whisper": true, "withdraw": true,
}

// errReplicas says that what was done stands where it was done, and might be lost with that server.
var errReplicas = errors.New("too few replicas have it")

// fences are a partition's.
type fences struct {
	mu   sync.Mutex
	next *fence // not sent yet; nil where nobody waits for one
	busy bool   // somebody sends them
}

type fence struct {
	done chan struct{}
	err  error
}

// WaitReplicas has acknowledged scripts wait until so many replicas have what they did. It is called before Open, once.
func (s *Store) WaitReplicas(n int) { s.replicas = n }

// replicated waits until replicas have what was written to a partition before, where they are waited for.
func (s *Store) replicated(ctx context.Context, p Partition) error {
	if s.replicas == 0 {
		return nil
	}
	l := &s.fences[p.Index]
	l.mu.Lock()
	if l.next == nil {
		l.next = &fence{done: make(chan struct{})}
	}
	f := l.next
	if !l.busy {
		l.busy = true
		s.Tasks.Go(func() { s.sendFences(p, l) })
	}
	l.mu.Unlock()
	select {
	case <-f.done:
		return f.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *Store) sendFences(p Partition, l *fences) {
	for {
		l.mu.Lock()
		f := l.next
		l.next, l.busy = nil, f != nil
		l.mu.Unlock()
		if f == nil {
			return
		}
		f.err = s.cross(p)
		close(f.done)
	}
}

// cross puts up one fence.
func (s *Store) cross(p Partition) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.Life), ioTimeout) // it is for many callers
	defer cancel()
	err := s.waitAt(ctx, p)
	for pause := firstPause; inTransit(err) && Sleep(ctx, Jitter(pause)); pause = min(2*pause, longestPause) {
		err = s.waitAt(ctx, p)
	}
	return err
}

func (s *Store) waitAt(ctx context.Context, p Partition) error {
	var master *redis.Client
	switch c := s.Redis.(type) {
	case *redis.ClusterClient:
		var err error
		if master, err = c.MasterForKey(ctx, p.Fence()); err != nil {
			return err
		}
	case *redis.Client:
		master = c
	}
	have := redis.NewIntCmd(ctx, "wait", s.replicas, fencePatience.Milliseconds())
	_, err := master.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		pipe.Set(ctx, p.Fence(), s.Node, time.Minute) // none stays behind where partitions go
		return pipe.Process(ctx, have)
	})
	if err != nil {
		return err
	}
	if n := have.Val(); n < int64(s.replicas) {
		return fmt.Errorf("%w: %d of %d", errReplicas, n, s.replicas)
	}
	return nil
}
