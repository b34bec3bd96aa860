package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"bellhop/client"
)

type growCommand struct {
	Sessions []int `default:"1000,10000,100000,1000000" help:"Open sessions, with the cost of a message measured at each."`
	Nodes    []int `default:"1,2,4" help:"Nodes, likewise."`
	Watchers []int `default:"1,10,100,1000" help:"Agents who watch the queue, likewise."`
	Logs     []int `default:"1000,10000" help:"Messages in each of a few sessions, likewise."`
	Talking  int   `default:"1000" help:"Sessions that talk; the other open ones rest."`
	Messages int   `default:"40000" help:"Of a round."`
	InFlight int   `default:"64" help:"Messages on their way at a time."`
	Rounds   int   `default:"3" help:"Rounds at each size; the medians count."`
	Room     int   `default:"2500" help:"Bytes that a resting session takes: no more of them than half of the machine's free memory holds."`
}

// growPoint is what a message costs at one size.
type growPoint struct {
	size   int
	rounds []growRound
}

type growRound struct{ Redis, Server, Commands float64 }

func (p growPoint) median(f func(growRound) float64) float64 {
	return pick("", "", "", "", p.rounds, f).Value
}

// growth is what was measured while one thing grew.
type growth struct {
	what   string
	points []growPoint
}

type growReport struct {
	command *growCommand
	all     []growth
}

func (r *growReport) title() string {
	return fmt.Sprintf("grow: the cost of a message, %d sessions talking, %d messages a round", r.command.Talking, r.command.Messages)
}

// costs are what is told of each size.
var costs = []struct {
	name, unit string
	of         func(growRound) float64
}{
	{"Redis a message", "µs", func(x growRound) float64 { return x.Redis }},
	{"server a message", "µs", func(x growRound) float64 { return x.Server }},
	{"commands a message", "", func(x growRound) float64 { return x.Commands }},
}

// flats are the goals: by how much a cost may differ between sizes.
var flats = map[string]map[string]float64{"open sessions": {"Redis a message": 1.15, "server a message": 1.15}, "nodes": {"Redis a message": 1.1}}

func (r *growReport) figures() (out []figure) {
	for _, g := range r.all {
		for _, c := range costs {
			least, most := 0.0, 0.0
			for i, p := range g.points {
				f := pick("grow", fmt.Sprintf("%s, %d %s", c.name, p.size, g.what), c.unit, less, p.rounds, c.of)
				out = append(out, f)
				if i == 0 {
					least = f.Value
				}
				least, most = min(least, f.Value), max(most, f.Value)
			}
			if goal := flats[g.what][c.name]; goal > 0 && least > 0 {
				out = append(out, of("grow", fmt.Sprintf("%s by %s, most of least", c.name, g.what), "×", less, most/least).goal(r.full(g), goal))
			}
		}
	}
	return out
}

// full tells whether it was measured as far as the goal is set.
func (r *growReport) full(g growth) bool {
	last := g.points[len(g.points)-1].size
	return g.what == "nodes" && last >= 4 || g.what == "open sessions" && last >= 100_000
}

func (r *growReport) series() (out []series) {
	for _, g := range r.all {
		for _, c := range costs[:2] {
			s := series{Scenario: "grow", Title: "the cost of a message by " + g.what, Line: c.name, X: g.what, Unit: c.unit}
			for _, p := range g.points {
				s.Points = append(s.Points, [2]float64{float64(p.size), p.median(c.of)})
			}
			out = append(out, s)
		}
	}
	return out
}

func (c *growCommand) chat() *chatCommand {
	return &chatCommand{Sessions: c.Talking, Agents: max(1, c.Talking/10), InFlight: min(c.InFlight, c.Talking), Messages: c.Messages}
}

