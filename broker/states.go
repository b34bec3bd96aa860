package broker

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"golang.org/x/time/rate"

	"bellhop/broker/chat"
	"bellhop/broker/internal/store"
)

// The partition's list by state (scripts/lib/states.lua) is kept by the scripts
// that change a session. A version before did not have it, and may still run
// while nodes are replaced one by one: each node puts right what is missing or
// wrong when it starts, and again when no older one should be left. Until every
// partition's list is whole once, lists are read as before.
const (
	fileAgain = 10 * time.Minute
	fileRate  = 2000 // sessions a second
	wholeMark = ""   // the member that says that the list was whole once
)

// byState are the beginnings of members of the list by state.
func byState(s chat.State) string { return string(s) + "|" }
func byStateAndQueue(s chat.State, q string) string {
	return string(s) + chat.SepField + q + chat.SepField
}
func filedAs(created int64, session string) string { return filedTime(created) + "|" + session }

// filedTime is a creation as members have it: thirteen digits, so that their order is time's.
func filedTime(ms int64) string { return fmt.Sprintf("%013d", min(max(0, ms), 9999999999999)) }

// parseFiled takes a member's end apart.
func parseFiled(rest string) (listed, bool) {
	at, id, ok := strings.Cut(rest, "|")
	created, err := strconv.ParseInt(at, 10, 64)
	return listed{id, float64(created)}, ok && err == nil
}

// unfile is the session that a member of the list by state is about.
func unfile(member string) string { return member[strings.LastIndexByte(member, '|')+1:] }

// fileStates puts the list by state right at the node's start, and once more later.
func (b *Broker) fileStates() {
	if b.wholeStates(b.Life) {
		b.filed.Store(true)
	}
	b.Tasks.Go(func() {
		for again := false; ; again = true {
			err := b.fileAll(b.Life)
			if err == nil {
				b.filed.Store(true)
			} else if b.Life.Err() == nil {
				b.Log.Warn("the list of sessions by state could not be looked through; again later", "error", err)
			}
			pause := fileAgain
			if err != nil {
				pause = tidyPause
			} else if again {
				return
			}
			if !store.Sleep(b.Life, store.Jitter(pause)) {
				return
			}
		}
	})
}

// wholeStates tells whether every partition's list was whole once.
func (b *Broker) wholeStates(ctx context.Context) bool {
	_, err := b.Redis.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for _, p := range b.Parts {
			pipe.ZScore(ctx, p.States(), wholeMark)
		}
		return nil
	})
	return err == nil
}

func (b *Broker) fileAll(ctx context.Context) error {
	pace := rate.NewLimiter(fileRate, fileRate/10)
	for _, p := range b.Parts {
		if err := b.fileSessions(ctx, p, pace); err != nil {
			return err
		}
		if err := b.Redis.ZAdd(ctx, p.States(), redis.Z{Member: wholeMark}).Err(); err != nil {
			return store.RedisError("states", err)
		}
		if err := b.fileMembers(ctx, p, pace); err != nil {
			return err
		}
	}
	return nil
}

// fileSessions adds what is missing.
func (b *Broker) fileSessions(ctx context.Context, p store.Partition, pace *rate.Limiter) error {
	return b.eachMember(ctx, p.Sessions(), pace, func(session string) error {
		return b.file(ctx, p, session, "")
	}, func(pipe redis.Pipeliner, session string) func() bool {
		f := pipe.HMGet(ctx, p.Session(session), "state", "queue", "created")
		return func() bool { return f.Err() == nil && len(f.Val()) == 3 && f.Val()[0] != nil }
	})
}

// fileMembers removes what is wrong.
func (b *Broker) fileMembers(ctx context.Context, p store.Partition, pace *rate.Limiter) error {
	return b.eachMember(ctx, p.States(), pace, func(member string) error {
		return b.file(ctx, p, unfile(member), member)
	}, func(pipe redis.Pipeliner, member string) func() bool {
		if member == wholeMark {
			return func() bool { return false }
		}
		f := pipe.HMGet(ctx, p.Session(unfile(member)), "state", "queue")
		return func() bool { return f.Err() == nil && misfiled(member, f.Val()) }
	})
}

// misfiled tells whether a member is not one of its session's, whose state and queue are given.
func misfiled(member string, at []any) bool {
	state, _ := at[0].(string)
	queue, _ := at[1].(string)
	return state == "" || !strings.HasPrefix(member, byState(chat.State(state))) &&
		!strings.HasPrefix(member, byStateAndQueue(chat.State(state), queue))
}

// eachMember walks over a sorted set and does what is to be done with the members that look wrong.
func (b *Broker) eachMember(ctx context.Context, key string, pace *rate.Limiter, do func(member string) error,
	wrong func(pipe redis.Pipeliner, member string) func() bool) error {
	for cursor := uint64(0); ; {
		list, next, err := b.Redis.ZScan(ctx, key, cursor, "", 200).Result()
		if err != nil {
			return store.RedisError("states", err)
		}
		verdicts := map[string]func() bool{}
		if _, err := b.Redis.Pipelined(ctx, func(pipe redis.Pipeliner) error {
			for i := 0; i < len(list); i += 2 {
				verdicts[list[i]] = wrong(pipe, list[i])
			}
			return nil
		}); err != nil {
			return store.RedisError("states", err)
		}
		for member, bad := range verdicts {
			if err := pace.Wait(ctx); err != nil {
				return err
			}
			if bad() {
				if err := do(member); err != nil {
					return err
				}
			}
		}
		if cursor = next; cursor == 0 {
			return nil
		}
	}
}

func (b *Broker) file(ctx context.Context, p store.Partition, session, suspect string) error {
	_, err := b.Run(ctx, "file", []string{p.Session(session), p.States()}, session, suspect)
	return err
}

// filedCheck finds the session under its state, and its state and queue.
func (a *auditor) filedCheck(ctx context.Context, p store.Partition, st *chat.Snapshot, _ chat.Flat) (string, error) {
	place := filedAs(st.Created.UnixMilli(), st.ID)
	for _, member := range []string{wholeMark, byState(st.State) + place, byStateAndQueue(st.State, st.Queue) + place} {
		err := a.b.Pipe.ZScore(ctx, p.States(), member).Err()
		switch {
		case errors.Is(err, redis.Nil) && member == wholeMark:
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
		_, err := a.b.Redis.Pipelined(ctx, func(pipe redis.Pipeliner) error {
			filed, all, whole = pipe.ZCard(ctx, p.States()), pipe.ZCard(ctx, p.Sessions()), pipe.ZScore(ctx, p.States(), wholeMark)
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
