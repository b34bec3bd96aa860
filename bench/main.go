// Command bench measures Bellhop beside its floors, alternating in one run, so
// that ratios hold on a noisy machine:
//
//	go run ./bench            # floors and chat
//	go run ./bench all        # all that has goals: table, JSON and HTML; --quick, --full
//	go run ./bench compare a.json b.json
//	go run ./bench sim        # 3, 16, 64 masters, and the loss of one, simulated
//	go run ./bench rest       # a node while nothing happens
//	go run ./bench idle       # memory of idle connections
//	go run ./bench losers     # what losing grabs cost the next order
//	go run ./bench wait       # what it costs to tell many waiting users their positions
//	go run ./bench auto       # many orders for very many agents, assigned; and what that costs while nothing comes
//	go run ./bench burst      # a burst of waiting sessions, assigned
//	go run ./bench archive    # the archiver beside raw inserts; --store=mongo for FerretDB
//	go run ./bench life       # what opening, grabbing and ending a session cost
//	go run ./bench hall       # agents who watch a queue that many orders come to
//	go run ./bench storm      # ten thousand clients who come back within a second
//	go run ./bench rolling    # nodes behind nginx end one after the other while clients talk
//	go run ./bench fanout     # one session with fifty assistants
//	go run ./bench grow       # a message's cost as sessions, nodes, watchers and logs grow
//	go run ./bench memory     # Redis memory of open sessions
//	go run ./bench history    # pages deep in a session of a million messages
//	go run ./bench search     # searches over a million messages
//	go run ./bench hostile    # what others feel while one participant does its worst
//	go run ./bench faults     # no figures: breaks a whole deployment, and checks the promises
//
// It starts redis-server and Bellhop itself, on free loopback ports, and stops
// them. The tables go to stdout; --json names a file for the figures.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"

	"bellhop/internal/cli"
)

type options struct {
	JSON    string `help:"Write the figures to this file." placeholder:"FILE"`
	Profile string `help:"Write the first node's processor profile of the last round to this file (storm, hall, fanout, life)." placeholder:"FILE"`

	All     allCommand     `cmd:"" help:"All of the scenarios with goals; a table, the figures as JSON, and a report."`
	Sim     simCommand     `cmd:"" help:"What load over several masters, and the loss of one, would do, by measured figures."`
	Goals   goalsCommand   `cmd:"" help:"The table of goals in docs/performance.md."`
	Compare compareCommand `cmd:"" help:"The figures of two runs beside each other."`
	Chat    chatCommand    `cmd:"" default:"withargs" help:"Floors and chat."`
	Idle    idleCommand    `cmd:"" help:"Memory of idle connections."`
	Losers  losersCommand  `cmd:"" help:"The next order's grab with and without a crowd of losers before it."`
	Fanout  fanoutCommand  `cmd:"" help:"One session that many take part in."`
	Grow    growCommand    `cmd:"" help:"The cost of a message as open sessions, nodes, watchers and logs grow."`
	Rest    restCommand    `cmd:"" help:"What a node costs while nothing happens."`
	Wait    waitCommand    `cmd:"" help:"What it costs to tell many waiting users their positions."`
	Auto    autoCommand    `cmd:"" help:"Orders that are assigned to very many agents, and queues that assign to which nothing comes."`
	Burst   burstCommand   `cmd:"" help:"How long it takes to assign a burst of waiting sessions."`
	Archive archiveCommand `cmd:"" help:"What the archiver writes, beside raw inserts."`
	Life    lifeCommand    `cmd:"" help:"What opening, grabbing and ending a session cost."`
	Storm   stormCommand   `cmd:"" help:"Very many clients who come back at once, having missed messages."`
	Rolling rollingCommand `cmd:"" help:"Nodes behind nginx that end, one after the other, while clients talk; exit status 1 where a message is lost or doubled, or somebody is away for too long."`
	Hall    hallCommand    `cmd:"" help:"Agents who watch a queue that many orders come to."`
	Memory  memoryCommand  `cmd:"" help:"Redis memory of open sessions."`
	History historyCommand `cmd:"" help:"Pages of history deep in a very long session."`
	Search  searchCommand  `cmd:"" help:"Searches over very many messages."`
	Hostile hostileCommand `cmd:"" help:"What others feel while one participant does its worst."`
	Faults  faultsCommand  `cmd:"" help:"Break a whole deployment by a schedule that a seed gives, and check the promises; exit status 1 if one is broken."`
	Echo    echoCommand    `cmd:"" hidden:"" help:"A bare gws echo; the benchmark starts it."`
	Attack  attackCommand  `cmd:"" hidden:"" help:"The attacker of hostile, which starts it."`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	var o options
	command, err := o.parse(os.Args[1:])
	if errors.Is(err, cli.ErrHelp) {
		return
	}
	if err == nil {
		profileTo = o.Profile
		err = o.do(ctx, command)
	}
	unbuild()
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// runner is a command that is no scenario.
type runner interface {
	Run(ctx context.Context, o *options) error
}

// parse finds what is asked for. Help goes to stdout.
func (o *options) parse(args []string) (*cli.Command, error) {
	return cli.New(o, cli.Options{Name: "bench", Help: "Measures Bellhop."}).Parse(args, os.Stdout)
}

// do carries it out.
func (o *options) do(ctx context.Context, c *cli.Command) error {
	if s, ok := c.Target.(scenario); ok {
		return o.run(ctx, c.Name, s)
	}
	return c.Target.(runner).Run(ctx, o) //nolint:forcetypeassert // a test has each
}

// run measures one scenario, shows it, and writes it where that is wanted.
func (o *options) run(ctx context.Context, name string, s scenario) error {
	d := newDocument(ctx, name)
	r, err := s.measure(ctx)
	if err != nil {
		return err
	}
	d.take(r)
	fmt.Printf("%s\n%s", r.title(), table(d.Figures))
	if o.JSON != "" {
		err = d.write(o.JSON)
	}
	if b, ok := r.(interface{ broken() error }); ok { // what must hold, and does not
		err = errors.Join(err, b.broken())
	}
	return err
}
