package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/shirou/gopsutil/v4/mem"

	"bellhop/client"
)

var errTooMany = errors.New("more than there is room for")

// fillerLua copies a session many times over.
//
//go:embed filler.lua
var fillerLua string

// filler makes open sessions that rest: copies of some that were opened and grabbed as usual, in the shape that
// scripts made, in the lists where scripts put them. They have no timers and wait for no archive.
type filler struct {
	bed    *bed
	moulds []mould
	made   int
}

// mould is a session to be copied: the keys of its own, and the lists it is in with its members there.
type mould struct {
	id    string
	keys  []string
	lists []string // key, member, score
}

const moulds, copies = 64, 250

// fill makes as many as there are to be.
func (f *filler) fill(ctx context.Context, size int) error {
	if size <= f.made {
		return nil
	}
	if f.moulds == nil {
		if err := f.model(ctx); err != nil {
			return err
		}
	}
	script := redis.NewScript(fillerLua)
	for turn := 0; f.made < size; turn++ {
		mould := f.moulds[turn%len(f.moulds)]
		n := min(copies, size-f.made)
		args := []any{mould.id, f.made, n, len(mould.keys)}
		for _, k := range append(mould.keys, mould.lists...) {
			args = append(args, k)
		}
		if err := script.Run(ctx, f.bed.rdb, nil, args...).Err(); err != nil {
			return err
		}
		f.made += n
	}
	return nil
}

// model opens the sessions that are copied, and looks where they are.
func (f *filler) model(ctx context.Context) error {
	api := f.bed.api()
	agent, err := dial(ctx, f.bed.server, client.TokenRequest{Role: "agent", ID: "filler", Capacity: 10_000}, nil)
	if err != nil {
		return err
	}
	f.moulds = make([]mould, moulds)
	for i := range f.moulds {
		s, err := api.CreateSession(ctx, client.CreateRequest{User: client.Person{ID: id("resting-", i)}})
		if err != nil {
			return err
		}
		if _, err := agent.Grab(ctx, s.ID); err != nil {
			return err
		}
		f.moulds[i].id = s.ID
	}
	time.Sleep(time.Second) // what it owes other partitions is settled
	all, err := f.names(ctx)
	if err != nil {
		return err
	}
	for i := range f.moulds {
		if err := f.look(ctx, &f.moulds[i], all); err != nil {
			return err
		}
	}
	return nil
}

func (f *filler) names(ctx context.Context) (all []string, err error) {
	for it := f.bed.rdb.Scan(ctx, 0, "*", 1000).Iterator(); ; {
		if !it.Next(ctx) {
			return all, it.Err()
		}
		all = append(all, it.Val())
	}
}

// look finds a session's keys, and the sorted sets of its partition that name it.
func (f *filler) look(ctx context.Context, m *mould, all []string) error {
	for _, k := range all {
		if strings.Contains(k, m.id) {
			m.keys = append(m.keys, k)
		}
	}
	if len(m.keys) == 0 {
		return fmt.Errorf("%s has no keys", m.id)
	}
	tag := m.keys[0][:strings.IndexByte(m.keys[0], '}')+1]
	for _, list := range []string{tag + ":sessions", tag + ":states"} {
		for it := f.bed.rdb.ZScan(ctx, list, 0, "*"+m.id+"*", 1000).Iterator(); it.Next(ctx); {
			member := it.Val()
			if !it.Next(ctx) {
				return it.Err()
			}
			m.lists = append(m.lists, list, member, it.Val())
		}
	}
	if len(m.lists) == 0 {
		return fmt.Errorf("%s is in no list", m.id)
	}
	return nil
}

func freeMemory(ctx context.Context) (float64, error) {
	m, err := mem.VirtualMemoryWithContext(ctx)
	if err != nil {
		return 0, err
	}
	return float64(m.Available), nil
}

// calls is how often Redis has carried out each command, those inside scripts included.
func calls(ctx context.Context, rdb *redis.Client) (map[string]float64, error) {
	info, err := rdb.InfoMap(ctx, "commandstats").Result()
	out := map[string]float64{}
	for name, stat := range info["Commandstats"] {
		var n float64
		if _, err := fmt.Sscanf(stat, "calls=%f", &n); err != nil {
			return nil, err
		}
		out[strings.TrimPrefix(name, "cmdstat_")] = n
	}
	return out, err
}

// commands is how many that are in all, but for those that ask.
func commands(ctx context.Context, rdb *redis.Client) (sum float64, err error) {
	all, err := calls(ctx, rdb)
	for name, n := range all {
		if name != "info" {
			sum += n
		}
	}
	return sum, err
}

// evals is how many scripts Redis has run.
func evals(ctx context.Context, bed *bed) (float64, error) {
	all, err := calls(ctx, bed.rdb)
	return all["evalsha"], err
}
