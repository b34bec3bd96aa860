package faults

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// Report is what came of a run.
type Report struct {
	Options    Options
	Faults     []Fault
	Counts     map[string]int
	Sessions   int
	Longest    time.Duration // that somebody who wanted to be connected was not
	Lost       int           // acknowledged messages that Redis lost, as it may
	Linear     int           // sessions whose owners were compared
	LinearOpen int           // of these: it took too long to tell
	Journal    []string      // of what concerns all
	Violations []string      // each with what happened around it
}

// most is how many violations of a run are told; the rest is counted.
const most = 200

// add takes violations, each once.
func (r *Report) add(rec *record, found ...violation) {
	for _, v := range found {
		text := v.What
		if v.Session != "" {
			text = "session " + v.Session + ": " + text
		}
		if !v.At.IsZero() {
			text += " (" + v.At.Format("15:04:05.000") + ")"
		}
		known := slices.ContainsFunc(r.Violations, func(s string) bool { return s == text || strings.HasPrefix(s, text+"\n") })
		if known || len(r.Violations) >= most {
			continue
		}
		if len(r.Violations) < 20 {
			if lines := rec.around(v); len(lines) > 0 {
				text += "\n    " + strings.Join(lines, "\n    ")
			}
		}
		r.Violations = append(r.Violations, text)
	}
}

// WriteJournal tells what broke and who could not connect, line by line.
func (r *Report) WriteJournal(w io.Writer) {
	for _, line := range r.Journal {
		_, _ = fmt.Fprintln(w, line)
	}
}

// Write tells it.
func (r *Report) Write(w io.Writer) {
	o := r.Options
	say := func(format string, args ...any) { _, _ = fmt.Fprintf(w, format+"\n", args...) }
	say("\nseed %d on %s (fsync %s), archive in %s, for %v at intensity %v", o.Seed, o.Engine, o.Fsync, o.Archive, o.For, o.Intensity)
	for _, what := range slices.Sorted(maps.Keys(r.Counts)) {
		say("  %-46s %8d", what, r.Counts[what])
	}
	say("  %-46s %8d", "sessions", r.Sessions)
	say("  %-46s %8d", "sessions whose owners were compared", r.Linear)
	say("  %-46s %8d", "of these, too long to tell", r.LinearOpen)
	say("  %-46s %8d", "acknowledged and lost by Redis, as it may", r.Lost)
	say("  %-46s %8.1f s", "longest that somebody was away unwillingly", r.Longest.Seconds())
	for _, v := range r.Violations {
		say("\nVIOLATION (seed %d): %s", o.Seed, v)
	}
	say("\n%d violations", len(r.Violations))
	if len(r.Violations) > 0 {
		again := fmt.Sprintf("go run ./bench faults --seed %d --for %v --engine %s --fsync %s --archive %s --nodes %d --users %d --agents %d --intensity %v",
			o.Seed, o.For, o.Engine, o.Fsync, o.Archive, o.Nodes, o.Users, o.Agents, o.Intensity)
		say("the same faults again: %s", again)
	}
}
