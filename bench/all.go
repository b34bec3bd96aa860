package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

type allCommand struct {
	Quick bool     `help:"Smaller sizes, one round: a few minutes. Goals are only shown where the size is theirs."`
	Full  bool     `help:"The sizes that the goals are set for, three rounds, and what takes long besides."`
	Only  []string `help:"Only these scenarios."`
	Out   string   `default:"bench/out" help:"The folder for the figures (JSON) and the report (HTML)." placeholder:"FOLDER"`
}

// named is a scenario with the name it is asked for by.
type named struct {
	name string
	scenario
}

// scenarios are what is run in turn, at the sizes of a mode.
func (c *allCommand) scenarios() []named {
	if c.Quick {
		return []named{
			{"chat", &chatCommand{Sessions: 500, Agents: 50, InFlight: 64, Messages: 20000, SendRate: 20, Rounds: 1}},
			{"life", &lifeCommand{Sessions: 1000, Agents: 50, Rounds: 1}},
			{"storm", &stormCommand{Clients: 2000, Missed: 20, Within: time.Second, Agents: 50, Rounds: 1}},
			{"hall", &hallCommand{Watchers: 300, Orders: 100, Few: 2, For: 5 * time.Second, Rounds: 1}},
			{"fanout", &fanoutCommand{Assistants: 50, Messages: 2000, InFlight: 8, Rounds: 1}},
			{"grow", &growCommand{Sessions: []int{1000, 10000}, Nodes: []int{1, 2}, Watchers: []int{1, 100}, Logs: []int{100, 1000}, Talking: 500, Messages: 10000, InFlight: 64, Rounds: 1, Room: 2500}},
			{"idle", &idleCommand{Conns: 5000, Rest: 10 * time.Second}},
			{"rest", &restCommand{For: 10 * time.Second}},
			{"memory", &memoryCommand{Sessions: 1000, Each: 50}},
			{"archive", &archiveCommand{Store: "sqlite", Sessions: 300, Each: 50, Rounds: 1}},
		}
	}
	all := []named{
		{"chat", &chatCommand{Sessions: 1000, Agents: 100, InFlight: 64, Messages: 60000, SendRate: 20, Rounds: 3}},
		{"life", &lifeCommand{Sessions: 4000, Agents: 50, Rounds: 3}},
		{"storm", &stormCommand{Clients: 10000, Missed: 20, Within: time.Second, Agents: 100, Rounds: 3}},
		{"hall", &hallCommand{Watchers: 300, Orders: 100, Few: 2, For: 10 * time.Second, Rounds: 3}},
		{"fanout", &fanoutCommand{Assistants: 50, Messages: 5000, InFlight: 8, Rounds: 3}},
		{"grow", &growCommand{Sessions: []int{1000, 10000, 100000}, Nodes: []int{1, 2, 4}, Watchers: []int{1, 10, 100, 1000}, Logs: []int{1000, 10000}, Talking: 1000, Messages: 40000, InFlight: 64, Rounds: 3, Room: 2500}},
		{"idle", &idleCommand{Conns: 10000, Rest: 30 * time.Second}},
		{"rest", &restCommand{For: 20 * time.Second}},
		{"memory", &memoryCommand{Sessions: 5000, Each: 50}},
		{"auto", &autoCommand{Agents: 5000, Capacity: 3, Orders: 300, For: 20 * time.Second, Hold: 5 * time.Second, IdleQueues: 50, IdleAgents: 500, IdleFor: 60 * time.Second, Rest: 5 * time.Second}},
		{"burst", &burstCommand{Sessions: 10000, Agents: 500}},
		{"archive", &archiveCommand{Store: "sqlite", Sessions: 1000, Each: 50, Rounds: 3}},
	}
	if c.Full {
		all[5].scenario.(*growCommand).Sessions = []int{1000, 10000, 100000, 1000000} //nolint:forcetypeassert // it is, above
		all = append(all, named{"losers", &losersCommand{Agents: 200, Losers: 10000, Orders: 200, Rounds: 5}},
			named{"wait", &waitCommand{Users: 10000, Grabs: 20, Measure: 20 * time.Second}},
			named{"history", &historyCommand{Messages: 1000000, Pages: 500}}, named{"search", &searchCommand{Messages: 1000000, Queries: 200}})
	}
	return all
}

func (c *allCommand) mode() string {
	switch {
	case c.Quick:
		return "quick"
	case c.Full:
		return "full"
	default:
		return "goals"
	}
}

// Run measures all, one after the other, and writes what it has after each: one that fails costs no other its figures.
func (c *allCommand) Run(ctx context.Context, o *options) error {
	d := newDocument(ctx, c.mode())
	file := o.JSON
	if err := os.MkdirAll(c.Out, 0o750); err != nil {
		return err
	}
	if file == "" {
		file = filepath.Join(c.Out, fmt.Sprintf("%s-%s.json", d.Date.Format("20060102-150405"), d.Mode))
	}
	var failed error
	for _, s := range c.scenarios() {
		if len(c.Only) > 0 && !contains(c.Only, s.name) {
			continue
		}
		fmt.Fprintf(os.Stderr, "%s …\n", s.name)
		r, err := s.measure(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			failed = fmt.Errorf("%s: %w", s.name, err)
			fmt.Fprintln(os.Stderr, failed)
			continue
		}
		d.take(r)
		if err := d.write(file); err != nil {
			return err
		}
	}
	fmt.Print(heading(d) + "\n" + table(d.Figures))
	page := file[:len(file)-len(filepath.Ext(file))] + ".html"
	if err := writePage(page, d); err != nil {
		return err
	}
	fmt.Printf("\n%s\n%s\n", file, page)
	return failed
}

// heading says what was measured where.
func heading(d *document) string {
	changed := ""
	if d.Changed {
		changed = " and more"
	}
	return fmt.Sprintf("%s, commit %s%s, %s, %d cores (%s), Redis %s, mode %s", d.Date.Format(time.DateTime), d.Commit, changed, d.Machine.OS,
		d.Machine.Cores, d.Machine.CPU, d.Redis, d.Mode)
}
