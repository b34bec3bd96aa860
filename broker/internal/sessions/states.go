package sessions

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"golang.org/x/time/rate"

	"bellhop/broker/chat"
	"bellhop/broker/internal/store"
)

// The partition's lists by state and by label (scripts/lib/states.lua, labels.lua) are kept by the
// scripts that change a session. A version before did not have them, and may still run
// while nodes are replaced one by one: each node puts right what is missing or
// wrong when it starts, and again when no older one should be left. Until every
// partition's list is whole once, lists are read as before; that by label is so after the second look,
// or where the partition was empty.
const (
	fileAgain = 10 * time.Minute
	fileRate  = 2000 // sessions a second
	WholeMark = ""   // the member that says that the list was whole once
)

// ByState are the beginnings of members of the list by state.
func ByState(s chat.State) string { return string(s) + "|" }

// ByStateAndQueue likewise, of one queue.
func ByStateAndQueue(s chat.State, q string) string {
	return string(s) + chat.SepField + q + chat.SepField
}

// ByLabel is the beginning of members of the list by label.
func ByLabel(label string) string { return label + chat.SepField }

// FiledAs is the end of a session's members.
func FiledAs(created int64, session string) string { return filedTime(created) + "|" + session }

// filedTime is a creation as members have it: thirteen digits, so that their order is time's.
func filedTime(ms int64) string { return fmt.Sprintf("%013d", min(max(0, ms), 9999999999999)) }

// parseFiled takes a member's end apart.
func parseFiled(rest string) (Cursor, bool) {
	at, id, ok := strings.Cut(rest, "|")
	created, err := strconv.ParseInt(at, 10, 64)
	return Cursor{id, float64(created)}, ok && err == nil
}

// unfile is the session that a member of the list by state is about.
func unfile(member string) string { return member[strings.LastIndexByte(member, '|')+1:] }

// KeepStates puts the list by state right at the node's start, and once more later.
func (rd *Reader) KeepStates() {
	rd.filed.Store(rd.whole(rd.store.Life, store.Partition.States))
	rd.labelled.Store(rd.whole(rd.store.Life, store.Partition.Labelled))
	rd.store.Tasks.Go(func() {
		for again := false; ; again = true {
			err := rd.FileAll(rd.store.Life, again)
			if err == nil {
				rd.filed.Store(true)
				rd.labelled.Store(rd.whole(rd.store.Life, store.Partition.Labelled))
			} else if rd.store.Life.Err() == nil {
				rd.store.Log.Warn("the list of sessions by state could not be looked through; again later", "error", err)
			}
			pause := fileAgain
			if err != nil {
				pause = time.Minute
			} else if again {
				return
			}
			if !store.Sleep(rd.store.Life, store.Jitter(pause)) {
				return
			}
		}
	})
}

// whole tells whether every partition's list was whole once.
func (rd *Reader) whole(ctx context.Context, list func(store.Partition) string) bool {
	_, err := rd.store.Redis.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for _, p := range rd.store.Parts {
			pipe.ZScore(ctx, list(p), WholeMark)
		}
		return nil
	})
	return err == nil
}

// FileAll puts the lists right; again: no node of an earlier version is left that would not keep them.
func (rd *Reader) FileAll(ctx context.Context, again bool) error {
	pace := rate.NewLimiter(fileRate, fileRate/10)
	for _, p := range rd.store.Parts {
		n, err := rd.store.Redis.ZCard(ctx, p.Sessions()).Result()
		if err != nil {
			return store.RedisError("states", err)
		}
		if err := rd.fileSessions(ctx, p, pace); err != nil {
			return err
		}
		if err := rd.store.Redis.ZAdd(ctx, p.States(), redis.Z{Member: WholeMark}).Err(); err != nil {
			return store.RedisError("states", err)
		}
		if err := rd.fileMembers(ctx, p, pace); err != nil {
			return err
		}
		if err := rd.fileLabels(ctx, p, pace); err != nil {
			return err
		}
		if n > 0 && !again {
			continue
		}
		if err := rd.store.Redis.ZAdd(ctx, p.Labelled(), redis.Z{Member: WholeMark}).Err(); err != nil {
			return store.RedisError("states", err)
		}
	}
	return nil
}

// fileSessions adds what is missing.
func (rd *Reader) fileSessions(ctx context.Context, p store.Partition, pace *rate.Limiter) error {
	return rd.eachMember(ctx, p.Sessions(), pace, func(session string) error {
		return rd.file(ctx, p, session, "")
	}, func(pipe redis.Pipeliner, session string) func() bool {
		f := pipe.HMGet(ctx, p.Session(session), "state", "queue", "created")
		return func() bool { return f.Err() == nil && len(f.Val()) == 3 && f.Val()[0] != nil }
	})
}

// fileMembers removes what is wrong.
func (rd *Reader) fileMembers(ctx context.Context, p store.Partition, pace *rate.Limiter) error {
	return rd.eachMember(ctx, p.States(), pace, func(member string) error {
		return rd.file(ctx, p, unfile(member), member)
	}, func(pipe redis.Pipeliner, member string) func() bool {
		if member == WholeMark {
			return func() bool { return false }
		}
		f := pipe.HMGet(ctx, p.Session(unfile(member)), "state", "queue")
		return func() bool { return f.Err() == nil && misfiled(member, f.Val()) }
	})
}

// fileLabels removes what is wrong by label.
func (rd *Reader) fileLabels(ctx context.Context, p store.Partition, pace *rate.Limiter) error {
	return rd.eachMember(ctx, p.Labelled(), pace, func(member string) error {
		return rd.file(ctx, p, unfile(member), member)
	}, func(pipe redis.Pipeliner, member string) func() bool {
		if member == WholeMark {
			return func() bool { return false }
		}
		label, _, _ := strings.Cut(member, chat.SepField)
		f := pipe.HExists(ctx, p.Session(unfile(member)), "l:"+label)
		return func() bool { return f.Err() == nil && !f.Val() }
	})
}

// misfiled tells whether a member is not one of its session's, whose state and queue are given.
func misfiled(member string, at []any) bool {
	state, _ := at[0].(string)
	queue, _ := at[1].(string)
	return state == "" || !strings.HasPrefix(member, ByState(chat.State(state))) &&
		!strings.HasPrefix(member, ByStateAndQueue(chat.State(state), queue))
}

// eachMember walks over a sorted set and does what is to be done with the members that look wrong.
func (rd *Reader) eachMember(ctx context.Context, key string, pace *rate.Limiter, do func(member string) error,
	wrong func(pipe redis.Pipeliner, member string) func() bool) error {
	for cursor := uint64(0); ; {
		list, next, err := rd.store.Redis.ZScan(ctx, key, cursor, "", 200).Result()
		if err != nil {
			return store.RedisError("states", err)
		}
		verdicts := map[string]func() bool{}
		if _, err := rd.store.Redis.Pipelined(ctx, func(pipe redis.Pipeliner) error {
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

func (rd *Reader) file(ctx context.Context, p store.Partition, session, suspect string) error {
	_, err := rd.store.Run(ctx, "file", []string{p.Session(session), p.States(), p.Labelled()}, session, suspect)
	return err
}
