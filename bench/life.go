package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
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
	Redis   float64 `json:"redisMicros"`
	Server  float64 `json:"serverMicros"`
	Scripts float64 `json:"scripts"`
	P50     float64 `json:"p50ms"`
}

type lifeReport struct {
	Sessions int                 `json:"sessions"`
	Steps    map[string]stepCost `json:"steps"`
}

var lifeSteps = []string{"open", "grab", "end"}

func (r *lifeReport) table() string {
	var s strings.Builder
	fmt.Fprintf(&s, "life of a session, medians over rounds of %d\n%-6s %10s %11s %8s %8s\n", r.Sessions, "", "Redis µs", "server µs", "scripts", "p50 ms")
	sum := stepCost{}
	for _, step := range lifeSteps {
		c := r.Steps[step]
		fmt.Fprintf(&s, "%-6s %10.0f %11.0f %8.2f %8.2f\n", step, c.Redis, c.Server, c.Scripts, c.P50)
		sum = stepCost{sum.Redis + c.Redis, sum.Server + c.Server, sum.Scripts + c.Scripts, 0}
	}
	fmt.Fprintf(&s, "%-6s %10.0f %11.0f %8.2f\n", "all", sum.Redis, sum.Server, sum.Scripts)
	return s.String()
}

// Run opens sessions for users who are not connected, and has agents grab and end them.
func (c *lifeCommand) Run(ctx context.Context, o *options) error {
	bed, err := newBed(ctx)
	if err != nil {
		return err
	}
	defer bed.stop()
	var agents []*client.Client
	for i := range c.Agents {
		a, err := dial(ctx, bed.server, client.TokenRequest{Role: "agent", ID: id("agent-", i), Capacity: 10000}, nil)
		if err != nil {
			return err
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
				return fmt.Errorf("%s: %w", step, err)
			}
			if round > 0 { // the first warms up
				all[step] = append(all[step], cost)
			}
		}
	}
	r := &lifeReport{Sessions: c.Sessions, Steps: map[string]stepCost{}}
	for step, costs := range all {
		of := func(f func(stepCost) float64) float64 {
			var v []float64
			for _, c := range costs {
				v = append(v, f(c))
			}
			return median(v)
		}
		r.Steps[step] = stepCost{of(func(c stepCost) float64 { return c.Redis }), of(func(c stepCost) float64 { return c.Server }),
			of(func(c stepCost) float64 { return c.Scripts }), of(func(c stepCost) float64 { return c.P50 })}
	}
	return o.show(r)
}

// step has as many as there are agents at it at a time.
func (c *lifeCommand) step(ctx context.Context, bed *bed, do func(i int) error) (stepCost, error) {
	scripts, err := evals(ctx, bed)
	if err != nil {
		return stepCost{}, err
	}
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
