// Package doctor looks at a deployment and says what would hurt it. It changes nothing.
package doctor

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"
)

// Severity is how much a finding would hurt.
type Severity int

// Severities, the worst last.
const (
	Fine    Severity = iota // looked at, and as it should be
	Note                    // worth knowing
	Warning                 // will hurt one day
	Grave                   // loses messages, or keeps people out
)

// String is the severity as it is printed.
func (s Severity) String() string { return [...]string{"ok", "note", "warning", "grave"}[s] }

// Finding is one line of what was seen.
type Finding struct {
	Severity Severity
	What     string
	Page     string // that says what to do, of this repository; none where all is well
}

// Deployment is what is looked at. What is nil or empty is not.
type Deployment struct {
	Redis      redis.UniversalClient
	Partitions func(ctx context.Context) (partitions, masters, used int, err error) // as broker.Survey has them
	Archive    func(ctx context.Context) error                                      // nil where it can be reached, written to and searched
	Settings   Settings
	Machine    Machine
	URL        string // of the site, as clients reach it
	Now        func() time.Time
}

// Run looks at everything, each thing for itself: what does not answer hides nothing else.
func Run(ctx context.Context, d Deployment) []Finding {
	if d.Now == nil {
		d.Now = time.Now
	}
	var out []Finding
	out = append(out, d.Settings.look()...)
	out = append(out, d.Machine.look(d.Settings.MaxConns)...)
	if d.Redis != nil {
		out = append(out, d.redis(ctx)...)
	}
	if d.Partitions != nil {
		out = append(out, d.spread(ctx)...)
	}
	if d.Archive != nil {
		out = append(out, d.archive(ctx))
	}
	if d.URL != "" {
		out = append(out, d.site(ctx)...)
	}
	return out
}

// Worst is the severity of the worst finding.
func Worst(list []Finding) (s Severity) {
	for _, f := range list {
		s = max(s, f.Severity)
	}
	return s
}

// Sort puts the worst first, and leaves what is as bad in order.
func Sort(list []Finding) {
	slices.SortStableFunc(list, func(a, b Finding) int { return int(b.Severity - a.Severity) })
}

func fine(format string, args ...any) Finding { return Finding{Fine, fmt.Sprintf(format, args...), ""} }

func (d *Deployment) spread(ctx context.Context) []Finding {
	const page = "docs/operations.md#another-number-of-partitions"
	partitions, masters, used, err := d.Partitions(ctx)
	switch {
	case err != nil:
		return []Finding{{Warning, fmt.Sprintf("it is not known how the partitions lie on the masters: %v", err), page}}
	case masters > partitions:
		return []Finding{{Warning, fmt.Sprintf("%d partitions on %d masters: some hold nothing", partitions, masters), page}}
	case used < masters:
		return []Finding{{Warning, fmt.Sprintf("%d partitions lie on %d of %d masters", partitions, used, masters), page}}
	}
	return []Finding{fine("%d partitions on %d masters", partitions, masters)}
}

func (d *Deployment) archive(ctx context.Context) Finding {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if err := d.Archive(ctx); err != nil {
		return Finding{Grave, fmt.Sprintf("the archive does not take anything: %v", err), "docs/operations.md#alert-archive-lag"}
	}
	return fine("the archive can be reached, written to and searched")
}
