package broker

import (
	"context"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"

	"bellhop/broker/chat"
	"bellhop/broker/internal/sessions"
	"bellhop/broker/internal/store"
)

// filedCheck finds the session under its state, and its state and queue.
func (a *auditor) filedCheck(ctx context.Context, p store.Partition, st *chat.Snapshot, _ chat.Flat) (string, error) {
	place := sessions.FiledAs(st.Created.UnixMilli(), st.ID)
	for _, member := range []string{sessions.WholeMark, sessions.ByState(st.State) + place, sessions.ByStateAndQueue(st.State, st.Queue) + place} {
		err := a.b.store.Pipe.ZScore(ctx, p.States(), member).Err()
		switch {
		case errors.Is(err, redis.Nil) && member == sessions.WholeMark:
			return "", nil // made by a version before: the first node of this one makes it whole
		case errors.Is(err, redis.Nil):
			return fmt.Sprintf("it is %s in %q and not in the list by state as %q", st.State, st.Queue, member), nil
		case err != nil:
			return "", store.RedisError("audit", err)
		}
	}
	return "", nil
}

// statesCheck: nothing else is in the list by state.
func (a *auditor) statesCheck(p store.Partition) *check {
	return &check{5, []string{p.States(), p.Sessions()}, func(ctx context.Context) (string, error) {
		var filed, all *redis.IntCmd
		var whole *redis.FloatCmd
		// No transaction: a full Redis queues none. What changes in between is not seen every time.
		_, err := a.b.store.Redis.Pipelined(ctx, func(pipe redis.Pipeliner) error {
			filed, all, whole = pipe.ZCard(ctx, p.States()), pipe.ZCard(ctx, p.Sessions()), pipe.ZScore(ctx, p.States(), sessions.WholeMark)
			return nil
		})
		if errors.Is(whole.Err(), redis.Nil) {
			return "", nil // made by a version before: the first node of this one makes it whole
		}
		if err != nil || filed.Val()-1 == 2*all.Val() {
			return "", store.RedisError("audit", err)
		}
		return fmt.Sprintf("%d members by state for %d sessions", filed.Val()-1, all.Val()), nil
	}}
}
