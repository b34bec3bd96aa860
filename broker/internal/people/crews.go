package people

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"bellhop/broker/chat"
	"bellhop/broker/internal/store"
)

// Each partition keeps, in `crews`, which of its agents name each queue, in the scripts that give
// them their queues (lib/assign.lua), and counts, in `presences`, how often watchers of a queue
// were told how one of them is (lib/presence.lua). So who assigns in a queue reads its agents
// once, hears of changes, and notices what it did not hear.

// recountAgain is when a node counts anew once more: no node of a version that does not should be left.
const recountAgain = 10 * time.Minute

// crewSlice is how many agents are read at a time.
const crewSlice = 500

// Crew gives the agents of a partition who name a queue, with their loads. told is how many
// presences had been told of in the queue before they were read.
func (ps *People) Crew(ctx context.Context, p store.Partition, queue string, f func(a chat.Profile, load int)) (told int64, err error) {
	var counted *redis.StringCmd
	var members *redis.StringSliceCmd
	_, err = ps.store.Redis.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		counted, members = pipe.HGet(ctx, p.Presences(), queue), pipe.ZRevRangeByLex(ctx, p.Crews(), crewOf(queue))
		return nil
	})
	if err != nil && !store.IsNil(err) {
		return 0, store.RedisError("crew", err)
	}
	if told, err = counted.Int64(); err != nil && !store.IsNil(err) {
		return 0, store.RedisError("crew", err)
	}
	for list := range slices.Chunk(members.Val(), crewSlice) {
		for i, m := range list {
			list[i] = m[len(queue)+len(chat.SepField):]
		}
		if err := ps.mates(ctx, p, queue, list, f); err != nil {
			return 0, err
		}
	}
	return told, nil
}

// crewOf is the range of a queue's members.
func crewOf(queue string) *redis.ZRangeBy {
	return &redis.ZRangeBy{Min: "[" + queue + chat.SepField, Max: "(" + queue + "\x20"}
}

var mateFields = []string{"status", "capacity", "queues", "disabled", "idle_at"}

// mates reads some agents. A member of a crew that its profile does not confirm is none.
func (ps *People) mates(ctx context.Context, p store.Partition, queue string, ids []string, f func(a chat.Profile, load int)) error {
	fields, loads := make([]*redis.SliceCmd, len(ids)), make([]*redis.IntCmd, len(ids))
	if _, err := ps.store.Redis.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for i, id := range ids {
			fields[i], loads[i] = pipe.HMGet(ctx, p.Profile("a:"+id), mateFields...), pipe.HLen(ctx, p.Load(id))
		}
		return nil
	}); err != nil {
		return store.RedisError("crew", err)
	}
	for i, id := range ids {
		known := make(map[string]string, len(mateFields))
		for n, v := range fields[i].Val() {
			if text, ok := v.(string); ok {
				known[mateFields[n]] = text
			}
		}
		if a := chat.ParseProfile(id, known); chat.Contains(a.Queues, queue) {
			f(a, int(loads[i].Val()))
		}
	}
	return nil
}

// Told is how many presences have been told of in each of some queues, by partition; nil for a partition that did not answer.
func (ps *People) Told(ctx context.Context, queues []string) [][]int64 {
	cmds := make([]*redis.SliceCmd, len(ps.store.Parts))
	_, _ = ps.store.Redis.Pipelined(ctx, func(pipe redis.Pipeliner) error { // each command has its own error
		for i, p := range ps.store.Parts {
			cmds[i] = pipe.HMGet(ctx, p.Presences(), queues...)
		}
		return nil
	})
	out := make([][]int64, len(cmds))
	for i, c := range cmds {
		if c.Err() != nil {
			continue
		}
		out[i] = make([]int64, len(queues))
		for q, v := range c.Val() {
			out[i][q] = store.Reply{v}.Num(0)
		}
	}
	return out
}

// RecountLater counts anew once more when nodes of a version before should be gone.
func (ps *People) RecountLater() {
	ps.store.Tasks.Go(func() {
		for store.Sleep(ps.store.Life, store.Jitter(recountAgain)) {
			err := ps.Recount(ps.store.Life)
			if err == nil {
				return
			}
			ps.store.Log.Warn("agents' queues could not be counted anew; again later", "error", err)
		}
	})
}

// CrewChecks look whether the agents of each queue are those who name it, both ways.
func (ps *People) CrewChecks(p store.Partition) []store.Check {
	return []store.Check{{Promise: 7, Keys: []string{p.Crews(), p.Agents()}, Run: func(ctx context.Context) (string, error) {
		listed, err := ps.store.Redis.ZRange(ctx, p.Crews(), 0, -1).Result()
		if err != nil {
			return "", store.RedisError("audit", err)
		}
		in := make(map[string]bool, len(listed))
		for _, m := range listed {
			in[m] = true
		}
		ids, err := ps.store.Redis.SMembers(ctx, p.Agents()).Result()
		if err != nil {
			return "", store.RedisError("audit", err)
		}
		for list := range slices.Chunk(ids, crewSlice) {
			if what, err := ps.crewed(ctx, p, list, in); what != "" || err != nil {
				return what, err
			}
		}
		for m := range in {
			queue, agent, _ := strings.Cut(m, chat.SepField)
			return fmt.Sprintf("%q is listed as one of %q and does not name it", agent, queue), nil
		}
		return "", nil
	}}}
}

// crewed looks for some agents in their queues' crews, and takes out what it finds.
func (ps *People) crewed(ctx context.Context, p store.Partition, ids []string, in map[string]bool) (string, error) {
	named := make([]*redis.SliceCmd, len(ids))
	if _, err := ps.store.Redis.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for i, id := range ids {
			named[i] = pipe.HMGet(ctx, p.Profile("a:"+id), "queues")
		}
		return nil
	}); err != nil {
		return "", store.RedisError("audit", err)
	}
	for i, id := range ids {
		queues, _ := named[i].Val()[0].(string)
		found := map[string]bool{}
		for _, q := range chat.ParseProfile(id, map[string]string{"queues": queues}).Queues {
			m := q + chat.SepField + id
			if !in[m] && !found[m] {
				return fmt.Sprintf("%q names %q and is not listed as one of it", id, q), nil
			}
			found[m] = true
			delete(in, m)
		}
	}
	return "", nil
}
