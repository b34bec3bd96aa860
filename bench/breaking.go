package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"bellhop/bench/faults"
)

// faultsCommand breaks a whole deployment, and checks what the promises are worth.
type faultsCommand struct {
	For       time.Duration `default:"10m" help:"How long things break; settling and checking come on top."`
	Seed      uint64        `help:"The same seed gives the same faults. Unset: another one each time." placeholder:"N"`
	Engine    string        `enum:",redis,sentinel,cluster" default:"" help:"redis, sentinel or cluster. Unset: the seed chooses."`
	Fsync     string        `enum:",always,everysec" default:"" help:"Of redis: always (it loses nothing) or everysec. Unset: the seed chooses."`
	Archive   string        `enum:"sqlite,mongo" default:"sqlite" help:"sqlite or mongo (a FerretDB)."`
	Nodes     int           `default:"3" help:"Nodes."`
	Users     int           `default:"12" help:"Users."`
	Agents    int           `default:"5" help:"Agents."`
	Journal   string        `help:"Write what broke, and when, to this file." placeholder:"FILE"`
	Intensity float64       `default:"1" help:"How many times as many faults."`
}

// Run breaks it, reports, and fails where a promise was broken.
func (c *faultsCommand) Run(ctx context.Context, _ *options) error {
	if ran, err := faults.Apart(ctx, os.Stdout, os.Args[1:]...); ran {
		return err
	}
	bin, err := build(ctx)
	if err != nil {
		return err
	}
	if c.Seed == 0 {
		c.Seed = uint64(time.Now().UnixNano()) % 1_000_000
	}
	r, err := faults.Run(ctx, faults.Options{Seed: c.Seed, For: c.For, Engine: c.Engine, Fsync: c.Fsync, Archive: c.Archive, Nodes: c.Nodes,
		Users: c.Users, Agents: c.Agents, Intensity: c.Intensity, Binary: bin, Out: os.Stdout})
	if r != nil {
		r.Write(os.Stdout)
		err = errors.Join(err, c.journal(r))
	}
	if err != nil {
		return err
	}
	if n := len(r.Violations); n > 0 {
		return fmt.Errorf("%d promises were broken, seed %d", n, c.Seed)
	}
	return nil
}

func (c *faultsCommand) journal(r *faults.Report) error {
	if c.Journal == "" {
		return nil
	}
	f, err := os.Create(c.Journal)
	if err != nil {
		return err
	}
	r.WriteJournal(f)
	return f.Close()
}
