package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"syscall"
	"time"

	"bellhop/client"
)

// rollingCommand has clients talk through nginx while one node after the other is stopped and started again.
type rollingCommand struct {
	Clients int           `default:"1000" help:"Half of them users, half the agents who serve them: two talk to each other."`
	Nodes   int           `default:"2" help:"Nodes behind nginx."`
	Kill    bool          `default:"true" negatable:"" help:"Kill the last node with SIGKILL, instead of SIGTERM."`
	Every   time.Duration `default:"5s" help:"How often each client says something."`
	Drain   time.Duration `default:"5s" help:"How long a node takes to hand its connections over."`
}

// A client is back within that, at most, after the node it was at drained, or was killed.
const (
	backFromDrain = 3 * time.Second
	backFromKill  = 10 * time.Second
)

// rolled is what one node's end did to the clients.
type rolled struct {
	killed bool
	Stop   float64 // s, from the signal until the process had ended
	Away   float64 // s, the longest that a client was not connected
	Waited float64 // s, the longest that a client waited for an acknowledgement
}

type rollingReport struct {
	command      *rollingCommand
	steps        []rolled
	acknowledged int
}

func (r *rollingReport) title() string {
	return fmt.Sprintf("rolling: %d clients talk through nginx, %d nodes end one after the other; %d messages acknowledged, each is there once, in order, at both clients",
		r.command.Clients, r.command.Nodes, r.acknowledged)
}

func (r *rollingReport) figures() (out []figure) {
	for i, s := range r.steps {
		what := fmt.Sprintf("node %d drained", i)
		bound := backFromDrain
		if s.killed {
			what, bound = fmt.Sprintf("node %d killed", i), backFromKill
		} else {
			out = append(out, of("rolling", what+": gone after", "s", less, s.Stop).goal(true, (r.command.Drain+5*time.Second).Seconds()))
		}
		out = append(out, of("rolling", what+": away, longest", "s", less, s.Away).goal(true, bound.Seconds()),
			of("rolling", what+": acknowledged, longest", "s", less, s.Waited))
	}
	return out
}

// broken is an error where somebody was away for too long.
func (r *rollingReport) broken() (err error) {
	for _, f := range r.figures() {
		if met, ok := f.met(); ok && !met {
			err = errors.Join(err, fmt.Errorf("%s: %.1f s, more than %.1f s", f.Name, f.Value, *f.Goal))
		}
	}
	return err
}

func (c *rollingCommand) measure(ctx context.Context) (_ report, err error) {
	if most, err := fit(3 * c.Clients); err != nil || most < 3*c.Clients {
		return nil, errors.Join(err, fmt.Errorf("the limit of open files allows %d connections", most))
	}
	bed, err := newBed(ctx, "--drain", c.Drain.String())
	if err != nil {
		return nil, err
	}
	defer bed.stop()
	for len(bed.nodes) < c.Nodes {
		if err := bed.add(ctx); err != nil {
			return nil, err
		}
	}
	front, err := startFront(ctx, bed.dir, c.Clients, bed.nodes)
	if front != nil {
		defer front.stop()
	}
	if err != nil {
		return nil, err
	}
	all, err := c.gather(ctx, bed, front)
	defer func() { closeAll(all) }()
	if err != nil {
		return nil, err
	}
	talking, hush := context.WithCancel(ctx)
	defer hush()
	var wg sync.WaitGroup
	for _, t := range all {
		wg.Go(func() { t.talk(talking, c.Every) })
	}
	r := &rollingReport{command: c}
	if err := c.await(ctx, all, time.Now()); err != nil {
		return nil, err
	}
	for i := range bed.nodes {
		s, err := c.roll(ctx, bed, i, all)
		if err != nil {
			return nil, fmt.Errorf("node %d: %w", i, err)
		}
		r.steps = append(r.steps, s)
	}
	hush()
	wg.Wait()
	for i := 0; i < len(all); i += 2 {
		if err := agree(ctx, all[i], all[i+1]); err != nil {
			return nil, err
		}
		r.acknowledged += len(all[i].acked) + len(all[i+1].acked)
	}
	return r, nil
}

