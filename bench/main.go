// Command bench measures Bellhop beside its floors, alternating in one run, so
// that ratios hold on a noisy machine:
//
//	go run ./bench            # floors and chat
//	go run ./bench idle       # memory of idle connections
//	go run ./bench flat       # Redis commands a message as things grow
//	go run ./bench losers     # what losing grabs cost the next order
//	go run ./bench wait       # what it costs to tell many waiting users their positions
//	go run ./bench auto       # many orders for very many agents, assigned; and what that costs while nothing comes
//	go run ./bench burst      # a burst of waiting sessions, assigned
//	go run ./bench archive    # the archiver beside raw inserts; --store=mongo for FerretDB
//	go run ./bench life       # what opening, grabbing and ending a session cost
//	go run ./bench hall       # agents who watch a queue that many orders come to
//	go run ./bench memory     # Redis memory of open sessions
//	go run ./bench history    # pages deep in a session of a million messages
//	go run ./bench search     # searches over a million messages
//	go run ./bench hostile    # what others feel while one participant does its worst
//
// It starts redis-server and Bellhop itself, on free loopback ports, and stops
// them. The tables go to stdout; --json names a file for the figures.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"

	"github.com/alecthomas/kong"
)

type options struct {
	JSON string `help:"Write the figures to this file." placeholder:"FILE"`

	Chat    chatCommand    `cmd:"" default:"withargs" help:"Floors and chat."`
	Idle    idleCommand    `cmd:"" help:"Memory of idle connections."`
	Flat    flatCommand    `cmd:"" help:"Redis commands a message as nodes, agents and logs grow."`
	Losers  losersCommand  `cmd:"" help:"The next order's grab with and without a crowd of losers before it."`
	Wait    waitCommand    `cmd:"" help:"What it costs to tell many waiting users their positions."`
	Auto    autoCommand    `cmd:"" help:"Orders that are assigned to very many agents, and queues that assign to which nothing comes."`
	Burst   burstCommand   `cmd:"" help:"How long it takes to assign a burst of waiting sessions."`
	Archive archiveCommand `cmd:"" help:"What the archiver writes, beside raw inserts."`
	Life    lifeCommand    `cmd:"" help:"What opening, grabbing and ending a session cost."`
	Hall    hallCommand    `cmd:"" help:"Agents who watch a queue that many orders come to."`
	Memory  memoryCommand  `cmd:"" help:"Redis memory of open sessions."`
	History historyCommand `cmd:"" help:"Pages of history deep in a very long session."`
	Search  searchCommand  `cmd:"" help:"Searches over very many messages."`
	Hostile hostileCommand `cmd:"" help:"What others feel while one participant does its worst."`
	Echo    echoCommand    `cmd:"" hidden:"" help:"A bare gws echo; the benchmark starts it."`
	Attack  attackCommand  `cmd:"" hidden:"" help:"The attacker of hostile, which starts it."`
}

// report is what a command measured; it prints itself, and becomes JSON.
type report interface{ table() string }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var o options
	k := kong.Parse(&o, kong.Name("bench"), kong.BindTo(ctx, (*context.Context)(nil)), kong.Bind(&o))
	k.FatalIfErrorf(k.Run())
}

// show prints a report and writes it as JSON where that is wanted.
func (o *options) show(r report) error {
	fmt.Print(r.table())
	if o.JSON == "" {
		return nil
	}
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(o.JSON, append(data, '\n'), 0o600)
}
