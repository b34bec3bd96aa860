package main

import "fmt"

// What each of the older scenarios says of itself. The newer ones have theirs beside them.

func (r *chatReport) title() string {
	return fmt.Sprintf("chat: %d sessions, %d agents, %d in flight, %d messages a round", r.Command.Sessions,
		r.Command.Agents, r.Command.InFlight, r.Command.Messages)
}

func (r *chatReport) figures() []figure {
	row := func(name, unit, better string, f func(chatRound) float64) figure {
		return pick("chat", name, unit, better, r.Rounds, f)
	}
	return []figure{
		row("messages", "/s", more, func(x chatRound) float64 { return x.Rate }),
		row("acknowledged, p50", "ms", less, func(x chatRound) float64 { return x.AckP50 }),
		row("acknowledged, p99", "ms", less, func(x chatRound) float64 { return x.AckP99 }),
		row("delivered, p50", "ms", less, func(x chatRound) float64 { return x.SeenP50 }),
		row("delivered, p99", "ms", less, func(x chatRound) float64 { return x.SeenP99 }),
		row("Redis a message", "µs", less, func(x chatRound) float64 { return x.Redis }),
		row("floor of Redis", "µs", "", func(x chatRound) float64 { return x.RedisFloor }),
		row("Redis, of its floor", "×", less, func(x chatRound) float64 { return ratio(x.Redis, x.RedisFloor) }),
		row("server a message", "µs", less, func(x chatRound) float64 { return x.Server }),
		row("floor of the server", "µs", "", func(x chatRound) float64 { return x.EchoFloor }),
		row("server, of its floor", "×", less, func(x chatRound) float64 { return ratio(x.Server, x.EchoFloor) }),
		row("server's memory", "MiB", less, func(x chatRound) float64 { return x.RSS / (1 << 20) }),
	}
}

func (r *idleReport) title() string { return fmt.Sprintf("idle: %d connections", r.Conns) }

func (r *idleReport) figures() []figure {
	return []figure{
		of("idle", "memory a connection, all told", "KB", less, r.EachAll/1000).goal(r.Conns >= 10000, 8),
		of("idle", "memory a connection adds", "KB", less, r.EachNew/1000),
		of("idle", "server a connection", "µs", less, r.Server),
		of("idle", "Redis a connection", "µs", less, r.Redis),
	}
}

func (r *lifeReport) title() string { return fmt.Sprintf("life: rounds of %d sessions", r.sessions) }

func (r *lifeReport) figures() []figure {
	var out []figure
	sums := make([]stepCost, len(r.steps[lifeSteps[0]]))
	for _, step := range lifeSteps {
		for i, c := range r.steps[step] {
			sums[i] = stepCost{sums[i].Redis + c.Redis, sums[i].Server + c.Server, sums[i].Scripts + c.Scripts, 0}
		}
		out = append(out, pick("life", step+": Redis", "µs", less, r.steps[step], func(c stepCost) float64 { return c.Redis }),
			pick("life", step+": server", "µs", less, r.steps[step], func(c stepCost) float64 { return c.Server }),
			pick("life", step+": scripts", "", less, r.steps[step], func(c stepCost) float64 { return c.Scripts }),
			pick("life", step+": p50", "ms", less, r.steps[step], func(c stepCost) float64 { return c.P50 }))
	}
	at := r.sessions >= 1000
	return append(out, pick("life", "all: Redis", "µs", less, sums, func(c stepCost) float64 { return c.Redis }).goal(at, 300),
		pick("life", "all: server", "µs", less, sums, func(c stepCost) float64 { return c.Server }),
		pick("life", "all: scripts", "", less, sums, func(c stepCost) float64 { return c.Scripts }).goal(at, 6))
}

func (r *memoryReport) title() string {
	return fmt.Sprintf("memory: %d open sessions with %d messages each", r.Sessions, r.Each)
}

func (r *memoryReport) figures() []figure {
	return []figure{
		of("memory", "Redis a session", "KB", less, r.Session/1000).goal(r.Sessions >= 1000 && r.Each == 50, 12),
		of("memory", "Redis a message, all told", "bytes", less, r.Message),
	}
}

