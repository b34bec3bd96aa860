package doctor

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	pageLoss  = "docs/operations.md#what-redis-may-lose-and-what-of-it-people-see"
	pageRedis = "deploy/redis.md"

	oldestRedis = 7.0
	fullAt      = .8                     // of maxmemory
	slowAt      = 5 * time.Millisecond   // half of the round trips take longer
	apartAt     = 500 * time.Millisecond // clocks
)

// redis looks at each master.
func (d *Deployment) redis(ctx context.Context) []Finding {
	var mu sync.Mutex
	var out []Finding
	clocks := map[string]time.Duration{} // by server: ahead of this machine's
	look := func(ctx context.Context, c *redis.Client) error {
		s := server{name: c.Options().Addr, client: c}
		list := s.look(ctx)
		mu.Lock()
		defer mu.Unlock()
		out = append(out, list...)
		if s.timed {
			clocks[s.name] = s.ahead
		}
		return nil
	}
	var err error
	switch c := d.Redis.(type) {
	case *redis.ClusterClient:
		err = c.ForEachMaster(ctx, look)
	case *redis.Client:
		err = look(ctx, c)
	}
	if err != nil {
		out = append(out, Finding{Grave, fmt.Sprintf("Redis's masters are not known: %v", err), "docs/operations.md#alert-redis-away"})
	}
	return append(out, apart(clocks)...)
}

// apart compares the clocks of masters and of this machine.
func apart(clocks map[string]time.Duration) []Finding {
	for name, ahead := range clocks {
		if ahead.Abs() > apartAt {
			return []Finding{{Warning, fmt.Sprintf("the clock of Redis %s and this machine's are %s apart: positions, JWTs and retention go by them; run NTP on all", name, ahead.Abs().Round(time.Millisecond)),
				"docs/operations.md#stalls"}}
		}
	}
	if len(clocks) == 0 {
		return nil
	}
	return []Finding{fine("the clocks of %d Redis masters and of this machine agree", len(clocks))}
}

// server is one master.
type server struct {
	name   string
	client *redis.Client
	info   map[string]string
	timed  bool
	ahead  time.Duration
}

func (s *server) look(ctx context.Context) []Finding {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	text, err := s.client.Info(ctx).Result()
	if err != nil {
		return []Finding{{Grave, fmt.Sprintf("Redis %s does not answer: %v", s.name, err), "docs/operations.md#alert-redis-away"}}
	}
	s.info = map[string]string{}
	for line := range strings.Lines(text) {
		if k, v, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			s.info[k] = v
		}
	}
	return slices.Concat(s.version(), s.persistence(), s.memory(), s.replicas(), s.rights(ctx), s.latency(ctx))
}

func (s *server) found(sev Severity, page, format string, args ...any) []Finding {
	return []Finding{{sev, "Redis " + s.name + ": " + fmt.Sprintf(format, args...), page}}
}

func (s *server) ok(format string, args ...any) []Finding { return s.found(Fine, "", format, args...) }

func (s *server) number(key string) float64 {
	n, _ := strconv.ParseFloat(s.info[key], 64)
	return n
}

func (s *server) version() []Finding {
	v := s.info["redis_version"]
	major, rest, _ := strings.Cut(v, ".")
	minor, _, _ := strings.Cut(rest, ".")
	if n, err := strconv.ParseFloat(major+"."+minor, 64); err != nil || n < oldestRedis {
		return s.found(Grave, pageRedis, "version %s; 7.0 or later is wanted: in an earlier one a script may end in the middle", v)
	}
	return s.ok("version %s", v)
}

func (s *server) persistence() (out []Finding) {
	switch {
	case s.info["aof_enabled"] != "1":
		out = s.found(Grave, pageLoss, "no append-only file: a crash loses everything since the last snapshot; appendonly yes")
	case s.info["aof_last_write_status"] == "err" || s.info["aof_last_bgrewrite_status"] == "err":
		out = s.found(Grave, pageLoss, "the append-only file cannot be written: look at its log and its disk")
	default:
		out = s.ok("an append-only file is kept")
	}
	if s.info["rdb_last_bgsave_status"] == "err" {
		out = append(out, s.found(Warning, pageLoss, "the last snapshot failed: writes may be refused (stop-writes-on-bgsave-error)")...)
	}
	return out
}

