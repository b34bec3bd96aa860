package people

import (
	"cmp"
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
	StaffRate  = 100 // sends of staff a second
	OpenRate   = 60  // sessions that a user opens a minute
	UploadRate = 30  // files a minute
)

const (
	sendRate   = 20      // a user's sends a second
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

// What rates are kept of, in keys: see store.Partition.Rate.
const (
	RateSend   = "send"
	RateOpen   = "open"
	rateUpload = "upload"
)

// Quota is a rate as the scripts take it; the zero one is no limit.
type Quota struct {
	Interval int64 // µs, rounded up
	Burst    int64
}

func newQuota(count float64, per time.Duration, burst float64) Quota {
	const slowest = 1e12 // eleven days
	return Quota{int64(math.Ceil(min(slowest, float64(per.Microseconds())/count))), int64(max(1, burst))}
}

// DuplicatesOnly makes send.lua answer what is stored already and store nothing.
var DuplicatesOnly = Quota{Interval: -1}

// Rates are what a deployment may set. 0 takes the usual one; a negative one means no limit.
type Rates struct {
	Sends float64 // messages a second of one user; negative: users open and upload without limits, too
	Lists float64 // lists a second of one participant at one node
	Reads float64 // bytes a second of one of the staff at one node; a user a quarter
}

// Limits know how fast each participant may be, and has been at this node. Their methods
// may be called concurrently.
type Limits struct {
	store *store.Store
	rate  float64 // a user's messages a second; negative: users have no limits
	list  rate.Limit
	read  rate.Limit // bytes; negative: no limit

	mu   sync.Mutex
	by   map[string]*Sender
	seen map[string]*readBudget
}

// NewLimits counts in a store, which may be opened afterwards.
func NewLimits(s *store.Store, r Rates) *Limits {
	return &Limits{store: s, rate: cmp.Or(r.Sends, sendRate), list: rate.Limit(cmp.Or(r.Lists, listRate)),
		read: rate.Limit(cmp.Or(r.Reads, readRate))}
}

// readBudget is of a participant that has read something at this node lately.
type readBudget struct{ lists, bytes *rate.Limiter }

// Sender is a participant that has sent something at this node lately.
type Sender struct {
	quota Quota
	own   *rate.Limiter // staff: what this node lets through
	flood *rate.Limiter // what is not even asked about

	mu        sync.Mutex
	done      int64     // staff: sent here, and the others do not know
	reporting bool      // they are being told
	until     time.Time // staff: nothing more before, for what was sent at all nodes
}

// sends is the quota of a participant's sends.
func (l *Limits) sends(w string) Quota {
	switch {
	case w[0] != 'u':
		return newQuota(StaffRate, time.Second, 2*StaffRate)
	case l.rate < 0:
		return Quota{}
	default:
		return newQuota(l.rate, time.Second, math.Floor(2*l.rate))
	}
}

// Opens is the quota at which the actor opens sessions.
func (l *Limits) Opens(a chat.Actor) Quota {
	if a.Host || l.rate < 0 {
		return Quota{}
	}
	return newQuota(OpenRate, time.Minute, OpenRate)
}

// Sender is nil for those without a limit.
func (l *Limits) Sender(w string) *Sender {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s := l.by[w]; s != nil {
		return s
	}
	p := l.sends(w)
	if p.Interval == 0 {
		return nil
	}
	limit := rate.Every(time.Duration(p.Interval) * time.Microsecond)
	s := &Sender{quota: p, flood: rate.NewLimiter(limit*floodFactor, int(p.Burst)*floodFactor)}
	if w[0] != 'u' {
		s.own = rate.NewLimiter(limit, int(p.Burst))
	}
	l.by = remembered(l.by, w, s)
	return s
}

// Ask gives the quota that the script of a send shall keep. Where it is late, only
// duplicates may be answered; where it floods us, not even those.
func (s *Sender) Ask(now time.Time) (p Quota, late *chat.Error, flood bool) {
	if s == nil {
		return Quota{}, nil, false
	}
	if wait := take(s.flood, now); wait > 0 {
		return Quota{}, store.TooFast(wait.Milliseconds()), true
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
		return DuplicatesOnly, store.TooFast(wait.Milliseconds()), false
	}
	return Quota{}, nil, false
}

// take takes one, or tells how long to wait.
func take(l *rate.Limiter, now time.Time) time.Duration {
	if l.AllowN(now, 1) {
		return 0
	}
	return max(1, time.Duration((1-l.TokensAt(now))/float64(l.Limit())*float64(time.Second)))
}

// Count counts a send of staff that was stored, and every now and then tells the
// other nodes, while chat goes on.
func (l *Limits) Count(w string, s *Sender) {
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
	l.store.Beside("report", func() { l.report(w, s, n) })
}

// report counts sends in the agent's own partition. What it cannot tell because
// Redis is away, it forgets: nothing is sent then either.
func (l *Limits) report(w string, s *Sender, n int64) {
	ctx, cancel := context.WithTimeout(l.store.Life, reportWithin)
	defer cancel()
	wait, err := l.permit(ctx, RateSend, w, s.quota, n, true)
	if err != nil && ctx.Err() == nil {
		l.store.Log.Warn("sends not counted for the other nodes", "participant", w, "error", err)
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
func (l *Limits) permit(ctx context.Context, what, w string, p Quota, n int64, done bool) (int64, error) {
	flag := "0"
	if done {
		flag = "1"
	}
	r, err := l.store.Run(ctx, "permit", []string{l.store.Home(chat.IDOf(w)).Rate(what, w)}, p.Interval, p.Burst, ulid.Make().String(), n, flag)
	if err != nil {
		return 0, err
	}
	return r.Num(1), store.Refused(r)
}

// AllowUpload counts one upload of a participant, over all nodes.
func (l *Limits) AllowUpload(ctx context.Context, w string) error {
	if w[0] == 'u' && l.rate < 0 {
		return nil
	}
	_, err := l.permit(ctx, rateUpload, w, newQuota(UploadRate, time.Minute, UploadRate), 1, false)
	return err
}

// AllowList counts one list that a participant asks for, at this node: 20 a
// second, bursts of 100. It is to be asked before the list is, and answers
// CodeRateLimited with the time to wait beyond that. Host applications have no limit.
func (l *Limits) AllowList(a chat.Actor) error {
	if a.Host || l.list < 0 {
		return nil
	}
	if wait := take(l.reader(chat.Who(a.Role, a.ID)).lists, time.Now()); wait > 0 {
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
func (l *Limits) AllowRead(a chat.Actor, bytes int) error {
	if a.Host || l.read < 0 {
		return nil
	}
	budget, now := l.reader(chat.Who(a.Role, a.ID)).bytes, time.Now()
	if left := budget.TokensAt(now); left < 1 {
		wait := time.Duration((1 - left) / float64(budget.Limit()) * float64(time.Second))
		return store.TooFast(wait.Milliseconds() + 1)
	}
	budget.ReserveN(now, min(bytes, budget.Burst()))
	return nil
}

// HasRead counts what was delivered after AllowRead.
func (l *Limits) HasRead(a chat.Actor, bytes int) {
	if a.Host || l.read < 0 || bytes <= 0 {
		return
	}
	budget := l.reader(chat.Who(a.Role, a.ID)).bytes
	budget.ReserveN(time.Now(), min(bytes, budget.Burst()))
}

func (l *Limits) reader(w string) *readBudget {
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

// Sweep forgets those who have been quiet long enough to have their full burst
// again: what the others do not know of them is made up for, too.
func (l *Limits) Sweep() {
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
