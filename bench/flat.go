package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"bellhop/client"
)

type flatCommand struct {
	Most int `default:"1000" help:"The largest number of agents and messages; nodes go to 10."`
}

// flatReport has Redis commands a message, those inside the script included, by what grew and how far.
type flatReport struct {
	Rows []flatRow `json:"rows"`
}

type flatRow struct {
	What     string  `json:"what"`
	Size     int     `json:"size"`
	Commands float64 `json:"commandsPerMessage"`
}

func (r *flatReport) table() string {
	var b strings.Builder
	fmt.Fprintln(&b, "Redis commands a message (those inside the script included)")
	for _, row := range r.Rows {
		fmt.Fprintf(&b, "%-24s%8d%10.2f\n", row.What, row.Size, row.Commands)
	}
	return b.String()
}

// Run counts as nodes, agents of the queue and messages of the session grow.
func (c *flatCommand) Run(ctx context.Context, o *options) error {
	bed, err := newBed(ctx)
	if err != nil {
		return err
	}
	defer bed.stop()
	r := &flatReport{}
	pair, err := c.pair(ctx, bed)
	if err != nil {
		return err
	}
	count := func(what string, size int) error {
		n, err := c.count(ctx, bed, pair)
		r.Rows = append(r.Rows, flatRow{what, size, n})
		return err
	}
	for size, agents := 1, 1; size <= c.Most; size *= 10 {
		for ; agents < size; agents++ {
			a, err := dial(ctx, bed.server, client.TokenRequest{Role: "agent", ID: id("more-", agents)}, nil)
			if err != nil {
				return err
			}
			if _, err := a.Watch(ctx); err != nil {
				return err
			}
		}
		if err := count("agents in the queue", size); err != nil {
			return err
		}
	}
	for size := 1000; size <= 10*c.Most; size *= 10 { // count sends 1,000 each time
		for sent := 0; sent < size; sent++ {
			if _, err := pair.sides[0].SendText(ctx, pair.session, "more"); err != nil {
				return err
			}
		}
		if err := count("messages in the session", size); err != nil {
			return err
		}
	}
	for size := 1; size <= 10; size *= 10 {
		for len(bed.nodes) < size {
			if err := bed.add(ctx); err != nil {
				return err
			}
		}
		if err := count("nodes", size); err != nil {
			return err
		}
	}
	return o.show(r)
}

func (c *flatCommand) pair(ctx context.Context, bed *bed) (*pair, error) {
	u, err := dial(ctx, bed.server, client.TokenRequest{Role: "user", ID: "flat-user"}, nil)
	if err != nil {
		return nil, err
	}
	a, err := dial(ctx, bed.server, client.TokenRequest{Role: "agent", ID: "flat-agent"}, nil)
	if err != nil {
		return nil, err
	}
	s, err := u.Open(ctx, client.OpenRequest{})
	if err != nil {
		return nil, err
	}
	_, err = a.Grab(ctx, s.ID)
	return &pair{session: s.ID, sides: [2]*client.Client{u, a}}, err
}

// count is the number of commands for each of 1,000 messages, less what the
// nodes do in the background, measured just before over the same time.
func (c *flatCommand) count(ctx context.Context, bed *bed, p *pair) (float64, error) {
	const messages, window = 1000, 4 * time.Second
	total := func() (float64, error) {
		info, err := bed.rdb.InfoMap(ctx, "commandstats").Result()
		var sum float64
		for name, stat := range info["Commandstats"] {
			var calls float64
			_, err := fmt.Sscanf(stat, "calls=%f", &calls)
			switch {
			case err != nil:
				return 0, err
			case name != "cmdstat_info":
				sum += calls
			}
		}
		return sum, err
	}
	spend := func(f func() error) (float64, error) {
		before, err := total()
		if err != nil {
			return 0, err
		}
		end := time.Now().Add(window)
		if err := f(); err != nil {
			return 0, err
		}
		time.Sleep(time.Until(end))
		after, err := total()
		return after - before, err
	}
	rest, err := spend(func() error { return nil })
	if err != nil {
		return 0, err
	}
	busy, err := spend(func() error {
		for i := range messages {
			if _, err := p.sides[i%2].SendText(ctx, p.session, "counted"); err != nil {
				return err
			}
		}
		return nil
	})
	return (busy - rest) / messages, err
}
