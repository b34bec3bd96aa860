package top

import (
	"cmp"
	"fmt"
	"math"
	"strings"
	"time"
)

// sheets are the tables, in the order of their tabs.
var sheets = []sheet{queueSheet, agentSheet, nodeSheet}

var queueSheet = table[queueRow]{title: "Queues",
	list: func(v View) (rows []queueRow) {
		for _, q := range v.Queues {
			rows = append(rows, queueRow{q, v.At})
		}
		return rows
	},
	columns: []column[queueRow]{
		{title: "QUEUE", text: func(q queueRow) string { return q.ID }, order: up(func(q queueRow) string { return q.ID })},
		{title: "NAME", from: 100, text: func(q queueRow) string { return q.Name }},
		{title: "WAITING", width: 8, right: true, text: func(q queueRow) string { return fmt.Sprint(q.Waiting) },
			order: func(a, b queueRow) int {
				return cmp.Or(b.Waiting-a.Waiting, int(b.wait()-a.wait()), strings.Compare(a.ID, b.ID))
			}},
		{title: "OLDEST", width: 8, right: true, text: queueRow.oldest, order: down(queueRow.wait)},
		{title: "SERVING", width: 8, right: true, text: func(q queueRow) string { return fmt.Sprint(q.Serving) }, order: down(func(q queueRow) int { return q.Serving })},
		{title: "ONLINE", width: 9, right: true, text: func(q queueRow) string { return fmt.Sprintf("%d of %d", q.Online, q.Agents) },
			order: up(func(q queueRow) int { return q.Online })},
		{title: "ROUTING", width: 7, text: func(q queueRow) string { return q.Routing }},
	},
	alarm: func(q queueRow) bool { return q.Waiting > 0 && q.Online == 0 },
}

// queueRow is a queue at a moment.
type queueRow struct {
	Queue
	at time.Time
}

// wait is how long the oldest waits.
func (q queueRow) wait() time.Duration {
	if q.Waiting == 0 || q.Oldest.IsZero() {
		return 0
	}
	return max(0, q.at.Sub(q.Oldest))
}

func (q queueRow) oldest() string {
	switch {
	case q.Waiting == 0:
		return "-"
	case q.Oldest.IsZero():
		return "?"
	case q.AtLeast:
		return ">" + span(q.wait())
	}
	return span(q.wait())
}

var agentSheet = table[Agent]{title: "Agents",
	list: func(v View) []Agent { return v.Agents },
	columns: []column[Agent]{
		{title: "AGENT", text: func(a Agent) string { return a.ID }, order: up(func(a Agent) string { return a.ID })},
		{title: "NAME", text: func(a Agent) string { return a.Name }},
		{title: "STATUS", width: 8, text: Agent.state, order: down(Agent.state)},
		{title: "LOAD", width: 9, right: true, text: func(a Agent) string { return fmt.Sprintf("%d of %d", a.Load, a.Capacity) },
			order: func(a, b Agent) int { return cmp.Or(b.Load-a.Load, strings.Compare(a.ID, b.ID)) }},
		{title: "FULL", width: 5, right: true, text: func(a Agent) string { return fmt.Sprintf("%.0f%%", 100*a.full()) }, order: down(Agent.full)},
		{title: "QUEUES", from: 100, text: func(a Agent) string { return strings.Join(a.Queues, " ") }},
	},
	alarm: func(a Agent) bool { return a.Load > 0 && a.Status == "offline" },
}

func (a Agent) state() string {
	if a.Disabled {
		return "disabled"
	}
	return a.Status
}

// full is how much of an agent's capacity is taken.
func (a Agent) full() float64 { return float64(a.Load) / float64(max(1, a.Capacity)) }

var nodeSheet = table[Node]{title: "Nodes",
	list: func(v View) []Node { return v.Nodes },
	columns: []column[Node]{
		{title: "NODE", text: func(n Node) string { return n.Name }, order: up(func(n Node) string { return n.Name })},
		{title: "STATE", width: 10, text: Node.state, order: up(Node.state)},
		{title: "CONNS", width: 7, right: true, text: func(n Node) string { return n.or(fmt.Sprintf("%.0f", n.Conns)) }, order: down(func(n Node) float64 { return n.Conns })},
		{title: "FULL", width: 5, right: true, from: 90, text: func(n Node) string { return n.or(n.share()) }},
		{title: "MSG/S", width: 7, right: true, text: func(n Node) string { return n.or(rate(n.Sends)) }, order: down(func(n Node) float64 { return n.Sends })},
		{title: "DELIV/S", width: 8, right: true, from: 90, text: func(n Node) string { return n.or(rate(n.Deliveries)) }, order: down(func(n Node) float64 { return n.Deliveries })},
		{title: "P50", width: 7, right: true, from: 100, text: func(n Node) string { return n.or(short(n.times.quantile(.5))) }},
		{title: "P99", width: 7, right: true, text: func(n Node) string { return n.or(short(n.times.quantile(.99))) }},
		{title: "GOROUT", width: 7, right: true, text: func(n Node) string { return n.or(fmt.Sprintf("%.0f", n.Goroutines)) }, order: down(func(n Node) float64 { return n.Goroutines })},
		{title: "MEMORY", width: 8, right: true, text: func(n Node) string { return n.or(fmt.Sprintf("%.0f MiB", n.Memory/(1<<20))) }, order: down(func(n Node) float64 { return n.Memory })},
		{title: "CPU", width: 5, right: true, from: 90, text: func(n Node) string { return n.or(fmt.Sprintf("%.0f%%", 100*n.CPU)) }, order: down(func(n Node) float64 { return n.CPU })},
		{title: "UP", width: 6, right: true, from: 78, text: func(n Node) string { return n.or(span(n.Uptime)) }, order: up(func(n Node) time.Duration { return n.Uptime })},
	},
	alarm: func(n Node) bool { return n.state() != isReady },
}

func (n Node) state() string {
	if n.Err != nil {
		return "no answer"
	}
	return n.Ready
}

// or is the text, or nothing where the node does not answer.
func (n Node) or(text string) string {
	if n.Err != nil {
		return ""
	}
	return text
}

// share is how much of its limit of connections a node has.
func (n Node) share() string {
	if n.Limit == 0 {
		return "-"
	}
	return fmt.Sprintf("%.0f%%", 100*n.Conns/n.Limit)
}

// rate is so much a second, in at most seven cells.
func rate(v float64) string {
	if v == 0 || v >= 1000 {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.1f", v)
}

// short is a time that something took, from seconds; - where nothing did.
func short(seconds float64) string {
	switch ms := seconds * 1000; {
	case math.IsNaN(ms):
		return "-"
	case ms < 1:
		return fmt.Sprintf("%.0fµs", ms*1000)
	case ms < 100:
		return fmt.Sprintf("%.1fms", ms)
	case ms < 1000:
		return fmt.Sprintf("%.0fms", ms)
	}
	return fmt.Sprintf("%.1fs", seconds)
}

// span is a time that people wait, in two units.
func span(d time.Duration) string {
	s := int(d.Seconds())
	switch {
	case s < 60:
		return fmt.Sprintf("%ds", s)
	case s < 3600:
		return fmt.Sprintf("%dm%02ds", s/60, s%60)
	case s < 86400:
		return fmt.Sprintf("%dh%02dm", s/3600, s/60%60)
	}
	return fmt.Sprintf("%dd%02dh", s/86400, s/3600%24)
}
