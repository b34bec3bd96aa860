// Package faults runs a whole deployment (nodes behind nginx, Redis alone, under Sentinel or as a
// cluster, an archive) with people who chat on it by the shipped client, breaks it by a schedule that
// a seed gives, and checks along and afterwards that the promises held:
//
//   - each acknowledged message is once, in order, at every client in its session, in the log and in the archive;
//   - seqs have no gap; ownership is linearizable; unread is exact; nobody is over its capacity;
//   - nobody is stuck: when all have gone, each session comes to its end by its timers;
//   - the audit is clean, and nodes come back to the goroutines and memory they had.
//
// Where Redis may lose what it acknowledged (docs/operations.md), what was acknowledged just before such a
// moment may be gone, but clients must agree with the log all the same. Slowness is never a violation:
// what takes time is waited for by the documented timers, several times over.
package faults

import (
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"time"
)

// Options of a run. What is zero is chosen by the seed, or has the default that is named.
type Options struct {
	Seed      uint64
	For       time.Duration // under load and faults; settling and checking come on top
	Engine    string        // redis, sentinel or cluster
	Fsync     string        // always or everysec, of redis
	Archive   string        // sqlite or mongo; sqlite unless set
	Nodes     int           // 3
	Users     int           // 12
	Agents    int           // 5
	Intensity float64       // faults come so many times as often; 1
	Patience  int           // deadlines are the documented times so many times over; 6
	Binary    string        // the server's program
	Out       io.Writer     // what happens, as it does
}

// Engines that a seed chooses from.
var engines = []string{engineRedis, engineRedis, engineSentinel, engineCluster}

const (
	engineRedis    = "redis"
	engineSentinel = "sentinel"
	engineCluster  = "cluster"
	fsyncAlways    = "always"
	fsyncEverysec  = "everysec"
	archiveSQLite  = "sqlite"
	archiveMongo   = "mongo"
)

// complete fills in what was left open.
func (o *Options) complete() error {
	rng := stream(o.Seed, "deployment")
	engine, fsync := engines[rng.IntN(len(engines))], []string{fsyncAlways, fsyncEverysec}[rng.IntN(2)]
	for field, value := range map[*string]string{&o.Engine: engine, &o.Fsync: fsync, &o.Archive: archiveSQLite} {
		if *field == "" {
			*field = value
		}
	}
	for field, value := range map[*int]int{&o.Nodes: 3, &o.Users: 12, &o.Agents: 5, &o.Patience: 6} {
		if *field == 0 {
			*field = value
		}
	}
	if o.Intensity == 0 {
		o.Intensity = 1
	}
	if o.Out == nil {
		o.Out = io.Discard
	}
	switch {
	case o.Nodes < 2:
		return fmt.Errorf("%d nodes: one must be left when another one dies", o.Nodes)
	case !(o.Intensity > 0 && o.Intensity <= 100):
		return fmt.Errorf("intensity %v: more than 0, 100 at most", o.Intensity)
	case !slices.Contains(engines, o.Engine):
		return fmt.Errorf("no engine is called %q", o.Engine)
	case o.Fsync != fsyncAlways && o.Fsync != fsyncEverysec:
		return fmt.Errorf("no fsync is called %q", o.Fsync)
	case o.Archive != archiveSQLite && o.Archive != archiveMongo:
		return fmt.Errorf("no archive is called %q", o.Archive)
	}
	return nil
}

// stream is randomness of its own for each subject, so that one draws the same whatever another draws.
func stream(seed uint64, subject string) *rand.Rand {
	h := uint64(14695981039346656037) // FNV-1a
	for _, c := range []byte(subject) {
		h = (h ^ uint64(c)) * 1099511628211
	}
	return rand.New(rand.NewPCG(seed, h))
}

// Fault is one thing that breaks, and for how long.
type Fault struct {
	At     time.Duration // since the beginning
	Track  string        // faults of one track never overlap
	Kind   string
	Target int // the node, where it is one's
	Lasts  time.Duration
	By     time.Duration // how far a clock jumps
}

func (f Fault) String() string {
	return fmt.Sprintf("%7.1f s  %-28s node %d, %.1f s", f.At.Seconds(), f.Kind, f.Target, f.Lasts.Seconds())
}

// by tells how far a clock jumps, for the journal.
func (f Fault) by() string {
	if f.By == 0 {
		return ""
	}
	return ", by " + f.By.String()
}

// kind is a kind of fault: how often among those of its track, and how long it lasts.
type kind struct {
	name        string
	weight      int
	least, most time.Duration
}

