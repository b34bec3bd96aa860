package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"bellhop/client"
)

type losersCommand struct {
	Agents int `default:"200" help:"Agents who race."`
	Losers int `default:"10000" help:"Losing grabs of one order before the next."`
	Orders int `default:"200" help:"Grabs timed with, and without, the losers before them."`
	Rounds int `default:"5" help:"Rounds of both; the medians count."`
}

type losersReport struct {
	Losers        int
	ScriptsEach   float64
	Quiet         float64
	After         float64
	Ratio         float64
	LosersASecond float64
}

// measure times the next order's grab before and after a crowd lost one.
func (c *losersCommand) measure(ctx context.Context) (report, error) {
	bed, err := newBed(ctx)
	if err != nil {
		return nil, err
	}
	defer bed.stop()
	var agents []*client.Client
	for i := range c.Agents {
		a, err := dial(ctx, bed.server, client.TokenRequest{Role: "agent", ID: id("agent-", i), Capacity: 10000}, nil)
		if err != nil {
			return nil, err
		}
		agents = append(agents, a)
	}
	opened := 0
	open := func() (string, error) {
		opened++
		s, err := client.API{BaseURL: "http://" + bed.server.addr, Key: apiKey, HTTP: pooled}.CreateSession(ctx,
			client.CreateRequest{User: client.Person{ID: id("user-", opened)}})
		return s.ID, err
	}
	grabs := func() (float64, error) {
		t := newTimings()
		for i := range c.Orders {
			s, err := open()
			if err != nil {
				return 0, err
			}
			began := time.Now()
			if _, err := agents[i%len(agents)].Grab(ctx, s); err != nil {
				return 0, err
			}
			t.record(time.Since(began))
		}
		return t.at(50), nil
	}
	r := &losersReport{Losers: c.Losers}
	var quiet, after []float64
	for range c.Rounds {
		q, err := grabs()
		if err != nil {
			return nil, err
		}
		if err := c.lose(ctx, bed, agents, open, r); err != nil {
			return nil, err
		}
		a, err := grabs()
		if err != nil {
			return nil, err
		}
		quiet, after = append(quiet, q), append(after, a)
	}
	r.Quiet, r.After = median(quiet), median(after)
	r.Ratio = ratio(r.After, r.Quiet)
	return r, nil
}

// lose lets everybody grab one order over and over.
func (c *losersCommand) lose(ctx context.Context, bed *bed, agents []*client.Client, open func() (string, error), r *losersReport) error {
	s, err := open()
	if err != nil {
		return err
	}
	if _, err := agents[0].Grab(ctx, s); err != nil {
		return err
	}
	before, err := evals(ctx, bed)
	if err != nil {
		return err
	}
	began := time.Now()
	var wg sync.WaitGroup
	failed := make(chan error, len(agents))
	for _, a := range agents[1:] {
		wg.Go(func() {
			for range c.Losers / (len(agents) - 1) {
				if _, err := a.Grab(ctx, s); !errors.Is(err, &client.Error{Code: "taken"}) {
					failed <- fmt.Errorf("a loser was told: %w", err)
					return
				}
			}
		})
	}
	wg.Wait()
	select {
	case err := <-failed:
		return err
	default:
	}
	took := time.Since(began).Seconds()
	after, err := evals(ctx, bed)
	n := float64(c.Losers/(len(agents)-1)) * float64(len(agents)-1)
	// 16 partitions' take runs about once a second beside.
	r.ScriptsEach, r.LosersASecond = (after-before-16*took)/n, n/took
	return err
}
