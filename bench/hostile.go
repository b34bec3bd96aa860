package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"bellhop/client"
)

// hostileCommand measures what others feel while one participant, or somebody
// without a token, does its worst.
type hostileCommand struct {
	Sessions int           `default:"100" help:"Sessions of others, who chat meanwhile."`
	Rate     int           `default:"300" help:"Their messages a second."`
	Measure  time.Duration `default:"8s" help:"How long each attack lasts; as long a rest is measured before it."`
	Attacks  []string      `help:"Only these."`
}

// attacked is what one attack did to the others.
type attacked struct {
	Kind   string
	Before [2]float64 // of a delivery
	During [2]float64
	RSS    float64 // bytes, the server's and its children's
	CPU    float64
}

type hostileReport struct {
	Command hostileCommand
	Rest    float64
	Attacks []attacked
}

// measure lets each attack loose in turn. A server that exits, or loses one of the others, ends it.
func (c *hostileCommand) measure(ctx context.Context) (report, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	bed, err := newBed(ctx, "--send-rate", "20")
	if err != nil {
		return nil, err
	}
	defer bed.stop()
	crowd, err := (&chatCommand{Sessions: c.Sessions, Agents: max(1, c.Sessions/10)}).gather(ctx, bed.server)
	if err != nil {
		return nil, err
	}
	defer crowd.close()
	victim, err := prey(ctx, bed.server)
	if err != nil {
		return nil, err
	}
	r := &hostileReport{Command: *c, Rest: bed.server.tree()}
	for _, kind := range attackNames() {
		if len(c.Attacks) > 0 && !contains(c.Attacks, kind) {
			continue
		}
		a, err := c.attack(ctx, self, kind, victim, bed, crowd)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", kind, err)
		}
		r.Attacks = append(r.Attacks, a)
		fmt.Fprintln(os.Stderr, kind, "done")
	}
	return r, nil
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

// quarry is what the attacker has: its token, and a session with a long history.
type quarry struct{ token, session string }

func prey(ctx context.Context, server *proc) (q quarry, err error) {
	api := client.API{BaseURL: "http://" + server.addr, Key: apiKey, HTTP: pooled}
	t, err := api.IssueToken(ctx, client.TokenRequest{Role: "user", ID: "mallory", Name: "Mallory"})
	if err != nil {
		return q, err
	}
	s, err := api.CreateSession(ctx, client.CreateRequest{User: client.Person{ID: "mallory"}, Queue: "hostile"})
	if err != nil {
		return q, err
	}
	for range 200 {
		if err := api.Do(ctx, http.MethodPost, "/sessions/"+s.ID+"/messages",
			map[string]any{"as": "user", "body": strings.Repeat("\n", 16000)}, nil); err != nil {
			return q, err
		}
	}
	return quarry{t.Token, s.ID}, nil
}

// attack measures the others at rest, then under attack; the attacker is a process
// of its own, at the lowest priority, so that what is measured is what the server lets it do.
func (c *hostileCommand) attack(ctx context.Context, self, kind string, q quarry, bed *bed, crowd *crowd) (a attacked, err error) {
	a.Kind = kind
	if a.Before, err = crowd.chat(ctx, c.Rate, c.Measure); err != nil {
		return a, err
	}
	cmd := exec.CommandContext(ctx, "nice", "-n", "19", self, "attack", "--kind", kind, "--addr", bed.server.addr, "--token", q.token,
		"--session", q.session, "--lasts", c.Measure.String())
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return a, err
	}
	peak := make(chan float64)
	watch, stop := context.WithCancel(ctx)
	go func() { peak <- bed.server.peak(watch) }()
	cpu, began := bed.server.cpu(), time.Now()
	a.During, err = crowd.chat(ctx, c.Rate, c.Measure)
	a.CPU = (bed.server.cpu() - cpu) / 1e4 / time.Since(began).Seconds()
	stop()
	a.RSS = <-peak
	return a, errors.Join(err, cmd.Wait())
}

// peak is the most memory seen, a look each 50 ms.
func (p *proc) peak(ctx context.Context) (most float64) {
	for ctx.Err() == nil {
		most = max(most, p.tree())
		select {
		case <-ctx.Done():
		case <-time.After(50 * time.Millisecond):
		}
	}
	return most
}

// tree is the resident memory of the process and its children.
func (p *proc) tree() float64 {
	all := p.rss()
	children, _ := p.stat.Children() // an error where there are none
	for _, c := range children {
		if m, err := c.MemoryInfo(); err == nil {
			all += float64(m.RSS)
		}
	}
	return all
}

// chat has the pairs take turns at a rate, and gives the percentiles 50 and 99 of
// the time from when a message was due to when it was delivered.
func (cr *crowd) chat(ctx context.Context, rate int, lasts time.Duration) (ms [2]float64, err error) {
	n := int(float64(rate) * lasts.Seconds())
	cr.seen.reset()
	cr.due.Store(int64(n))
	free := make(chan *pair, len(cr.pairs))
	for _, p := range cr.pairs {
		free <- p
	}
	failed := make(chan error, n)
	var wg sync.WaitGroup
	began := time.Now()
	for i := range n {
		due := began.Add(time.Duration(float64(i) / float64(rate) * float64(time.Second)))
		time.Sleep(time.Until(due))
		p := <-free
		p.sent.Store(due.UnixNano())
		wg.Go(func() {
			defer func() { free <- p }()
			if _, err := p.sides[p.turn%2].SendText(ctx, p.session, "hello, hello"); err != nil {
				failed <- err
			}
			p.turn++
		})
	}
	wg.Wait()
	select {
	case err := <-failed:
		return ms, err
	case <-cr.empty:
	case <-time.After(30 * time.Second):
		return ms, fmt.Errorf("%d messages were acknowledged but not delivered", cr.due.Load())
	}
	return [2]float64{cr.seen.at(50), cr.seen.at(99)}, nil
}
