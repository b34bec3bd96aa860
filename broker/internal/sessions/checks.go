package sessions

import (
	"context"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"

	"bellhop/broker/chat"
	"bellhop/broker/internal/store"
)

// SessionChecks are what must hold of a session and its log.
func (rd *Reader) SessionChecks(p store.Partition, id string) []store.Check {
	of := func(f func(context.Context, *chat.Snapshot, chat.Flat) (string, error)) func(context.Context) (string, error) {
		return rd.store.OfSession(p, id, f)
	}
	return []store.Check{
		{Promise: 1, Keys: []string{p.Session(id)}, Run: of(ownerCheck)},
		{Promise: 2, Keys: []string{p.Session(id), p.Log(id), p.Recalled(id), p.Authors(id)}, Run: of(rd.logCheck)},
		{Promise: 3, Keys: []string{p.Unread(id), p.Read(id), p.Authors(id)}, Run: of(rd.unreadCheck)},
		{Promise: 5, Keys: []string{p.Session(id), p.States()}, Run: of(rd.filedCheck)},
	}
}

func ownerCheck(_ context.Context, st *chat.Snapshot, _ chat.Flat) (string, error) {
	owned := st.State == chat.Serving || st.State == chat.Transferring || st.State == chat.Ending
	switch {
	case st.State != chat.Ended && owned != (st.Agent != nil):
		return fmt.Sprintf("it is %s with owner %v", st.State, st.Agent), nil
	case st.State != chat.Waiting && (st.State == chat.Transferring) != (st.Target != nil):
		return fmt.Sprintf("it is %s with target %v", st.State, st.Target), nil
	}
	return "", nil
}

// logCheck finds every seq once: in the log, recalled, or moved to the archive.
func (rd *Reader) logCheck(ctx context.Context, st *chat.Snapshot, _ chat.Flat) (string, error) {
	p, _ := rd.store.Of(st.ID)
	if n, err := rd.store.Pipe.StrLen(ctx, p.Authors(st.ID)).Result(); err != nil || n < 2*st.Seq {
		return fmt.Sprintf("%d bytes of authors for %d messages", n, st.Seq), store.RedisError("audit", err)
	}
	mids := make(map[string]bool)
	for from := int64(1); from <= st.Seq; from += 1000 {
		to := min(st.Seq, from+999)
		list, err := rd.ReadLog(ctx, st.ID, from, to)
		if err != nil {
			return "", err
		}
		if int64(len(list)) != to-from+1 {
			first := from
			for first-from < int64(len(list)) && list[first-from].Seq == first {
				first++
			}
			return fmt.Sprintf("%d of the seqs %d to %d are missing, %d is the first", to-from+1-int64(len(list)), from, to, first), nil
		}
		for i := range list {
			mid := chat.MidOf(list[i].Head)
			if list[i].Seq != from+int64(i) || mid == "" || mids[mid] {
				return fmt.Sprintf("seq %d: entry %d with mid %q", from+int64(i), list[i].Seq, mid), nil
			}
			mids[mid] = true
		}
	}
	return "", nil
}

// unreadCheck counts anew.
func (rd *Reader) unreadCheck(ctx context.Context, st *chat.Snapshot, f chat.Flat) (string, error) {
	p, _ := rd.store.Of(st.ID)
	authors, err := rd.store.Pipe.GetRange(ctx, p.Authors(st.ID), 0, 2*st.Seq-1).Result()
	if err != nil {
		return "", store.RedisError("audit", err)
	}
	for w, n := range st.Counts {
		want := chat.CountUnread([]byte(authors), f.Num("c:"+w), w, st.Marks[w], min(st.Seq, int64(len(authors)/2)))
		if want != n {
			return fmt.Sprintf("unread of %s is %d, counted %d", w, n, want), nil
		}
	}
	return "", nil
}

// filedCheck finds the session under its state, and its state and queue.
func (rd *Reader) filedCheck(ctx context.Context, st *chat.Snapshot, _ chat.Flat) (string, error) {
	p, _ := rd.store.Of(st.ID)
	place := FiledAs(st.Created.UnixMilli(), st.ID)
	for _, member := range []string{WholeMark, ByState(st.State) + place, ByStateAndQueue(st.State, st.Queue) + place} {
		err := rd.store.Pipe.ZScore(ctx, p.States(), member).Err()
		switch {
		case errors.Is(err, redis.Nil) && member == WholeMark:
			return "", nil // made by a version before: the first node of this one makes it whole
		case errors.Is(err, redis.Nil):
			return fmt.Sprintf("it is %s in %q and not in the list by state as %q", st.State, st.Queue, member), nil
		case err != nil:
			return "", store.RedisError("audit", err)
		}
	}
	return "", nil
}

// PartitionChecks looks whether nothing else is in the list by state.
func (rd *Reader) PartitionChecks(p store.Partition) []store.Check {
	return []store.Check{{Promise: 5, Keys: []string{p.States(), p.Sessions()}, Run: func(ctx context.Context) (string, error) {
		var filed, all *redis.IntCmd
		var whole *redis.FloatCmd
		// No transaction: a full Redis queues none. What changes in between is not seen every time.
		_, err := rd.store.Redis.Pipelined(ctx, func(pipe redis.Pipeliner) error {
			filed, all, whole = pipe.ZCard(ctx, p.States()), pipe.ZCard(ctx, p.Sessions()), pipe.ZScore(ctx, p.States(), WholeMark)
			return nil
		})
		if errors.Is(whole.Err(), redis.Nil) {
			return "", nil // made by a version before: the first node of this one makes it whole
		}
		if err != nil || filed.Val()-1 == 2*all.Val() {
			return "", store.RedisError("audit", err)
		}
		return fmt.Sprintf("%d members by state for %d sessions", filed.Val()-1, all.Val()), nil
	}}}
}
