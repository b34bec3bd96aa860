package broker

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"bellhop/archive"
	"bellhop/broker/chat"
	"bellhop/broker/internal/archiving"
	"bellhop/broker/internal/store"
)

// sessionChecks are those of one session in Redis.
func (a *auditor) sessionChecks(p store.Partition, id string) []*check {
	with := func(f func(context.Context, store.Partition, *chat.Snapshot, chat.Flat) (string, error)) func(context.Context) (string, error) {
		return func(ctx context.Context) (string, error) {
			r, err := a.b.store.Run(ctx, "look", p.Looked(id))
			if err != nil {
				return "", err
			}
			st, fields, err := chat.ParseSnapshot(id, r.Str(0))
			if err != nil || st == nil {
				return "", err // it may have expired meanwhile
			}
			return f(ctx, p, st, fields)
		}
	}
	return []*check{
		{1, []string{p.Session(id)}, with(a.owner)},
		{2, []string{p.Session(id), p.Log(id), p.Recalled(id), p.Authors(id)}, with(a.log)},
		{3, []string{p.Unread(id), p.Read(id), p.Authors(id)}, with(a.unread)},
		{4, []string{p.Session(id)}, with(a.places)},
		{5, []string{p.Session(id)}, with(a.waits)},
		{5, []string{p.Session(id), p.States()}, with(a.filedCheck)},
		{6, []string{p.Session(id), p.Dirty()}, with(a.archived)},
	}
}

func (a *auditor) owner(_ context.Context, _ store.Partition, st *chat.Snapshot, _ chat.Flat) (string, error) {
	owned := st.State == chat.Serving || st.State == chat.Transferring || st.State == chat.Ending
	switch {
	case st.State != chat.Ended && owned != (st.Agent != nil):
		return fmt.Sprintf("it is %s with owner %v", st.State, st.Agent), nil
	case st.State != chat.Waiting && (st.State == chat.Transferring) != (st.Target != nil):
		return fmt.Sprintf("it is %s with target %v", st.State, st.Target), nil
	}
	return "", nil
}

