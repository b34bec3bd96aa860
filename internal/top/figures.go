package top

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// View is how things stand at a moment.
type View struct {
	At      time.Time
	Totals  Totals
	Nodes   []Node // in the order of Options.URLs
	Queues  []Queue
	Agents  []Agent
	Problem error // why Queues and Agents are not known, or old
}

// answering is how many nodes do.
func (v View) answering() (n int) {
	for _, node := range v.Nodes {
		if node.Err == nil {
			n++
		}
	}
	return n
}

// Totals are figures of all nodes that answer. Rates are of a second, over the last ten.
type Totals struct {
	known                                  bool // what the deployment's Redis tells
	sessions                               map[string]float64
	oldest                                 float64
	archiveSeconds, archiveMessages, aside float64
	hookSeconds, hookSessions, hookDead    float64
	conns, sends, deliveries, grabs        float64
	scripts, redisErrors                   float64
	refusals                               map[string]float64
	sendTimes, scriptTimes                 histogram
}

// add adds a node's up. What all nodes tell alike is the largest, as they look one after the other.
func (t *Totals) add(h history) {
	s := h.last()
	if t.sessions == nil {
		t.sessions, t.refusals = map[string]float64{}, map[string]float64{}
	}
	t.known = t.known || s.values["bellhop_redis_up"] == 1
	for state, n := range s.labels["bellhop_sessions"] {
		t.sessions[state] = max(t.sessions[state], n)
	}
	for name, into := range map[string]*float64{"bellhop_waiting_oldest_seconds": &t.oldest,
		"bellhop_archive_lag_seconds": &t.archiveSeconds, "bellhop_archive_lag_messages": &t.archiveMessages, "bellhop_archive_set_aside_sessions": &t.aside,
		"bellhop_webhook_lag_seconds": &t.hookSeconds, "bellhop_webhook_lag_sessions": &t.hookSessions, "bellhop_webhook_dead_letters": &t.hookDead} {
		*into = max(*into, s.values[name])
	}
	t.conns += s.values["bellhop_connections"]
	t.sends += h.rate("bellhop_sends_acknowledged_total")
	t.deliveries += h.rate("bellhop_deliveries_total")
	t.scripts += h.rate("bellhop_redis_scripts_total")
	t.grabs += h.each(func(s sample) float64 { return s.times[scriptTimes]["claim"].total })
	for _, r := range h.byLabel("bellhop_redis_errors_total") {
		t.redisErrors += r
	}
	for code, r := range h.byLabel("bellhop_refusals_total") {
		t.refusals[code] += r
	}
	t.sendTimes = t.sendTimes.plus(h.times(commandTimes, "send"), 1)
	t.scriptTimes = t.scriptTimes.plus(h.times(scriptTimes, ""), 1)
}

const (
	commandTimes = "bellhop_command_seconds"
	scriptTimes  = "bellhop_script_seconds"
)

// Node is one, as it tells of itself.
type Node struct {
	Name              string
	Err               error  // why it does not answer; all that follows is zero then
	Ready             string // isReady, or why not
	Conns, Limit      float64
	Sends, Deliveries float64 // a second
	Goroutines        float64
	Memory            float64 // bytes, resident
	CPU               float64 // cores in use
	Uptime            time.Duration
	times             histogram // of its sends
}

func (n *Node) tell(h history) {
	s := h.last()
	n.Conns, n.Limit = s.values["bellhop_connections"], s.values["bellhop_connections_limit"]
	n.Sends, n.Deliveries = h.rate("bellhop_sends_acknowledged_total"), h.rate("bellhop_deliveries_total")
	n.Goroutines, n.Memory = s.values["go_goroutines"], s.values["process_resident_memory_bytes"]
	n.CPU = h.rate("process_cpu_seconds_total")
	n.Uptime = s.at.Sub(s.started)
	n.times = h.times(commandTimes, "send")
}

// refused are the codes of what was refused, the most frequent first.
func (t Totals) refused() []string {
	return slices.SortedFunc(maps.Keys(t.refusals), func(a, b string) int {
		return cmp.Or(cmp.Compare(t.refusals[b], t.refusals[a]), cmp.Compare(a, b))
	})
}