func (s *server) memory() (out []Finding) {
	if p := s.info["maxmemory_policy"]; p != "noeviction" {
		out = s.found(Grave, pageRedis, "maxmemory-policy is %s, which throws sessions away; noeviction", p)
	} else {
		out = s.ok("nothing is evicted")
	}
	most, used := s.number("maxmemory"), s.number("used_memory")
	switch {
	case most == 0:
		return append(out, s.found(Note, pageRedis, "no maxmemory: a Redis that grows is killed by the kernel instead of refusing what is new")...)
	case used > fullAt*most:
		return append(out, s.found(Warning, "docs/operations.md#alert-redis-errors", "%.0f %% of its memory are used: at 100 sends are refused as overloaded", 100*used/most)...)
	}
	return append(out, s.ok("%.0f %% of its memory are used", 100*used/most)...)
}

func (s *server) replicas() []Finding {
	if s.info["role"] != "master" {
		return s.found(Grave, "docs/operations.md#alert-redis-errors", "it is a replica: nothing can be written")
	}
	n := int(s.number("connected_slaves"))
	_, bounded := s.info["min_slaves_good_slaves"]
	switch {
	case n == 0:
		return s.found(Warning, pageLoss, "no replica: while it is away nobody can chat")
	case !bounded:
		return s.found(Warning, pageLoss, "%d replicas, and min-replicas-to-write is not set: a master that is cut off takes messages that a failover loses", n)
	}
	return s.ok("%d replicas, without which nothing is taken", n)
}

// wanted are commands of each kind that scripts and nodes carry out, those that came with a version.
var wanted = []string{"HSET", "XADD", "ZADD", "APPEND", "PEXPIRE", "ZLEXCOUNT", "WAIT", "XTRIM", "SSUBSCRIBE", "SPUBLISH"}

// rights asks, as Bellhop's user, what it may do.
func (s *server) rights(ctx context.Context) []Finding {
	const ask = `local out = {} for i, c in ipairs(ARGV) do
		local args = ({HSET = {'{00}:x', 'a', 'b'}, XADD = {'{00}:x', '*', 'a', 'b'}, ZADD = {'{00}:x', '1', 'a'}, APPEND = {'{00}:x', 'a'}, PEXPIRE = {'{00}:x', '1'},
			ZLEXCOUNT = {'{00}:x', '-', '+'}, WAIT = {'0', '1'}, XTRIM = {'{00}:x', 'MAXLEN', '1'}, SSUBSCRIBE = {'{00}:x'}, SPUBLISH = {'{00}:x', 'a'}})[c]
		if not redis.acl_check_cmd(c, unpack(args)) then out[#out + 1] = c end end return out`
	args := make([]any, len(wanted))
	for i, c := range wanted {
		args[i] = c
	}
	lacking, err := s.client.Eval(ctx, ask, nil, args...).StringSlice()
	switch {
	case err != nil:
		return s.found(Grave, pageRedis, "scripts are not carried out for this user: %v", err)
	case len(lacking) > 0:
		return s.found(Grave, pageRedis, "its user may not %s: deploy/redis-users.acl of this version has what it needs", strings.Join(lacking, ", "))
	}
	return s.ok("its user may do what Bellhop does")
}

func (s *server) latency(ctx context.Context) []Finding {
	const times = 21
	took := make([]time.Duration, 0, times)
	for range times {
		began := time.Now()
		at, err := s.client.Time(ctx).Result()
		if err != nil {
			return s.found(Grave, "docs/operations.md#alert-redis-away", "it stopped answering: %v", err)
		}
		trip := time.Since(began)
		if len(took) == 0 || trip < slices.Min(took) {
			s.ahead, s.timed = at.Sub(began.Add(trip/2)), true
		}
		took = append(took, trip)
	}
	slices.Sort(took)
	if half := took[times/2]; half > slowAt {
		return s.found(Warning, "docs/operations.md#alert-scripts-slow", "half of the round trips from here take %s or longer, the slowest of %d %s", half.Round(time.Microsecond), times, took[times-1].Round(time.Microsecond))
	}
	return s.ok("half of the round trips from here take less than %s", took[times/2].Round(time.Microsecond))
}
