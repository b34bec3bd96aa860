package broker

import (
	"context"
	"math"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"
	"golang.org/x/time/rate"

	"bellhop/broker/chat"
	"bellhop/broker/internal/store"
)

// How fast a participant may do what: docs/limits.md. A user's sends and opens
// are counted by the scripts that do them, since its partition is theirs, too:
// over all nodes, exactly. Staff live in other partitions than the sessions they
// write to, and a send is one round trip: each node counts by itself, tells the
// agent's partition afterwards, and learns from the answer what the other nodes
// have seen.
const (
	staffRate  = 100     // sends a second
	openRate   = 60      // a minute
	uploadRate = 30      // a minute
	listRate   = 20      // lists a second at one node
	listBurst  = 5       // times the rate
	readRate   = 2 << 20 // bytes a second that one of the staff reads at one node; a user a quarter
	readBurst  = 8       // times the rate
	maxLimited = 100000  // who have sent or read something lately, at one node

	// reportEvery is how many sends of staff a node keeps to itself at most, until
	// their number is on its way to the others.
	reportEvery  = 20
	reportWithin = 5 * time.Second
	floodFactor  = 5 // above this many times the rate a node refuses without asking Redis
)

// What rates are kept of, in keys.
const (
	rateSend   = "send"
	rateOpen   = "open"
	rateUpload = "upload"
)

// quota is a rate as the scripts take it; the zero one is no limit.
type quota struct {
	interval int64 // µs, rounded up
	burst    int64
}

func newQuota(count float64, per time.Duration, burst float64) quota {
	const slowest = 1e12 // eleven days
	return quota{int64(math.Ceil(min(slowest, float64(per.Microseconds())/count))), int64(max(1, burst))}
}

// duplicatesOnly makes send.lua answer what is stored already and store nothing.
var duplicatesOnly = quota{interval: -1}

// limiter knows how fast each participant may be, and has been at this node.
type limiter struct {
	rate float64 // a user's messages a second; negative: users have no limits
	list rate.Limit
	read rate.Limit // bytes; negative: no limit
	mu   sync.Mutex
	by   map[string]*sender
	seen map[string]*readBudget
}

// readBudget is of a participant that has read something at this node lately.
type readBudget struct{ lists, bytes *rate.Limiter }

// sender is a participant that has sent something at this node lately.
type sender struct {
	quota quota
	own   *rate.Limiter // staff: what this node lets through
	flood *rate.Limiter // what is not even asked about

	mu        sync.Mutex
	done      int64     // staff: sent here, and the others do not know
	reporting bool      // they are being told
	until     time.Time // staff: nothing more before, for what was sent at all nodes
}

// sends is the quota of a participant's sends.
func (l *limiter) sends(w string) quota {
	switch {
	case w[0] != 'u':
		return newQuota(staffRate, time.Second, 2*staffRate)
	case l.rate < 0:
		return quota{}
	default:
		return newQuota(l.rate, time.Second, math.Floor(2*l.rate))
	}
}

// opens is the quota at which the actor opens sessions.
func (l *limiter) opens(a chat.Actor) quota {
	if a.Host || l.rate < 0 {
		return quota{}
	}
	return newQuota(openRate, time.Minute, openRate)
}

// sender is nil for those without a limit.
func (l *limiter) sender(w string) *sender {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s := l.by[w]; s != nil {
		return s
	}
	p := l.sends(w)
	if p.interval == 0 {
		return nil
	}
	limit := rate.Every(time.Duration(p.interval) * time.Microsecond)
	s := &sender{quota: p, flood: rate.NewLimiter(limit*floodFactor, int(p.burst)*floodFactor)}
	if w[0] != 'u' {
		s.own = rate.NewLimiter(limit, int(p.burst))
	}
	l.by = remembered(l.by, w, s)
	return s
}

// ask gives the quota that the script of a send shall keep. Where it is late, only
// duplicates may be answered; where it floods us, not even those.
func (s *sender) ask(now time.Time) (p quota, late *chat.Error, flood bool) {
	if s == nil {
		return quota{}, nil, false
	}
	if wait := take(s.flood, now); wait > 0 {
		return quota{}, store.TooFast(wait.Milliseconds()), true
	}
	if s.own == nil {
		return s.quota, nil, false
	}
	s.mu.Lock()
	wait := s.until.Sub(now)
	s.mu.Unlock()
	if wait <= 0 {
		wait = take(s.own, now)
	}
	if wait > 0 {
		return duplicatesOnly, store.TooFast(wait.Milliseconds()), false
	}
	return quota{}, nil, false
}

// take takes one, or tells how long to wait.
func take(l *rate.Limiter, now time.Time) time.Duration {
	if l.AllowN(now, 1) {
		return 0
	}
	return max(1, time.Duration((1-l.TokensAt(now))/float64(l.Limit())*float64(time.Second)))
}