// measure counts as one thing after the other grows; nodes are last, since all that grew before is small beside them.
func (c *growCommand) measure(ctx context.Context) (report, error) {
	r := &growReport{command: c}
	for _, grow := range []func(context.Context, *growReport) error{c.nodes, c.watchers, c.logs, c.sessions} {
		if err := grow(ctx, r); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// at measures at one size.
func (c *growCommand) at(ctx context.Context, bed *bed, crowd *crowd, cmd *chatCommand, size int) (growPoint, error) {
	p := growPoint{size: size}
	for round := range c.Rounds + 1 {
		x := &chatRound{}
		before, err := commands(ctx, bed.rdb)
		if err != nil {
			return p, err
		}
		if err := crowd.talk(ctx, cmd, bed, x); err != nil {
			return p, err
		}
		after, err := commands(ctx, bed.rdb)
		if err != nil {
			return p, err
		}
		if round > 0 { // the first warms up
			p.rounds = append(p.rounds, growRound{x.Redis, x.Server, (after - before) / float64(cmd.Messages)})
		}
	}
	return p, nil
}

func (c *growCommand) nodes(ctx context.Context, r *growReport) error {
	g := growth{what: "nodes"}
	for _, size := range c.Nodes {
		err := func() error {
			bed, err := newBed(ctx)
			if err != nil {
				return err
			}
			defer bed.stop()
			for len(bed.nodes) < size {
				if err := bed.add(ctx); err != nil {
					return err
				}
			}
			cmd := c.chat()
			crowd, err := cmd.gather(ctx, bed.nodes...)
			if err != nil {
				return err
			}
			defer crowd.close()
			p, err := c.at(ctx, bed, crowd, cmd, size)
			g.points = append(g.points, p)
			return err
		}()
		if err != nil {
			return err
		}
	}
	r.all = append(r.all, g)
	return nil
}

func (c *growCommand) watchers(ctx context.Context, r *growReport) error {
	return c.within(ctx, r, "watchers", c.chat(), c.Watchers, func(bed *bed, _ *crowd) func(size int) error {
		watching := 0
		return func(size int) error {
			for ; watching < size; watching++ {
				a, err := dial(ctx, bed.server, client.TokenRequest{Role: "agent", ID: id("watcher-", watching)}, nil)
				if err != nil {
					return err
				}
				if _, err := a.Watch(ctx); err != nil {
					return err
				}
			}
			return nil
		}
	})
}

func (c *growCommand) logs(ctx context.Context, r *growReport) error {
	cmd := c.chat()
	cmd.Sessions = min(16, c.Talking)
	cmd.Agents, cmd.InFlight = cmd.Sessions, cmd.Sessions
	sent := 0
	return c.within(ctx, r, "messages in each session", cmd, c.Logs, func(bed *bed, cr *crowd) func(size int) error {
		return func(size int) error {
			fill := *cmd
			fill.Messages = size*cmd.Sessions - sent
			sent = size*cmd.Sessions + (c.Rounds+1)*cmd.Messages
			if fill.Messages <= 0 {
				return nil
			}
			return cr.talk(ctx, &fill, bed, &chatRound{})
		}
	})
}

func (c *growCommand) sessions(ctx context.Context, r *growReport) error {
	return c.within(ctx, r, "open sessions", c.chat(), c.Sessions, func(bed *bed, cr *crowd) func(size int) error {
		f := &filler{bed: bed}
		return func(size int) error {
			free, err := freeMemory(ctx)
			if err != nil {
				return err
			}
			if need := float64(size-c.Talking-f.made) * float64(c.Room); need > free/2 {
				fmt.Printf("grow: %d open sessions would take %.1f GB, and %.1f GB are free: left out\n", size, need/1e9, free/1e9)
				return errTooMany
			}
			return f.fill(ctx, size-c.Talking)
		}
	})
}

// within measures sizes of one thing with one crowd.
func (c *growCommand) within(ctx context.Context, r *growReport, what string, cmd *chatCommand, sizes []int,
	prepare func(*bed, *crowd) func(size int) error) error {
	bed, err := newBed(ctx)
	if err != nil {
		return err
	}
	defer bed.stop()
	crowd, err := cmd.gather(ctx, bed.server)
	if err != nil {
		return err
	}
	defer crowd.close()
	g, grow := growth{what: what}, prepare(bed, crowd)
	for _, size := range sizes {
		if err := grow(size); errors.Is(err, errTooMany) {
			break
		} else if err != nil {
			return err
		}
		time.Sleep(time.Second) // what that made is over
		p, err := c.at(ctx, bed, crowd, cmd, size)
		if err != nil {
			return err
		}
		g.points = append(g.points, p)
	}
	r.all = append(r.all, g)
	return nil
}
