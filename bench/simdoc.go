package main

import (
	"fmt"
	"math"
	"strings"
)

// What is not measured here, and what a machine is taken to be. docs/scaling.md says so.
const (
	nodeCores  = 4    // of a node's machine
	nodeBusy   = 0.6  // of them, at most
	nodeGB     = 8    // for connections
	masterBusy = 0.7  // of its thread, at most
	wireBytes  = 1000 // a message, at a node: in, its answer, out once, frames and TCP included
	redisBytes = 1500 // a message, at Redis: script, log, and what is published
	mongoShard = 20000
)

// scalingTables are those of docs/scaling.md.
func scalingTables(p prices, d *document, seed uint64) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Measured: %s.\n\n", heading(d))
	b.WriteString("| what | costs Redis | costs a node |\n| --- | --- | --- |\n")
	for _, r := range [][3]string{
		{"a message", number(p.Message) + " µs", number(p.ServerMessage) + " µs"},
		{"a session, from open to end", number(p.Life) + " µs", number(p.ServerLife) + " µs"},
		{"a connection that comes", number(p.Connect) + " µs", number(p.ServerConnect) + " µs"},
		{"a client who comes back to 20 missed messages", number(p.Return) + " µs", number(p.ServerReturn) + " µs"},
		{"a partition, each second, at rest, one node", number(p.Partition) + " µs", ""},
		{"a connection at rest", "", number(p.ConnectionKB) + " KB"},
		{"an open session with 50 messages", number(p.SessionKB) + " KB", ""},
	} {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", r[0], r[1], r[2])
	}
	base := demand{Connections: 1_000_000, Sessions: 200_000, Messages: 100_000, Opens: 1000, Comings: 2000, Skew: 0.5, Failover: 15e9}
	fmt.Fprintf(&b, "\n### Masters\n\n%.0f messages a second, %d connections, %d open sessions, %.0f of them opened and ended and %.0f connections coming each second; the n-th busiest user sends as much as 1/√n.\n\n",
		base.Messages, base.Connections, base.Sessions, base.Opens, base.Comings)
	b.WriteString("| partitions | masters | of them used | busy, on average | the busiest | p50 / p99 of a message's wait | messages a second, the busiest at 70 % |\n| --- | --- | --- | --- | --- | --- | --- |\n")
	type lossRow struct {
		partitions int
		o          outcome
	}
	var losses []lossRow
	for _, partitions := range []int{16, 64, 256} {
		for _, masters := range []int{3, 16, 64} {
			base.Partitions = partitions
			o := simulate(base, p, masters, 1, seed)
			waits := "grow"
			if o.most < 1 {
				waits = number(o.p50) + " / " + number(o.p99) + " ms"
			}
			fmt.Fprintf(&b, "| %d | %d | %d | %.0f %% | %.0f %% | %s | %s |\n", partitions, masters, o.used, 100*o.mean, 100*o.most, waits, round2(o.sustained))
			losses = append(losses, lossRow{partitions, o})
		}
	}
	fmt.Fprintf(&b, "\n### A master is lost\n\nThe busiest one, for %.0f s until its replica serves. All that wanted it waits for as long; then come its queue, the registering of its users' connections, and the comparison of its sessions.\n\n", base.Failover.Seconds())
	b.WriteString("| partitions | masters | connections concerned | messages that waited | Redis time for the herd | all as before, after the loss |\n| --- | --- | --- | --- | --- | --- |\n")
	for _, l := range losses {
		fmt.Fprintf(&b, "| %d | %d | %s | %s | %.1f s | %s |\n", l.partitions, l.o.masters, round2(l.o.lost.users), round2(l.o.lost.backlog), l.o.lost.herd, l.o.lost.when())
	}
	needs(&b, base, p)
	return b.String()
}

// needs says how much of each the demand takes, and which is used up first as load grows from nothing.
func needs(b *strings.Builder, d demand, p prices) {
	redis := d.Messages*p.Message + d.Opens*p.Life + d.Comings*p.Return
	server := d.Messages*p.ServerMessage + d.Opens*p.ServerLife + d.Comings*p.ServerReturn
	up := func(v float64) string { return fmt.Sprintf("%.0f", math.Ceil(v)) }
	fmt.Fprintf(b, "\n### %s connections and %s messages a second\n\n| what | how many | because |\n| --- | --- | --- |\n", round2(float64(d.Connections)), round2(d.Messages))
	row := func(what, n, why string) { fmt.Fprintf(b, "| %s | %s | %s |\n", what, n, why) }
	row("masters of Redis", up(redis/1e6/masterBusy)+", if load were even; see above for what partitions make of it", fmt.Sprintf("%.1f cores' worth of scripts, each master at %.0f %%", redis/1e6, 100*masterBusy))
	row("memory of Redis", up(float64(d.Sessions)*p.SessionKB/1e6)+" GB, and as much for replicas", fmt.Sprintf("%d sessions of %s KB", d.Sessions, number(p.SessionKB)))
	row(fmt.Sprintf("nodes of %d cores, by processor", nodeCores), up(server/1e6/nodeCores/nodeBusy), fmt.Sprintf("%.1f cores' worth, %.0f %% of each used", server/1e6, 100*nodeBusy))
	row("nodes, by memory", up(float64(d.Connections)*p.ConnectionKB/1e6/nodeGB), fmt.Sprintf("%.1f GB, %d of each machine's", float64(d.Connections)*p.ConnectionKB/1e6, nodeGB))
	row("network of nodes", fmt.Sprintf("%.1f Gbit/s", d.Messages*wireBytes*8/1e9), fmt.Sprintf("some %d bytes a message, both ways, to clients", wireBytes))
	row("network of Redis", fmt.Sprintf("%.1f Gbit/s", d.Messages*redisBytes*8/1e9), fmt.Sprintf("some %d bytes a message", redisBytes))
	row("shards of MongoDB", up(d.Messages/mongoShard), fmt.Sprintf("taken as %d inserts a second each, which is not measured here; SQLite, one file, took %s", mongoShard, round2(p.Archived)))
}

// round2 is a number with two digits that mean something, and commas.
func round2(v float64) string {
	if v <= 0 || math.IsInf(v, 0) || math.IsNaN(v) {
		return "0"
	}
	unit := math.Pow(10, math.Floor(math.Log10(v))-1)
	text := fmt.Sprintf("%.0f", math.Round(v/unit)*unit)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
