package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"

	"bellhop/broker"
)

// restoreCommand rebuilds Redis from the archive.
type restoreCommand struct {
	Stores `embed:""`
}

// auditCommand checks the promises.
type auditCommand struct {
	Stores `embed:""`
	Rate   float64 `default:"2000" help:"Checks a second at most; each is a few commands to Redis."`
	Repair bool    `help:"Mend registrations, places, and what the archive has and Redis has not; then check again."`
}

// deployment are the stores of a command that is no node.
func (s *Stores) deployment(ctx context.Context) (o broker.Options, done func(), err error) {
	if err := s.Validate(); err != nil {
		return o, nil, settingsError{err}
	}
	if s.Embedded() {
		return o, nil, settingsError{errors.New("--redis-url: missing; the embedded Redis ends with its process")}
	}
	rdb, err := broker.Dial(s.RedisURL.Reveal())
	if err != nil {
		return o, nil, settingsError{fmt.Errorf("--redis-url: %w", err)}
	}
	log := newLog(s)
	if err := waitFor(ctx, log, "Redis", func(ctx context.Context) error { return rdb.Ping(ctx).Err() }); err != nil {
		_ = rdb.Close()
		return o, nil, err
	}
	store, err := openArchive(ctx, s, log)
	if err != nil {
		_ = rdb.Close()
		return o, nil, err
	}
	return s.options(rdb, store, log), func() {
		_ = store.Close()
		_ = rdb.Close()
	}, nil
}

// Run restores; stopped, it may be run again.
func (c *restoreCommand) Run(ctx context.Context, out io.Writer) error {
	o, done, err := c.deployment(ctx)
	if err != nil {
		return err
	}
	defer done()
	b := &bar{what: "restoring sessions"}
	r, err := broker.Restore(ctx, o, b.show)
	b.end()
	if err != nil {
		return refusedStores(err)
	}
	_, err = fmt.Fprintf(out, "restored %d sessions and %d records\n", r.Sessions, r.Records)
	return err
}

// errViolations makes the exit status 1.
var errViolations = errors.New("promises are broken")

// Run prints each violation that lasts, with the keys concerned.
func (c *auditCommand) Run(ctx context.Context, out io.Writer) error {
	if c.Rate <= 0 {
		return settingsError{errors.New("--rate: more than 0")}
	}
	o, done, err := c.deployment(ctx)
	if err != nil {
		return err
	}
	defer done()
	b := &bar{what: "checking"}
	found, err := broker.Audit(ctx, o, broker.AuditOptions{Rate: c.Rate, Repair: c.Repair, Progress: b.show})
	b.end()
	if err != nil {
		return refusedStores(err)
	}
	for _, v := range found {
		if _, err := fmt.Fprintln(out, v); err != nil {
			return err
		}
	}
	if len(found) > 0 {
		return fmt.Errorf("%w: %d violations", errViolations, len(found))
	}
	_, err = fmt.Fprintf(out, "%d checks, all promises hold\n", b.total)
	return err
}

// bar is a progress bar on stderr.
type bar struct {
	what  string
	total int
	pb    *progressbar.ProgressBar
}

func (b *bar) show(done, total int) {
	if b.pb == nil {
		b.pb = progressbar.NewOptions(total, progressbar.OptionSetWriter(os.Stderr), progressbar.OptionSetDescription(b.what),
			progressbar.OptionShowCount(), progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionFullWidth())
	}
	if total != b.total {
		b.pb.ChangeMax(total)
	}
	b.total = total
	_ = b.pb.Set(done) // only beyond its end, which it never is
}

func (b *bar) end() {
	if b.pb != nil {
		_ = b.pb.Exit()
		_, _ = fmt.Fprintln(os.Stderr)
	}
}
