package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"math"
	"os"
	"strings"
)

// measuredJSON is what simulations and docs/scaling.md go by unless told otherwise: figures of `go run ./bench all`.
//
//go:embed measured.json
var measuredJSON []byte

type simCommand struct {
	demand
	Masters []int   `default:"3,16,64" help:"Masters to simulate."`
	From    string  `help:"Figures of a run (JSON); unset: those in the repository." placeholder:"FILE"`
	Seed    uint64  `default:"1" help:"The same seed gives the same figures."`
	Seconds float64 `default:"2" help:"How long each master is simulated."`
	Doc     bool    `help:"Print the tables of docs/scaling.md."`
	Write   string  `help:"Write those tables into this file, between its marks." placeholder:"FILE"`
}

// outcome is what one number of masters gives.
type outcome struct {
	masters, used int
	mean, most    float64 // utilisation over those that are used, and the busiest's
	p50, p99      float64 // ms until a message is carried out, over all masters
	worst         float64 // ms, p99 at the busiest
	lost          loss
	sustained     float64 // messages a second at which the busiest is 70 % busy
}

// loss is what it means that the busiest master goes.
type loss struct {
	users, backlog float64
	worked         float64 // s from the loss until nothing waits any more; +Inf: never
	herd           float64 // s of Redis that returns and comparisons cost
}

func (c *simCommand) figures() (prices, *document, error) {
	d, err := parseDocument("measured.json", measuredJSON)
	if c.From != "" {
		d, err = readDocument(c.From)
	}
	if err != nil {
		return prices{}, nil, err
	}
	p, err := pricesOf(d)
	return p, d, err
}

// Run simulates, and shows it.
func (c *simCommand) Run(context.Context, *options) error {
	if err := c.check(); err != nil {
		return err
	}
	if len(c.Masters) == 0 || !(c.Seconds > 0) || c.Seconds > 600 {
		return errors.New("--masters: one or more; --seconds: up to 600")
	}
	p, d, err := c.figures()
	if err != nil {
		return err
	}
	if c.Doc || c.Write != "" {
		text := scalingTables(p, d, c.Seed)
		if c.Write == "" {
			fmt.Print(text)
			return nil
		}
		return replaceBlock(c.Write, simBegin, text)
	}
	fmt.Printf("%s\n%s", heading(d), c.demand)
	var rows []outcome
	for _, n := range c.Masters {
		if n < 1 || n > 16384 {
			return fmt.Errorf("--masters: 1 to 16384, not %d", n)
		}
		rows = append(rows, simulate(c.demand, p, n, c.Seconds, c.Seed))
	}
	fmt.Print(outcomes(rows))
	return nil
}

// String tells what is simulated.
func (d demand) String() string {
	return fmt.Sprintf("%d connections, %d open sessions, %.0f messages, %.0f sessions and %.0f connections a second, skew %.2f, %d partitions\n",
		d.Connections, d.Sessions, d.Messages, d.Opens, d.Comings, d.Skew, d.Partitions)
}

// simulate runs each master that has a partition.
func simulate(d demand, p prices, masters int, seconds float64, seed uint64) outcome {
	o := outcome{masters: masters}
	all := d.spread(masters, seed)
	var busiest master
	var waits passage
	for i, m := range all {
		if m.partitions == 0 {
			continue
		}
		ws := m.works(d, p)
		rho := utilisation(ws)
		o.used++
		o.mean += rho
		ran := run(ws, seconds, 0, 0, seed+uint64(i)<<32)
		if rho > o.most {
			o.most, busiest = rho, m
			o.worst = float64(ran.waits.ValueAtQuantile(99)) / 1000
		}
		if waits.waits == nil {
			waits = ran
		} else {
			waits.waits.Merge(ran.waits)
		}
	}
	o.mean /= float64(o.used)
	o.p50, o.p99 = float64(waits.waits.ValueAtQuantile(50))/1000, float64(waits.waits.ValueAtQuantile(99))/1000
	rest := utilisation(busiest.works(d, p)) - busiest.messages*d.Messages*p.Message/1e6
	o.sustained = max(0, 0.7-rest) * 1e6 / p.Message / busiest.messages
	o.lost = lose(d, p, busiest, seed)
	return o
}

// lose takes the busiest master away for as long as a failover takes. Its users' messages wait at their clients, and come
// again in their order; all its connections are registered again, and all its sessions compared.
func lose(d demand, p prices, m master, seed uint64) loss {
	ws := m.works(d, p)
	herd := m.sessions * (float64(d.Connections)*p.Connect + float64(d.Sessions)*p.Return/2)
	away := d.Failover.Seconds()
	l := loss{users: m.sessions * float64(d.Connections), herd: herd / 1e6}
	rho := utilisation(ws)
	if rho >= 1 {
		l.backlog, l.worked = m.messages*d.Messages*away, math.Inf(1)
		return l
	}
	window := min(600, 1.2*(away+herd/1e6)/(1-rho)+1)
	ran := run(ws, window, away, herd, seed)
	l.backlog, l.worked = float64(ran.backlog), ran.worked
	return l
}

func outcomes(rows []outcome) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%8s%8s%10s%10s%10s%10s%12s%14s%12s%10s%12s\n", "masters", "used", "busy", "busiest", "p50 ms", "p99 ms", "its p99 ms", "msgs/s at 70%", "lost: users", "backlog", "back after")
	for _, o := range rows {
		fmt.Fprintf(&b, "%8d%8d%9.0f%%%9.0f%%%10s%10s%12s%14.0f%12.0f%10.0f%12s\n", o.masters, o.used, 100*o.mean, 100*o.most, delay(o, o.p50), delay(o, o.p99),
			delay(o, o.worst), o.sustained, o.lost.users, o.lost.backlog, o.lost.when())
	}
	return b.String()
}

// delay is a delay in ms; where a master has more to do than it can, there is none that lasts.
func delay(o outcome, ms float64) string {
	if o.most >= 1 {
		return "grows"
	}
	return number(ms)
}

func (l loss) when() string {
	if math.IsInf(l.worked, 1) {
		return "never"
	}
	return fmt.Sprintf("%.0f s", l.worked)
}

// replaceBlock puts a text between a file's marks.
func replaceBlock(file, begin, text string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	before, rest, ok := strings.Cut(string(data), begin)
	_, after, ok2 := strings.Cut(rest, blockEnd)
	if !ok || !ok2 {
		return fmt.Errorf("%s lacks the marks %s and %s", file, begin, blockEnd)
	}
	return os.WriteFile(file, []byte(before+begin+"\n\n"+text+"\n"+blockEnd+after), 0o644)
}
