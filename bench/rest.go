package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// restCommand measures a deployment in which nothing happens.
type restCommand struct {
	For    time.Duration `default:"20s" help:"How long it is measured."`
	Rounds int           `default:"1" help:"Rounds; the medians count."`
}

type restRound struct{ Scripts, Redis, Server float64 }

type restReport struct {
	partitions float64
	rounds     []restRound
}

func (r *restReport) title() string {
	return fmt.Sprintf("rest: one node, %.0f partitions", r.partitions)
}

func (r *restReport) figures() []figure {
	return []figure{
		pick("rest", "scripts a partition", "/s", less, r.rounds, func(x restRound) float64 { return x.Scripts / r.partitions }),
		pick("rest", "Redis a partition", "µs/s", less, r.rounds, func(x restRound) float64 { return x.Redis / r.partitions }),
		pick("rest", "server a partition", "µs/s", less, r.rounds, func(x restRound) float64 { return x.Server / r.partitions }),
	}
}

func (c *restCommand) measure(ctx context.Context) (report, error) {
	bed, err := newBed(ctx)
	if err != nil {
		return nil, err
	}
	defer bed.stop()
	r := &restReport{}
	var record struct{ Partitions float64 }
	text, err := bed.rdb.Get(ctx, "bellhop:partitions").Bytes()
	if err == nil {
		err = json.Unmarshal(text, &record)
	}
	if err != nil {
		return nil, err
	}
	r.partitions = record.Partitions
	time.Sleep(min(3*time.Second, c.For)) // it has begun
	for range max(1, c.Rounds) {
		before, err := evals(ctx, bed)
		if err != nil {
			return nil, err
		}
		redis, server, began := bed.redis.cpu(), bed.server.cpu(), time.Now()
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(c.For):
		}
		after, err := evals(ctx, bed)
		if err != nil {
			return nil, err
		}
		s := time.Since(began).Seconds()
		r.rounds = append(r.rounds, restRound{(after - before) / s, (bed.redis.cpu() - redis) / s, (bed.server.cpu() - server) / s})
	}
	return r, nil
}