// Kinds of faults.
const (
	nodeKilled    = "node killed"
	nodeStopped   = "node stopped"   // SIGSTOP, SIGCONT
	nodeRestarted = "node restarted" // SIGTERM
	redisKilled   = "redis killed"
	redisStalled  = "redis stalled"
	wayCut        = "way cut"
	waySlow       = "way slow"
	wayHalfOpen   = "way half open"
	failedOver    = "failed over"         // the master was killed
	askedOver     = "failover asked for"  // the master lives
	promotedOver  = "promoted over"       // the master stood still, and comes back as one
	slotMoved     = "slot moved"          // key by key
	hungUp        = "connections hung up" // all to a server of Redis
	archiveAway   = "archive away"
	dataFull      = "data disk full" // of the archive, its inbox and the uploads
	redisFull     = "redis's disk full"
	nodeAhead     = "node's clock ahead" // by up to an hour, and then right again
	nodeBehind    = "node's clock behind"
	redisAhead    = "redis's clock ahead"  // by little: timers set meanwhile are late by as much
	redisBehind   = "redis's clock behind" // by up to an hour
	frontRenewed  = "nginx's certificate renewed"
	redisRenewed  = "redis's certificate renewed"
)

const ms = time.Millisecond

// jumps are how far clocks jump at most. What Redis times while its clock is ahead is late by as much.
var jumps = map[string]time.Duration{nodeAhead: time.Hour, nodeBehind: -time.Hour, redisAhead: 30 * time.Second, redisBehind: -time.Hour}

// tracks are the kinds of faults of an engine, and the mean pause between two of a track.
func tracks(engine string) map[string][]kind {
	out := map[string][]kind{
		"node": {{nodeKilled, 4, 300 * ms, 4 * time.Second}, {nodeStopped, 3, 300 * ms, 8 * time.Second},
			{nodeStopped, 1, 13 * time.Second, 16 * time.Second}, {nodeRestarted, 1, 100 * ms, time.Second},
			{nodeAhead, 2, time.Second, 15 * time.Second}, {nodeBehind, 2, time.Second, 15 * time.Second}},
		"archive":      {{archiveAway, 1, 2 * time.Second, 12 * time.Second}, {dataFull, 1, 2 * time.Second, 12 * time.Second}},
		"certificates": {{frontRenewed, 1, 5 * time.Second, 25 * time.Second}},
	}
	switch engine {
	case engineRedis:
		out["redis"] = []kind{{redisKilled, 3, 200 * ms, 3 * time.Second}, {redisStalled, 3, 200 * ms, 5 * time.Second}, {hungUp, 1, 0, 0},
			{redisFull, 2, time.Second, 8 * time.Second}, {redisAhead, 1, time.Second, 10 * time.Second}, {redisBehind, 2, time.Second, 10 * time.Second}}
		out["certificates"] = append(out["certificates"], kind{redisRenewed, 1, 5 * time.Second, 25 * time.Second})
		out["way"] = []kind{{wayCut, 2, 500 * ms, 5 * time.Second}, {waySlow, 2, 2 * time.Second, 8 * time.Second},
			{wayHalfOpen, 2, time.Second, 8 * time.Second}}
	case engineSentinel:
		out["redis"] = []kind{{failedOver, 3, 0, 2 * time.Second}, {askedOver, 2, 0, 0}, {promotedOver, 1, 3 * time.Second, 8 * time.Second},
			{redisStalled, 2, 200 * ms, 700 * ms}, {hungUp, 1, 0, 0}}
	case engineCluster:
		out["redis"] = []kind{{failedOver, 3, 0, 2 * time.Second}, {askedOver, 2, 0, 0}, {slotMoved, 3, 0, 0},
			{redisStalled, 2, 200 * ms, 1200 * ms}, {hungUp, 1, 0, 0}}
	}
	return out
}

const meanPause = 8 * time.Second

// Schedule draws the faults of a run; the same options give the same ones.
func Schedule(o Options) []Fault {
	var all []Fault
	for track, kinds := range tracks(o.Engine) {
		rng := stream(o.Seed, track)
		weights := 0
		for _, k := range kinds {
			weights += k.weight
		}
		pause := func() time.Duration {
			return time.Duration(min(rng.ExpFloat64(), 4) * float64(meanPause) / o.Intensity)
		}
		for at := 2*time.Second + pause(); at < o.For; {
			n := rng.IntN(weights)
			k := kinds[0]
			for _, k = range kinds {
				if n -= k.weight; n < 0 {
					break
				}
			}
			f := Fault{At: at, Track: track, Kind: k.name, Target: rng.IntN(o.Nodes),
				Lasts: k.least + time.Duration(rng.Int64N(int64(k.most-k.least)+1))}
			if most, jumps := jumps[f.Kind]; jumps {
				f.By = time.Duration((0.05 + 0.95*rng.Float64()) * float64(most)).Round(time.Second)
			}
			all = append(all, f)
			at += f.Lasts + pause()
		}
	}
	slices.SortFunc(all, func(a, b Fault) int { return int(a.At - b.At) })
	return all
}
