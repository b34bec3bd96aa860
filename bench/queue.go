package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"bellhop/client"
)

const queueID = "bench"

// setQueue sets the queue's routing, and no other rule that would move sessions.
func setQueue(ctx context.Context, api client.API, routing string) error {
	return api.Do(ctx, "PUT", "/queues/"+queueID, map[string]any{"routing": routing, "abandonTimeout": 0, "patience": 0, "sticky": 0}, nil)
}

// openMany opens a session for each of n users.
func openMany(ctx context.Context, api client.API, n int) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(32)
	for i := range n {
		g.Go(func() error {
			_, err := api.CreateSession(ctx, client.CreateRequest{User: client.Person{ID: id("user-", i)}, Queue: queueID})
			return err
		})
	}
	return g.Wait()
}

type waitCommand struct {
	Users   int           `default:"10000" help:"Users who wait in one queue."`
	Grabs   int           `default:"20" help:"Grabs a second, each of which moves everybody up."`
	Measure time.Duration `default:"20s" help:"How long to measure."`
	Rest    time.Duration `default:"10s" help:"How long to wait before, until the handshakes' garbage is gone."`
}

type waitReport struct {
	Users  int     `json:"users"`
	Grabs  int     `json:"grabsPerSecond"`
	Idle   float64 `json:"connectedPercentOfACore"`
	Moving float64 `json:"waitingPercentOfACore"`
	Own    float64 `json:"grabsPercentOfACore"`
}

// measure measures the server with its users connected only, with grabs from a
// short queue beside, and with all of them waiting.
func (c *waitCommand) measure(ctx context.Context) (_ report, err error) {
	if c.Users, err = fit(c.Users); err != nil {
		return nil, err
	}
	bed, err := newBed(ctx)
	if err != nil {
		return nil, err
	}
	defer bed.stop()
	api := client.API{BaseURL: "http://" + bed.server.addr, Key: apiKey, HTTP: pooled}
	if err := setQueue(ctx, api, "grab"); err != nil {
		return nil, err
	}
	tokens := make([]string, c.Users)
	for i := range tokens {
		t, err := api.IssueToken(ctx, client.TokenRequest{Role: "user", ID: id("user-", i)})
		if err != nil {
			return nil, err
		}
		tokens[i] = t.Token
	}
	if err := connectQuietly(bed.server, tokens); err != nil {
		return nil, err
	}
	agent, err := dial(ctx, bed.server, client.TokenRequest{Role: "agent", ID: "agent", Queues: []string{queueID}, Capacity: 10000}, nil)
	if err != nil {
		return nil, err
	}
	r := &waitReport{Users: c.Users, Grabs: c.Grabs}
	time.Sleep(c.Rest)
	if r.Idle, err = c.load(ctx, bed, nil); err != nil {
		return nil, err
	}
	others := 0
	short := func() error { // opens what it grabs
		others++
		s, err := api.CreateSession(ctx, client.CreateRequest{User: client.Person{ID: id("other-", others)}, Queue: queueID})
		if err == nil {
			_, err = agent.Grab(ctx, s.ID)
		}
		return err
	}
	if r.Own, err = c.load(ctx, bed, short); err != nil {
		return nil, err
	}
	if err := openMany(ctx, api, c.Users); err != nil {
		return nil, err
	}
	time.Sleep(c.Rest / 2)
	if r.Moving, err = c.load(ctx, bed, func() error {
		others++
		if _, err := api.CreateSession(ctx, client.CreateRequest{User: client.Person{ID: id("other-", others)}, Queue: queueID}); err != nil {
			return err
		}
		_, err := agent.GrabQueue(ctx, queueID)
		return err
	}); err != nil {
		return nil, err
	}
	return r, nil
}

// load is how much of a core the server uses while something is done at a pace.
func (c *waitCommand) load(ctx context.Context, bed *bed, do func() error) (float64, error) {
	before, began := bed.server.cpu(), time.Now()
	tick := time.NewTicker(time.Second / time.Duration(max(1, c.Grabs)))
	defer tick.Stop()
	for time.Since(began) < c.Measure {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
		if do != nil {
			if err := do(); err != nil {
				return 0, err
			}
		}
	}
	return (bed.server.cpu() - before) / float64(time.Since(began).Microseconds()) * 100, nil
}

type burstCommand struct {
	Sessions int `default:"10000" help:"Sessions that wait when the agents come."`
	Agents   int `default:"500" help:"Agents who are online."`
}

type burstReport struct {
	Sessions int     `json:"sessions"`
	Agents   int     `json:"agents"`
	Seconds  float64 `json:"seconds"`
	Least    int     `json:"leastLoad"`
	Most     int     `json:"mostLoad"`
}

// measure lets a burst wait in a queue, then makes the queue assign it.
func (c *burstCommand) measure(ctx context.Context) (report, error) {
	bed, err := newBed(ctx)
	if err != nil {
		return nil, err
	}
	defer bed.stop()
	api := client.API{BaseURL: "http://" + bed.server.addr, Key: apiKey, HTTP: pooled}
	if err := setQueue(ctx, api, "grab"); err != nil {
		return nil, err
	}
	room := (c.Sessions + c.Agents - 1) / c.Agents
	for i := range c.Agents {
		if _, err := dial(ctx, bed.server, client.TokenRequest{Role: "agent", ID: id("agent-", i), Queues: []string{queueID}, Capacity: room + 5}, nil); err != nil {
			return nil, err
		}
	}
	if err := openMany(ctx, api, c.Sessions); err != nil {
		return nil, err
	}
	began := time.Now()
	if err := setQueue(ctx, api, "auto"); err != nil {
		return nil, err
	}
	r := &burstReport{Sessions: c.Sessions, Agents: c.Agents}
	for {
		loads, err := c.loads(ctx, api)
		if err != nil {
			return nil, err
		}
		sum := 0
		for _, n := range loads {
			sum += n
		}
		if sum == c.Sessions {
			r.Seconds, r.Least, r.Most = time.Since(began).Seconds(), slices.Min(loads), slices.Max(loads)
			return r, nil
		}
		if time.Since(began) > time.Minute {
			return nil, fmt.Errorf("after a minute %d of %d are assigned", sum, c.Sessions)
		}
		time.Sleep(200 * time.Millisecond)
	}
}

func (c *burstCommand) loads(ctx context.Context, api client.API) ([]int, error) {
	var list struct {
		Agents []struct {
			Load int `json:"load"`
		} `json:"agents"`
	}
	err := api.Do(ctx, "GET", "/agents", nil, &list)
	out := make([]int, 0, len(list.Agents))
	for _, a := range list.Agents {
		out = append(out, a.Load)
	}
	return out, err
}
