package faults

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"strings"
	"sync"
	"time"

	"bellhop/archive"
)

// run is one run.
type run struct {
	o      Options
	d      *deployment
	rec    *record
	people []*person
	store  archive.Archive
	before []map[string]float64 // metrics of each node, before anybody came
	report *Report
}

// Run carries out a run and reports; an error is the harness's own.
func Run(ctx context.Context, o Options) (*Report, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	r := &run{o: o, rec: newRecord(), report: &Report{Options: o, Faults: Schedule(o)}}
	r.say("seed %d: %s%s, archive in %s, %d nodes, %d users, %d agents, %d faults in %v", o.Seed, o.Engine, r.fsync(), o.Archive, o.Nodes, o.Users, o.Agents, len(r.report.Faults), o.For)
	var err error
	if r.d, err = deployAll(ctx, o); err != nil {
		return nil, err
	}
	if r.d.noDisks != nil {
		r.say("no disk gets full: %v", r.d.noDisks)
	}
	err = r.all(ctx)
	for _, p := range r.people {
		p.leave()
	}
	if r.store != nil {
		_ = r.store.Close()
	}
	for _, trouble := range r.d.stop() {
		err = errors.Join(err, errors.New(trouble))
	}
	r.finish()
	return r.report, err
}

func (r *run) fsync() string {
	if r.o.Engine == engineRedis {
		return ", fsync " + r.o.Fsync
	}
	return ""
}

func (r *run) say(format string, args ...any) {
	_, _ = fmt.Fprintf(r.o.Out, "%s  %s\n", time.Now().Format("15:04:05"), fmt.Sprintf(format, args...))
}

func (r *run) add(v ...violation) { r.report.add(r.rec, v...) }

// all is the run from its first person to its last check.
func (r *run) all(ctx context.Context) (err error) {
	for _, q := range queues {
		if err := r.d.api(apiKey).Do(ctx, http.MethodPut, "/queues/"+q, settings(q), nil); err != nil {
			return fmt.Errorf("queue %s: %w", q, err)
		}
	}
	if r.people, err = people(ctx, r.d, r.rec); err != nil {
		return err
	}
	if r.store, err = r.d.openArchive(ctx); err != nil {
		return err
	}
	for _, n := range r.d.nodes {
		m, err := n.metrics(ctx)
		if err != nil {
			return err
		}
		r.before = append(r.before, m)
	}
	if err := r.load(ctx); err != nil {
		return err
	}
	r.say("faults are over; what is under way arrives")
	if err := r.settle(ctx); err != nil {
		return err
	}
	r.say("everybody goes")
	for _, p := range r.people {
		p.leave()
	}
	return r.ending(ctx)
}

// load has everybody act while things break, and mends what is broken.
func (r *run) load(ctx context.Context) error {
	under, over := context.WithTimeout(ctx, r.o.For)
	defer over()
	acts, ended := context.WithCancel(ctx)
	defer ended()
	var acting, watching sync.WaitGroup
	for _, p := range r.people {
		acting.Go(func() { p.live(ctx, acts) })
	}
	watching.Go(func() { r.d.watchLoads(under, r.rec) })
	watching.Go(func() { r.progress(under) })
	r.d.inflict(under, r.report.Faults, r.rec)
	<-under.Done()
	watching.Wait()
	err := r.d.mend(ctx)
	ended()
	acting.Wait()
	return errors.Join(err, ctx.Err())
}

// progress tells how it goes, now and then.
func (r *run) progress(ctx context.Context) {
	for sleep(ctx, max(10*time.Second, r.o.For/20)) {
		r.rec.mu.Lock()
		c, broken := r.rec.counts, len(r.rec.violated)
		r.say("%d sessions, %d messages acknowledged, %d delivered, %d reconnects, %d violations",
			len(r.rec.opened), c["messages acknowledged"], c["messages delivered"], c["reconnects"], broken)
		r.rec.mu.Unlock()
	}
}

// settle waits until what was under way has arrived everywhere, and checks.
func (r *run) settle(ctx context.Context) error {
	if err := r.gatherAll(ctx); err != nil {
		return err
	}
	e, err := r.converge(ctx, r.d.limit(20*time.Second)+r.d.owed(), (*evidence).converging)
	if err != nil {
		return err
	}
	r.check(e)
	return nil
}

// converge gathers until nothing differs any more, and gives what there is then. What differs when the time is over is a violation.
func (r *run) converge(ctx context.Context, limit time.Duration, differs func(*evidence) []violation) (last *evidence, err error) {
	var left []violation
	var told time.Time
	// Gathering takes its time, on a slow machine more than the limit: what differs once may have been under way.
	for tries, began := 0, time.Now(); tries < 4 || time.Since(began) < limit; tries++ {
		if err = r.tryOnce(ctx, &last, &left, &told, differs); err == nil || !sleep(ctx, time.Second) {
			break
		}
	}
	if last == nil {
		return nil, fmt.Errorf("nothing can be asked: %w", err)
	}
	r.add(left...)
	return last, ctx.Err()
}