// count counts a send of staff that was stored, and every now and then tells the
// other nodes, while chat goes on.
func (b *Broker) count(w string, s *sender) {
	if s == nil || s.own == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.done++
	if s.done < reportEvery || s.reporting {
		return
	}
	n := s.done
	s.done, s.reporting = 0, true
	b.Beside("report", func() { b.report(w, s, n) })
}

// report counts sends in the agent's own partition. What it cannot tell because
// Redis is away, it forgets: nothing is sent then either.
func (b *Broker) report(w string, s *sender, n int64) {
	ctx, cancel := context.WithTimeout(b.Life, reportWithin)
	defer cancel()
	wait, err := b.permit(ctx, rateSend, w, s.quota, n, true)
	if err != nil && ctx.Err() == nil {
		b.Log.Warn("sends not counted for the other nodes", "participant", w, "error", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reporting = false
	if wait > 0 {
		s.until = time.Now().Add(time.Duration(wait) * time.Millisecond)
	}
}

// permit counts in the participant's own partition: n that were done already, or
// one that is to be done, if the rate allows. It gives the ms until the next may be.
func (b *Broker) permit(ctx context.Context, what, w string, p quota, n int64, done bool) (int64, error) {
	flag := "0"
	if done {
		flag = "1"
	}
	r, err := b.Run(ctx, "permit", []string{b.Home(chat.IDOf(w)).Rate(what, w)}, p.interval, p.burst, ulid.Make().String(), n, flag)
	if err != nil {
		return 0, err
	}
	return r.Num(1), store.Refused(r)
}

// AllowList counts one list that a participant asks for, at this node: 20 a
// second, bursts of 100. It is to be asked before the list is, and answers
// CodeRateLimited with the time to wait beyond that. Host applications have no limit.
func (b *Broker) AllowList(a chat.Actor) error {
	if a.Host || b.limits.list < 0 {
		return nil
	}
	if wait := take(b.limits.reader(chat.Who(a.Role, a.ID)).lists, time.Now()); wait > 0 {
		return store.TooFast(wait.Milliseconds())
	}
	return nil
}

// AllowRead counts bytes against what a participant may read at this node, over
// all its connections and requests: staff 2 MiB a second, users a quarter of that,
// bursts of eight seconds' worth. It is to be asked before anything is read, with what the
// asking itself costs; what is delivered then is counted by HasRead, however much
// it is, and the next has to wait for it. CodeRateLimited: nothing is left, with
// the time until there is. Host applications have no limit.
func (b *Broker) AllowRead(a chat.Actor, bytes int) error {
	if a.Host || b.limits.read < 0 {
		return nil
	}
	l, now := b.limits.reader(chat.Who(a.Role, a.ID)).bytes, time.Now()
	if left := l.TokensAt(now); left < 1 {
		wait := time.Duration((1 - left) / float64(l.Limit()) * float64(time.Second))
		return store.TooFast(wait.Milliseconds() + 1)
	}
	l.ReserveN(now, min(bytes, l.Burst()))
	return nil
}

// HasRead counts what was delivered after AllowRead.
func (b *Broker) HasRead(a chat.Actor, bytes int) {
	if a.Host || b.limits.read < 0 || bytes <= 0 {
		return
	}
	l := b.limits.reader(chat.Who(a.Role, a.ID)).bytes
	l.ReserveN(time.Now(), min(bytes, l.Burst()))
}

func (l *limiter) reader(w string) *readBudget {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.seen[w]
	if r != nil {
		return r
	}
	read := l.read
	if w[0] == 'u' {
		read /= 4
	}
	r = &readBudget{rate.NewLimiter(l.list, max(1, int(l.list*listBurst))), rate.NewLimiter(read, max(1, int(read*readBurst)))}
	l.seen = remembered(l.seen, w, r)
	return r
}

// remembered is a map with one more; of too many another one begins anew.
func remembered[V any](m map[string]V, w string, v V) map[string]V {
	if m == nil {
		m = map[string]V{}
	}
	for other := range m {
		if len(m) < maxLimited {
			break
		}
		delete(m, other)
	}
	m[w] = v
	return m
}

// sweep forgets those who have been quiet long enough to have their full burst
// again: what the others do not know of them is made up for, too.
func (l *limiter) sweep() {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	for w, s := range l.by {
		s.mu.Lock()
		rested := !s.reporting && now.After(s.until) && full(s.flood, now) && full(s.own, now)
		s.mu.Unlock()
		if rested {
			delete(l.by, w)
		}
	}
	for w, r := range l.seen {
		if full(r.lists, now) && full(r.bytes, now) {
			delete(l.seen, w)
		}
	}
}

func full(l *rate.Limiter, now time.Time) bool {
	return l == nil || l.TokensAt(now) >= float64(l.Burst())
}
