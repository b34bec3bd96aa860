package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"bellhop/broker"
)

// repartitionCommand moves a deployment to another number of partitions.
type repartitionCommand struct {
	Stores `embed:""`
	Wait   time.Duration `default:"2m" help:"How long nodes have to leave. If some do not, it is called off."`
	Cancel bool          `help:"Call one off that was begun and has not moved anything yet."`
}

// Run moves; stopped, it may be run again, and goes on.
func (c *repartitionCommand) Run(ctx context.Context, out io.Writer) error {
	if c.Wait <= 0 {
		return settingsError{errors.New("--wait: more than 0")}
	}
	if c.Partitions == 0 && !c.Cancel {
		return settingsError{errors.New("--partitions: how many there are to be")}
	}
	o, done, err := c.deployment(ctx)
	if err != nil {
		return err
	}
	defer done()
	b := &bar{}
	r, err := broker.Repartition(ctx, o, broker.RepartitionOptions{Wait: c.Wait, Cancel: c.Cancel, Progress: func(what string, done, total int) {
		if b.what != what {
			b.end()
			b = &bar{what: what}
			o.Log.Info("repartition", "step", what)
		}
		if total > 0 {
			b.show(done, total)
		}
	}})
	b.end()
	switch {
	case err != nil:
		return refusedStores(err)
	case c.Cancel:
		_, err = fmt.Fprintln(out, "no repartition is under way")
	case r.Stop == 0:
		_, err = fmt.Fprintf(out, "there are %d partitions\n", r.To)
	default:
		_, err = fmt.Fprintf(out, "%d partitions where there were %d; nodes were stopped for %s\n", r.To, r.From, r.Stop.Round(time.Millisecond))
	}
	return err
}