// log finds every seq once: in the log, recalled, or moved to the archive.
func (a *auditor) log(ctx context.Context, p store.Partition, st *chat.Snapshot, _ chat.Flat) (string, error) {
	if n, err := a.b.store.Pipe.StrLen(ctx, p.Authors(st.ID)).Result(); err != nil || n < 2*st.Seq {
		return fmt.Sprintf("%d bytes of authors for %d messages", n, st.Seq), store.RedisError("audit", err)
	}
	mids := make(map[string]bool)
	for from := int64(1); from <= st.Seq; from += 1000 {
		to := min(st.Seq, from+999)
		list, err := a.b.sessions.ReadLog(ctx, st.ID, from, to)
		if err != nil {
			return "", err
		}
		if int64(len(list)) != to-from+1 {
			return fmt.Sprintf("%d of the seqs %d to %d are missing", to-from+1-int64(len(list)), from, to), nil
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

// unread counts anew.
func (a *auditor) unread(ctx context.Context, p store.Partition, st *chat.Snapshot, f chat.Flat) (string, error) {
	bytes, err := a.b.store.Pipe.GetRange(ctx, p.Authors(st.ID), 0, 2*st.Seq-1).Result()
	if err != nil {
		return "", store.RedisError("audit", err)
	}
	r := &archiving.Revived{Marks: chat.Flat{}, Authors: []byte(bytes), Codes: map[string]int64{}, Seq: min(st.Seq, int64(len(bytes)/2))}
	for w, n := range st.Counts {
		r.Marks[w], r.Codes[w] = strconv.FormatInt(st.Marks[w], 10), f.Num("c:"+w)
		if want := r.Unread(w); want != n {
			return fmt.Sprintf("unread of %s is %d, counted %d", w, n, want), nil
		}
	}
	return "", nil
}

// places: the owner's and the target's are held.
func (a *auditor) places(ctx context.Context, _ store.Partition, st *chat.Snapshot, _ chat.Flat) (string, error) {
	if st.State == chat.Ended {
		return "", nil
	}
	for _, who := range []*chat.Person{st.Agent, st.Target} {
		if who == nil {
			continue
		}
		held, err := a.b.store.Pipe.HExists(ctx, a.b.store.Home(who.ID).Load(who.ID), st.ID).Result()
		if err != nil || !held {
			return fmt.Sprintf("no place is held for it in the load of %q", who.ID), store.RedisError("audit", err)
		}
	}
	return a.known(ctx, st)
}

// known: those who take part know of it, as what they are.
func (a *auditor) known(ctx context.Context, st *chat.Snapshot) (string, error) {
	roles := map[string]string{}
	if st.Target != nil {
		roles[st.Target.ID] = "target"
	}
	for _, p := range st.Assistants {
		roles[p.ID] = "assistant"
	}
	if st.Agent != nil {
		roles[st.Agent.ID] = "owner"
	}
	for id, role := range roles {
		is, err := a.b.store.Pipe.HGet(ctx, a.b.store.Home(id).Mine("a:"+id), st.ID).Result()
		if err != nil && !store.IsNil(err) {
			return "", store.RedisError("audit", err)
		}
		if parts := strings.Split(is, "|"); len(parts) != 3 || parts[1] != role {
			return fmt.Sprintf("%q is its %s and knows it as %q", id, role, is), nil
		}
	}
	return "", nil
}

func (a *auditor) waits(ctx context.Context, p store.Partition, st *chat.Snapshot, _ chat.Flat) (string, error) {
	if st.State != chat.Waiting {
		return "", nil
	}
	err := a.b.store.Pipe.ZScore(ctx, p.Waiting(st.Queue), st.ID).Err()
	if errors.Is(err, redis.Nil) {
		return fmt.Sprintf("it waits in %q and is not in its list", st.Queue), nil
	}
	return "", store.RedisError("audit", err)
}

// archived: what the archive lacks is on its list, and what it is said to have, it has.
func (a *auditor) archived(ctx context.Context, p store.Partition, st *chat.Snapshot, f chat.Flat) (string, error) {
	if a.b.archiver == nil {
		return "", nil
	}
	err := a.b.store.Pipe.ZScore(ctx, p.Dirty(), st.ID).Err()
	if err != nil && !errors.Is(err, redis.Nil) {
		return "", store.RedisError("audit", err)
	}
	dirty := err == nil
	if dirty {
		return "", nil // the archiver is at it
	}
	if f.Num("archived") < st.Seq || f["recalls"] != "" {
		return fmt.Sprintf("archived to %d of %d, with recalls %q, and nobody will archive the rest", f.Num("archived"), st.Seq, f["recalls"]), nil
	}
	doc, err := a.b.opt.Archive.Session(ctx, st.ID)
	if errors.Is(err, archive.ErrNotFound) {
		return "the archive does not have it", nil
	}
	if err != nil {
		return "", store.ArchiveError("audit", err)
	}
	switch now := archiving.Document(st, f, "").Version(); {
	case doc.Version() < now:
		return fmt.Sprintf("the archive has an older version, rev %d of %d", doc.Rev, st.Rev), nil
	case doc.Version() > now:
		return fmt.Sprintf("the archive is ahead: rev %d, seq %d, where Redis has rev %d, seq %d", doc.Rev, doc.Seq, st.Rev, st.Seq), nil
	}
	return "", nil
}

func (a *auditor) waitingCheck(p store.Partition, queue, session string) *check {
	key := p.Waiting(queue)
	return &check{5, []string{key, p.Session(session)}, func(ctx context.Context) (string, error) {
		f, err := a.b.store.Pipe.HMGet(ctx, p.Session(session), "state", "queue").Result()
		if err != nil || (f[0] == string(chat.Waiting) && f[1] == queue) {
			return "", store.RedisError("audit", err)
		}
		err = a.b.store.Pipe.ZScore(ctx, key, session).Err()
		if errors.Is(err, redis.Nil) {
			return "", nil
		}
		return fmt.Sprintf("in the list of %q, but %v in %v: %s", queue, f[0], f[1], session), store.RedisError("audit", err)
	}}
}

func (a *auditor) capacityCheck(p store.Partition, agent string) *check {
	return &check{4, []string{p.Load(agent), p.Profile("a:" + agent)}, func(ctx context.Context) (string, error) {
		prof, load, err := a.b.people.Agent(ctx, agent)
		if err != nil || load <= max(prof.Capacity, prof.Granted) { // a capacity lowered since takes nothing away
			return "", err
		}
		return fmt.Sprintf("%q holds %d of %d", agent, load, prof.Capacity), nil
	}}
}

// placeCheck: a place is held for an owner or a target, or was reserved just now.
func (a *auditor) placeCheck(p store.Partition, agent, session string) *check {
	return &check{4, []string{p.Load(agent)}, func(ctx context.Context) (string, error) {
		place, err := a.b.store.Pipe.HGet(ctx, p.Load(agent), session).Result()
		if errors.Is(err, redis.Nil) {
			return "", nil
		}
		if err != nil {
			return "", store.RedisError("audit", err)
		}
		_, until, _ := strings.Cut(place, "|")
		if due, err := strconv.ParseInt(until, 10, 64); err == nil && time.Since(time.UnixMilli(due)) < a.o.Slack {
			return "", nil
		}
		st, err := a.b.sessions.Look(ctx, session)
		if err != nil && chat.AsError(err).Code != chat.CodeNotFound {
			return "", err
		}
		if st != nil && st.State != chat.Ended && (st.Agent != nil && st.Agent.ID == agent || st.Target != nil && st.Target.ID == agent) {
			return "", nil
		}
		return fmt.Sprintf("a place of %q is held for nothing: %s = %s", agent, session, place), nil
	}}
}

// dueCheck: what is due is carried out.
func (a *auditor) dueCheck(key string, slack time.Duration) *check {
	return &check{7, []string{key}, func(ctx context.Context) (string, error) {
		late := strconv.FormatInt(time.Now().Add(-slack).UnixMilli(), 10)
		n, err := a.b.store.Pipe.ZCount(ctx, key, "-inf", late).Result()
		if err != nil || n == 0 {
			return "", store.RedisError("audit", err)
		}
		return fmt.Sprintf("%d are more than %s late", n, max(0, slack)), nil
	}}
}
