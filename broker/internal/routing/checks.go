package routing

import (
	"context"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"

	"bellhop/broker/chat"
	"bellhop/broker/internal/store"
)

// SessionChecks looks whether a session that waits is in its queue's list.
func (w *Waiting) SessionChecks(p store.Partition, id string) []store.Check {
	return []store.Check{{Promise: 5, Keys: []string{p.Session(id)}, Run: w.store.OfSession(p, id, func(ctx context.Context, st *chat.Snapshot, _ chat.Flat) (string, error) {
		if st.State != chat.Waiting {
			return "", nil
		}
		err := w.store.Pipe.ZScore(ctx, p.Waiting(st.Queue), st.ID).Err()
		if errors.Is(err, redis.Nil) {
			return fmt.Sprintf("it waits in %q and is not in its list", st.Queue), nil
		}
		return "", store.RedisError("audit", err)
	})}}
}

// ListedCheck looks whether a session in a queue's list waits there.
func (w *Waiting) ListedCheck(p store.Partition, queue, session string) store.Check {
	key := p.Waiting(queue)
	return store.Check{Promise: 5, Keys: []string{key, p.Session(session)}, Run: func(ctx context.Context) (string, error) {
		f, err := w.store.Pipe.HMGet(ctx, p.Session(session), "state", "queue").Result()
		if err != nil || (f[0] == string(chat.Waiting) && f[1] == queue) {
			return "", store.RedisError("audit", err)
		}
		err = w.store.Pipe.ZScore(ctx, key, session).Err()
		if errors.Is(err, redis.Nil) {
			return "", nil
		}
		return fmt.Sprintf("in the list of %q, but %v in %v: %s", queue, f[0], f[1], session), store.RedisError("audit", err)
	}}
}