// tryOnce gathers once; an error is what differs, or why that cannot be told.
func (r *run) tryOnce(ctx context.Context, last **evidence, left *[]violation, told *time.Time, differs func(*evidence) []violation) error {
	e, err := r.d.gather(ctx, r.rec, r.people, r.store)
	if err != nil {
		return err
	}
	if *last, *left = e, differs(e); len(*left) == 0 {
		return nil
	}
	err = fmt.Errorf("%d differ, such as session %s: %s", len(*left), (*left)[0].Session, (*left)[0].What)
	if time.Since(*told) > 15*time.Second {
		*told = time.Now()
		r.say("waiting: %v", err)
	}
	return err
}

// gatherAll waits until everybody is connected.
func (r *run) gatherAll(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, r.d.limit(20*time.Second))
	defer cancel()
	var back sync.WaitGroup
	failed := make(chan error, len(r.people))
	for _, p := range r.people {
		back.Go(func() {
			if p.client() == nil {
				failed <- p.connect(ctx)
			}
		})
	}
	back.Wait()
	close(failed)
	var all []error
	for err := range failed {
		all = append(all, err)
	}
	return errors.Join(all...)
}

// check makes the checks that hold at any time.
func (r *run) check(e *evidence) {
	found, lost := e.safety()
	r.add(found...)
	r.report.Lost = lost
	found, r.report.Linear, r.report.LinearOpen = e.checkOwnership(20 * time.Second)
	r.add(found...)
	r.report.Sessions = len(e.sessions)
}

// ending waits until each session has ended by its timers, and checks what is left.
func (r *run) ending(ctx context.Context) error {
	e, err := r.converge(ctx, r.d.limit(nodeNoticed+agentGrace+abandonTimeout+offerTimeout)+r.d.owed(), func(e *evidence) []violation {
		return append(e.checkEnded(), e.converging()...)
	})
	if err != nil {
		return err
	}
	found, _ := e.safety()
	r.add(found...)
	if err := r.audit(ctx); err != nil {
		return err
	}
	return r.nodes(ctx)
}

// audit runs the deployment's own.
func (r *run) audit(ctx context.Context) error {
	args := append([]string{"audit", "--rate", "20000", "--log-level", "error"}, r.d.stores(r.d.redisURL())...)
	ctx, cancel := context.WithTimeout(ctx, r.d.limit(time.Minute))
	defer cancel()
	cmd := exec.CommandContext(ctx, r.o.Binary, args...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	var status *exec.ExitError
	if err == nil {
		r.say("audit: %s", strings.TrimSpace(string(out)))
		return nil
	}
	if !errors.As(err, &status) || len(out) == 0 {
		return fmt.Errorf("audit: %w: %s", err, stderr.String())
	}
	for line := range strings.Lines(string(out)) {
		r.add(violation{What: "audit: " + strings.TrimSpace(line)})
	}
	return nil
}

// What a node may have more than before anybody came: what the runtime keeps, and what an idle node does at times.
const (
	moreGoroutines = 40
	moreHeap       = 64 << 20
)

// nodes waits until nodes are as they were, and looks how they are.
func (r *run) nodes(ctx context.Context) error {
	for i, n := range r.d.nodes {
		var m map[string]float64
		err := eventually(ctx, r.d.limit(15*time.Second), func() (err error) {
			if m, err = n.metrics(ctx); err != nil {
				return err
			}
			if now, then := m["go_goroutines"], r.before[i]["go_goroutines"]; now > then+moreGoroutines {
				return fmt.Errorf("%s has %.0f goroutines, and had %.0f before anybody came", n.name, now, then)
			}
			if now, then := m["go_memstats_heap_inuse_bytes"], r.before[i]["go_memstats_heap_inuse_bytes"]; now > then+moreHeap {
				return fmt.Errorf("%s has %.0f MiB of heap, and had %.0f before anybody came", n.name, now/(1<<20), then/(1<<20))
			}
			return nil
		})
		switch {
		case m == nil:
			return err
		case err != nil:
			r.add(violation{What: err.Error()})
		}
		if m["bellhop_panics_total"] > 0 {
			r.add(violation{What: fmt.Sprintf("%s caught %.0f panics:\n%s", n.name, m["bellhop_panics_total"], n.logTail())})
		}
	}
	for _, n := range r.d.nodes {
		n.mu.Lock()
		for _, death := range n.deaths {
			r.add(violation{What: death + "\n" + n.logTail()})
		}
		n.mu.Unlock()
	}
	return nil
}

// finish puts what was recorded into the report.
func (r *run) finish() {
	r.rec.mu.Lock()
	along := append([]violation(nil), r.rec.violated...)
	r.report.Counts, r.report.Longest = r.rec.counts, r.rec.longest
	for _, e := range r.rec.journal {
		if e.session == "" {
			r.report.Journal = append(r.report.Journal, e.at.Format("15:04:05.000")+"  "+e.text)
		}
	}
	r.rec.mu.Unlock()
	r.add(along...)
}
