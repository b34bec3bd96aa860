package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/shirou/gopsutil/v4/cpu"
	"github.com/shirou/gopsutil/v4/mem"
)

// schema is the version of what --json writes; it grows where a reader of an older one would err.
const schema = 1

// Which way a figure is better.
const (
	less = "less"
	more = "more"
)

// figure is one thing that was measured: scenario and name are its key in comparisons.
type figure struct {
	Scenario string    `json:"scenario"`
	Name     string    `json:"name"`
	Unit     string    `json:"unit"`
	Value    float64   `json:"value"` // the median where there are rounds
	Rounds   []float64 `json:"rounds,omitempty"`
	Better   string    `json:"better,omitempty"` // "less", "more", or neither
	Goal     *float64  `json:"goal,omitempty"`   // only where it was measured at the goal's size
}

// met tells whether the goal is met; ok is false where there is none.
func (f figure) met() (met, ok bool) {
	switch {
	case f.Goal == nil:
		return false, false
	case f.Better == more:
		return f.Value >= *f.Goal, true
	default:
		return f.Value <= *f.Goal, true
	}
}

// goal gives a figure its goal where it was measured at the size that the goal is for.
func (f figure) goal(at bool, value float64) figure {
	if at {
		f.Goal = &value
	}
	return f
}

// of makes a figure of its rounds.
func of(scenario, name, unit, better string, rounds ...float64) figure {
	f := figure{Scenario: scenario, Name: name, Unit: unit, Better: better, Value: median(slices.Clone(rounds))}
	if len(rounds) > 1 {
		f.Rounds = rounds
	}
	return f
}

// series is one line of a plot; lines of one scenario and title share the plot.
type series struct {
	Scenario string       `json:"scenario"`
	Title    string       `json:"title"`
	Line     string       `json:"line"`
	X        string       `json:"x"`
	Unit     string       `json:"unit"`
	Points   [][2]float64 `json:"points"`
}

// machine is what it was measured on.
type machine struct {
	Cores  int     `json:"cores"`
	CPU    string  `json:"cpu"`
	Memory float64 `json:"memoryBytes"`
	OS     string  `json:"os"`
	Go     string  `json:"go"`
}

// document is what --json writes.
type document struct {
	Schema  int       `json:"schema"`
	Commit  string    `json:"commit"`
	Changed bool      `json:"changed"` // there was more in the folder than the commit has
	Date    time.Time `json:"date"`
	Mode    string    `json:"mode"` // quick, full, or the one scenario's name
	Machine machine   `json:"machine"`
	Redis   string    `json:"redis"`
	Figures []figure  `json:"figures"`
	Series  []series  `json:"series,omitempty"`
}

func newDocument(ctx context.Context, mode string) *document {
	d := &document{Schema: schema, Date: time.Now().UTC().Truncate(time.Second), Mode: mode, Redis: redisVersion(ctx),
		Machine: machine{Cores: runtime.NumCPU(), OS: runtime.GOOS + "/" + runtime.GOARCH, Go: runtime.Version()}}
	if out, err := exec.CommandContext(ctx, "git", "rev-parse", "--short=12", "HEAD").Output(); err == nil {
		d.Commit = strings.TrimSpace(string(out))
		out, err = exec.CommandContext(ctx, "git", "status", "--porcelain").Output()
		d.Changed = err != nil || len(out) > 0
	}
	if infos, err := cpu.InfoWithContext(ctx); err == nil && len(infos) > 0 {
		d.Machine.CPU = infos[0].ModelName
	}
	if m, err := mem.VirtualMemoryWithContext(ctx); err == nil {
		d.Machine.Memory = float64(m.Total)
	}
	return d
}

// redisVersion is that of the redis-server that is started; "" where it does not say.
func redisVersion(ctx context.Context) string {
	out, err := exec.CommandContext(ctx, "redis-server", "--version").Output()
	if err != nil {
		return ""
	}
	for _, word := range strings.Fields(string(out)) {
		if v, ok := strings.CutPrefix(word, "v="); ok {
			return v
		}
	}
	return ""
}

func (d *document) take(r report) {
	d.Figures = append(d.Figures, r.figures()...)
	if p, ok := r.(plotted); ok {
		d.Series = append(d.Series, p.series()...)
	}
}

// get is a figure's value.
func (d *document) get(scenario, name string) (float64, bool) {
	for _, f := range d.Figures {
		if f.Scenario == scenario && f.Name == name {
			return f.Value, true
		}
	}
	return 0, false
}

// check refuses a document that a reader of this schema would err with.
func (d *document) check() error {
	if d.Schema != schema {
		return fmt.Errorf("schema %d; this program reads %d", d.Schema, schema)
	}
	seen := map[string]bool{}
	for _, f := range d.Figures {
		key := f.Scenario + ": " + f.Name
		switch {
		case f.Scenario == "" || f.Name == "":
			return errors.New("a figure has no name")
		case seen[key]:
			return fmt.Errorf("%s is there twice", key)
		case !slices.Contains([]string{"", less, more}, f.Better):
			return fmt.Errorf("%s: better %q is neither %s nor %s", key, f.Better, less, more)
		}
		seen[key] = true
	}
	return nil
}

func (d *document) write(file string) error {
	if err := d.check(); err != nil {
		return err
	}
	data, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(data, '\n'), 0o600)
}

func readDocument(file string) (*document, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return parseDocument(file, data)
}

func parseDocument(name string, data []byte) (*document, error) {
	d := &document{}
	if err := json.Unmarshal(data, d); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if err := d.check(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return d, nil
}
