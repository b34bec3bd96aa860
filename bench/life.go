package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"bellhop/client"
)

type lifeCommand struct {
	Sessions int `default:"4000" help:"Sessions in a round, each opened, grabbed and ended."`
	Agents   int `default:"50" help:"Agents who grab and end them."`
	Rounds   int `default:"3" help:"Rounds; the medians count."`
}

// stepCost is what one step of a session's life costs.
type stepCost struct {
	Redis   float64
	Server  float64
	Scripts float64
	P50     float64
}

// lifeReport has the rounds of each step.
type lifeReport struct {
	sessions int
	steps    map[string][]stepCost
}

var lifeSteps = []string{"open", "grab", "end"}

// measure opens sessions for users who are not connected, and has agents grab and end them.
func (c *lifeCommand) measure(ctx context.Context) (report, error) {
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
	api := client.API{BaseURL: "http://" + bed.server.addr, Key: apiKey, HTTP: pooled}
	all := map[string][]stepCost{}
	for round := range c.Rounds + 1 {
		ids := make([]string, c.Sessions)
		steps := map[string]func(i int) error{
			"open": func(i int) (err error) {
				s, err := api.CreateSession(ctx, client.CreateRequest{User: client.Person{ID: fmt.Sprintf("user-%d-%d", round, i)}})
				ids[i] = s.ID
				return err
			},
			"grab": func(i int) error { _, err := agents[i%len(agents)].Grab(ctx, ids[i]); return err },
			"end": func(i int) error {
				_, err := agents[i%len(agents)].End(ctx, ids[i], "", true)
				return err
			},
		}
		for _, step := range lifeSteps {
			cost, err := c.step(ctx, bed, steps[step])
			if err != nil {
				return nil, fmt.Errorf("%s: %w", step, err)
			}
			if round > 0 { // the first warms up
				all[step] = append(all[step], cost)
			}
		}
	}
	return &lifeReport{c.Sessions, all}, nil
}

// step has as many as there are agents at it at a time.
func (c *lifeCommand) step(ctx context.Context, bed *bed, do func(i int) error) (stepCost, error) {
	scripts, err := evals(ctx, bed)
	if err != nil {
		return stepCost{}, err
	}
	defer bed.profiled()()
	began, redis, server := time.Now(), bed.redis.cpu(), bed.server.cpu()
	took := make([]float64, c.Sessions)
	failed := make(chan error, c.Agents)
	var wg sync.WaitGroup
	for a := range c.Agents {
		wg.Go(func() {
			for i := a; i < c.Sessions; i += c.Agents {
				at := time.Now()
				if err := do(i); err != nil {
					failed <- err
					return
				}
				took[i] = float64(time.Since(at).Microseconds()) / 1000
			}
		})
	}
	wg.Wait()
	select {
	case err := <-failed:
		return stepCost{}, err
	default:
	}
	time.Sleep(300 * time.Millisecond) // what it owes other partitions is settled
	n, idle := float64(c.Sessions), 16*time.Since(began).Seconds()
	after, err := evals(ctx, bed)
	slices.Sort(took)
	// The partitions' take, once a second each, is no part of it.
	return stepCost{(bed.redis.cpu() - redis) / n, (bed.server.cpu() - server) / n, max(0, after-scripts-idle) / n, took[len(took)/2]}, err
}