func closeAll(all []*talker) {
	for _, t := range all {
		if t != nil && t.c != nil {
			t.c.Close()
		}
	}
}

// gather lets users in, and agents who serve one each.
func (c *rollingCommand) gather(ctx context.Context, bed *bed, front *proc) ([]*talker, error) {
	all := make([]*talker, c.Clients/2*2)
	enter := func(ctx context.Context, i int, r client.TokenRequest) error {
		tok, err := bed.api().IssueToken(ctx, r)
		if err != nil {
			return err
		}
		t := &talker{name: r.ID, acked: map[string]int64{}}
		all[i] = t
		t.c, err = client.Dial(ctx, client.Options{URL: "http://" + front.addr, Token: tok.Token, OnEvent: t.heard})
		return err
	}
	return all, parallel(ctx, 32, len(all)/2, func(ctx context.Context, i int) error {
		if err := enter(ctx, 2*i, client.TokenRequest{Role: "user", ID: id("user-", i)}); err != nil {
			return err
		}
		if err := enter(ctx, 2*i+1, client.TokenRequest{Role: "agent", ID: id("agent-", i)}); err != nil {
			return err
		}
		s, err := all[2*i].c.Open(ctx, client.OpenRequest{})
		if err != nil {
			return err
		}
		all[2*i].session, all[2*i+1].session = s.ID, s.ID
		_, err = all[2*i+1].c.Grab(ctx, s.ID)
		return err
	})
}

// roll ends a node, waits until everybody talks again, and starts it again where it was.
func (c *rollingCommand) roll(ctx context.Context, bed *bed, i int, all []*talker) (s rolled, err error) {
	for _, t := range all {
		t.spell()
	}
	node, began := bed.nodes[i], time.Now()
	s.killed = c.Kill && i == len(bed.nodes)-1
	sig := syscall.SIGTERM
	if s.killed {
		sig = syscall.SIGKILL
	}
	if err := node.cmd.Process.Signal(sig); err != nil {
		return s, err
	}
	hung := time.AfterFunc(c.Drain+20*time.Second, func() { _ = node.cmd.Process.Kill() })
	err = node.cmd.Wait()
	if !hung.Stop() {
		return s, errors.New("it did not end")
	}
	if err != nil && !s.killed {
		return s, fmt.Errorf("it was drained, and ended with %w", err)
	}
	s.Stop = time.Since(began).Seconds()
	if err := c.await(ctx, all, time.Now()); err != nil {
		return s, err
	}
	for _, t := range all {
		t.mu.Lock()
		s.Away, s.Waited = max(s.Away, t.away.Seconds()), max(s.Waited, t.waited.Seconds())
		t.mu.Unlock()
	}
	again, err := startServerAt(ctx, node.addr, bed.bin, bed.dir, bed.redis, bed.args...)
	if again != nil {
		bed.nodes[i] = again
		if i == 0 {
			bed.server = again
		}
	}
	return s, err
}

// await waits until everybody was acknowledged something since.
func (c *rollingCommand) await(ctx context.Context, all []*talker, since time.Time) error {
	for deadline := since.Add(2*c.Every + time.Minute); ; {
		left := 0
		for _, t := range all {
			if !t.backSince(since) {
				left++
			}
		}
		switch {
		case left == 0:
			return nil
		case time.Now().After(deadline):
			return fmt.Errorf("%d clients do not talk again", left)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// agree compares what two hold of their session with its log, once what is under way has come.
func agree(ctx context.Context, user, agent *talker) error {
	return until(ctx, func() error {
		log, err := user.logOf(ctx)
		if err != nil {
			return err
		}
		return errors.Join(user.holds(log), agent.holds(log))
	})
}