func (r *losersReport) title() string { return fmt.Sprintf("losers: %d of one order", r.Losers) }

func (r *losersReport) figures() []figure {
	return []figure{
		of("losers", "losing grabs", "/s", more, r.LosersASecond), of("losers", "scripts a loser", "", less, r.ScriptsEach),
		of("losers", "grab, p50", "ms", less, r.Quiet), of("losers", "grab after the losers, p50", "ms", less, r.After),
		of("losers", "after, of before", "×", less, r.Ratio),
	}
}

func (r *waitReport) title() string {
	return fmt.Sprintf("wait: %d users in one queue, %d grabs a second", r.Users, r.Grabs)
}

func (r *waitReport) figures() []figure {
	return []figure{
		of("wait", "server while all wait", "% of a core", less, r.Moving),
		of("wait", "the same grabs, nobody else waiting", "% of a core", less, r.Own),
		of("wait", "all connected, at rest", "% of a core", less, r.Idle),
		of("wait", "what positions cost", "% of a core", less, r.Moving-r.Own),
	}
}

func (r *burstReport) title() string {
	return fmt.Sprintf("burst: %d waiting sessions, %d agents", r.Sessions, r.Agents)
}

func (r *burstReport) figures() []figure {
	return []figure{
		of("burst", "all assigned", "s", less, r.Seconds), of("burst", "least of an agent", "", "", float64(r.Least)),
		of("burst", "most of an agent", "", "", float64(r.Most)),
	}
}

func (r *archiveReport) title() string {
	return fmt.Sprintf("archive: %s, %d messages a round", r.Store, r.Messages)
}

func (r *archiveReport) figures() []figure {
	s := "archive " + r.Store
	return []figure{
		pick(s, "raw inserts", "/s", "", r.Rounds, func(x archiveRound) float64 { return x.Raw }),
		pick(s, "acknowledged", "/s", more, r.Rounds, func(x archiveRound) float64 { return x.Acknowledged }),
		pick(s, "archiver", "/s", more, r.Rounds, func(x archiveRound) float64 { return x.Archiver }),
		pick(s, "archiver, of raw", "×", more, r.Rounds, func(x archiveRound) float64 { return x.Ratio }),
	}
}

func (r *historyReport) title() string {
	return fmt.Sprintf("history: pages of 50 out of %d archived messages of one session", r.Messages)
}

func (r *historyReport) figures() (out []figure) {
	for _, row := range r.Rows {
		out = append(out, of("history", fmt.Sprintf("depth %d, p50", row.Depth), "ms", less, row.P50),
			of("history", fmt.Sprintf("depth %d, p99", row.Depth), "ms", less, row.P99))
	}
	return out
}

func (r *searchReport) title() string {
	return fmt.Sprintf("search: %d messages, first pages of 50", r.Messages)
}

func (r *searchReport) figures() []figure {
	out := []figure{of("search", "written", "/s", more, r.Put)}
	for _, row := range r.Rows {
		out = append(out, of("search", row.Query+", p50", "ms", less, row.P50), of("search", row.Query+", p99", "ms", less, row.P99),
			of("search", row.Query+", found", "", "", float64(row.Found)))
	}
	return out
}

func (r *hostileReport) title() string {
	return fmt.Sprintf("hostile: %d sessions of others, %d messages a second", r.Command.Sessions, r.Command.Rate)
}

func (r *hostileReport) figures() []figure {
	out := []figure{of("hostile", "server at rest", "MiB", less, r.Rest/(1<<20))}
	for _, a := range r.Attacks {
		out = append(out, of("hostile", a.Kind+": delivered, p99 before", "ms", "", a.Before[1]),
			of("hostile", a.Kind+": delivered, p99", "ms", less, a.During[1]),
			of("hostile", a.Kind+": memory", "MiB", less, a.RSS/(1<<20)), of("hostile", a.Kind+": server", "% of a core", less, a.CPU))
	}
	return out
}

// ratio is 0 where there was too little to measure.
func ratio(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}
