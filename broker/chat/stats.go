package chat

import "time"

const (
	// MaxStatsBuckets is how many buckets one answer may have.
	MaxStatsBuckets = 1000
	// MaxStatsSpan is the longest time statistics are given of at once.
	MaxStatsSpan = 400 * 24 * time.Hour
)

// StatsRequest asks for statistics. Hours are the finest there is: one counts if
// it begins before Until and ends after Since.
type StatsRequest struct {
	Since  int64  // ms, inclusive; 24 h before Until when 0
	Until  int64  // ms, exclusive; now when 0
	Bucket string // hour, day, week (from Monday) or month; hour when empty
	Zone   string // IANA name of the time zone of days, weeks and months; UTC when empty
	Queue  string // only of this queue
	Agent  string // only of this agent
}

// StatsReply is how it stands now, and what was in the time asked for.
type StatsReply struct {
	Since   Time          `json:"since"` // the first hour's begin
	Until   Time          `json:"until"`
	Bucket  string        `json:"bucket"`
	Zone    string        `json:"tz"`
	Waiting int64         `json:"waiting"` // now, whatever the agent
	Serving int64         `json:"serving"` // now: sessions with an owner
	Totals  StatsCounts   `json:"totals"`
	Buckets []StatsBucket `json:"buckets"`
	Queues  []StatsQueue  `json:"queues"`
	Agents  []StatsAgent  `json:"agents"`
}

// StatsCounts are the figures; docs/statistics.md defines each.
type StatsCounts struct {
	Opened        int64           `json:"opened"`
	Grabbed       int64           `json:"grabbed"`
	Accepted      int64           `json:"accepted"`
	Transferred   int64           `json:"transferred"`
	Requeued      int64           `json:"requeued"`
	Ended         int64           `json:"ended"`
	Abandoned     int64           `json:"abandoned"`
	Unanswered    int64           `json:"unanswered"`
	WaitingTime   StatsTimes      `json:"waitingTime"`
	FirstResponse StatsTimes      `json:"firstResponse"`
	Handling      StatsTimes      `json:"handling"`
	Bots          StatsBots       `json:"bots"`
	Ratings       StatsRatings    `json:"ratings"`
	Occupancy     *StatsOccupancy `json:"occupancy,omitempty"` // not of a queue
}

// StatsBots are bots' own times; those beside are people's.
type StatsBots struct {
	WaitingTime   StatsTimes `json:"waitingTime"`
	FirstResponse StatsTimes `json:"firstResponse"`
	Handling      StatsTimes `json:"handling"`
}

// StatsTimes are durations in seconds; nil where there was none.
type StatsTimes struct {
	Count  int64    `json:"count"`
	Mean   *float64 `json:"mean"`
	Median *float64 `json:"median"`
	P90    *float64 `json:"p90"`
	P95    *float64 `json:"p95"`
	P99    *float64 `json:"p99"`
}

// StatsRatings are what users thought; Scores counts those of 1 to 5.
type StatsRatings struct {
	Count  int64    `json:"count"`
	Mean   *float64 `json:"mean"`
	Scores [5]int64 `json:"scores"`
}

// StatsOccupancy is how agents spent their time, in seconds. Rate is Busy by Online.
type StatsOccupancy struct {
	Online float64  `json:"online"`
	Busy   float64  `json:"busy"`
	Rate   *float64 `json:"rate"`
}

// StatsBucket is one stretch of the time asked for.
type StatsBucket struct {
	Start Time `json:"start"`
	StatsCounts
}

// StatsQueue is one queue; without a name all those that are too many to name.
type StatsQueue struct {
	Queue   *string `json:"queue"`
	Waiting int64   `json:"waiting"`
	Serving int64   `json:"serving"`
	StatsCounts
}

// StatsAgent is one agent.
type StatsAgent struct {
	Agent   string `json:"agent"`
	Name    string `json:"name"`
	Status  Status `json:"status"`
	Serving int64  `json:"serving"`
	StatsCounts
}
