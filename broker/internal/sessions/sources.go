package sessions

import (
	"context"
	"sort"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"bellhop/broker/chat"
	"bellhop/broker/internal/store"
)

const (
	listAhead  = 64  // sessions that are read at a time
	sieveAhead = 500 // and of which only state and queue are
)

// source is a sorted set to list sessions from: by creation, their ids, or the
// members of a list by state or by label that begin alike.
type source struct{ key, prefix string }

// everything is all there is in Redis.
func (rd *Reader) everything() []source {
	out := make([]source, len(rd.store.Parts))
	for i, p := range rd.store.Parts {
		out[i].key = p.Sessions()
	}
	return out
}

// byState are the sessions in these states, any where none is named, and of a queue, if it is named.
func (rd *Reader) byState(states []chat.State, queue string) []source {
	if len(states) == 0 {
		states = []chat.State{chat.Waiting, chat.Serving, chat.Transferring, chat.Ending, chat.Ended}
	}
	var out []source
	for _, p := range rd.store.Parts {
		for i, s := range states {
			switch {
			case chat.Contains(states[:i], s): // named twice
			case queue == "":
				out = append(out, source{p.States(), ByState(s)})
			default:
				out = append(out, source{p.States(), ByStateAndQueue(s, queue)})
			}
		}
	}
	return out
}

// byLabel are the sessions with a label.
func (rd *Reader) byLabel(label string) []source {
	out := make([]source, len(rd.store.Parts))
	for i, p := range rd.store.Parts {
		out[i] = source{p.Labelled(), ByLabel(label)}
	}
	return out
}

// inLine is what waits in a queue.
func (rd *Reader) inLine(queue string, filed bool) []source {
	if filed {
		return rd.byState([]chat.State{chat.Waiting}, queue)
	}
	return rd.everything()
}

// ask reads what comes after a place, newest first.
func (s source) ask(ctx context.Context, pipe redis.Pipeliner, after *Cursor, since int64, n int) func() []Cursor {
	if s.prefix == "" {
		upper := "+inf"
		if after != nil {
			upper = strconv.FormatFloat(after.Created, 'f', -1, 64)
		}
		// A few more than asked: those of the very same millisecond come again.
		cmd := pipe.ZRevRangeByScoreWithScores(ctx, s.key, &redis.ZRangeBy{Min: "-inf", Max: upper, Count: int64(n + 16)})
		return func() (out []Cursor) {
			for _, z := range cmd.Val() {
				id, _ := z.Member.(string)
				out = append(out, Cursor{id, z.Score})
			}
			return out
		}
	}
	by := &redis.ZRangeBy{Min: "[" + s.prefix + filedTime(since), Max: "(" + s.prefix + "\xff", Count: int64(n)}
	if after != nil {
		by.Max = "(" + s.prefix + filedTime(int64(after.Created))
		if after.ID != "" {
			by.Max += "|" + after.ID
		}
	}
	cmd := pipe.ZRevRangeByLex(ctx, s.key, by)
	return func() (out []Cursor) {
		for _, member := range cmd.Val() {
			if l, ok := parseFiled(strings.TrimPrefix(member, s.prefix)); ok {
				out = append(out, l)
			}
		}
		return out
	}
}

// placesOf merges the next n places of several sources.
func (rd *Reader) placesOf(ctx context.Context, sources []source, after *Cursor, since int64, n int) ([]Cursor, error) {
	got := make([]func() []Cursor, len(sources))
	_, err := rd.store.Redis.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for i, s := range sources {
			got[i] = s.ask(ctx, pipe, after, since, n)
		}
		return nil
	})
	if err != nil {
		return nil, store.RedisError("sessions", err)
	}
	var all []Cursor
	for _, f := range got {
		for _, l := range f() {
			if after == nil || (after.ID != "" && after.Before(l)) || (after.ID == "" && l.Created < after.Created) {
				all = append(all, l)
			}
		}
	}
	sort.Slice(all, func(i, j int) bool { return all[i].Before(all[j]) })
	return all[:min(n, len(all))], nil
}

// sieve keeps the sessions that are in the states and the queue asked for.
func (rd *Reader) sieve(ctx context.Context, r *chat.SessionsRequest, places []Cursor) ([]Cursor, error) {
	fields := make([]*redis.SliceCmd, len(places))
	_, err := rd.store.Redis.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for i, l := range places {
			if p, ok := rd.store.Of(l.ID); ok {
				fields[i] = pipe.HMGet(ctx, p.Session(l.ID), "state", "queue")
			}
		}
		return nil
	})
	if err != nil {
		return nil, store.RedisError("sessions", err)
	}
	kept := places[:0:0]
	for i, f := range fields {
		if f == nil || len(f.Val()) != 2 {
			continue
		}
		state, _ := f.Val()[0].(string)
		queue, _ := f.Val()[1].(string)
		if (len(r.States) == 0 || chat.Contains(r.States, chat.State(state))) && (r.Queue == "" || r.Queue == queue) {
			kept = append(kept, places[i])
		}
	}
	return kept, nil
}
