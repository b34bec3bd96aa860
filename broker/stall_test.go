package broker

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"bellhop/broker/chat"
	"bellhop/internal/testenv"
)

// spoiler spoils the way to Redis: what fail names is carried out, or not, and fails.
type spoiler struct {
	mu     sync.Mutex
	before func(redis.Cmder) error // not carried out
	after  func(redis.Cmder) error // carried out, but nobody hears of it
}

func (s *spoiler) spoil(before, after func(redis.Cmder) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.before, s.after = before, after
}

func (s *spoiler) ask(cmd redis.Cmder, after bool) error {
	s.mu.Lock()
	f := s.before
	if after {
		f = s.after
	}
	s.mu.Unlock()
	if f == nil {
		return nil
	}
	return f(cmd)
}

func (s *spoiler) DialHook(next redis.DialHook) redis.DialHook { return next }

func (s *spoiler) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if err := s.ask(cmd, false); err != nil {
			cmd.SetErr(err)
			return err
		}
		err := next(ctx, cmd)
		if broken := s.ask(cmd, true); broken != nil {
			cmd.SetErr(broken)
			return broken
		}
		return err
	}
}

func (s *spoiler) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		var rest []redis.Cmder
		for _, cmd := range cmds {
			if err := s.ask(cmd, false); err != nil {
				cmd.SetErr(err)
			} else {
				rest = append(rest, cmd)
			}
		}
		var err error
		if len(rest) > 0 {
			err = next(ctx, rest)
		}
		for _, cmd := range rest {
			if broken := s.ask(cmd, true); broken != nil {
				cmd.SetErr(broken)
			}
		}
		return err
	}
}

// running tells whether a command runs one of a broker's scripts.
func running(b *Broker, script string, cmd redis.Cmder) bool {
	args := cmd.Args()
	return len(args) > 1 && strings.HasPrefix(strings.ToLower(cmd.Name()), "eval") && args[1] == b.store.Hash(script)
}

var errSabotage = errors.New("read tcp: i/o timeout (sabotaged)")

// hooked is a client whose calls a hook may hold back. Its pipeline is half duplex: in full duplex
// a command has gone already when the library asks a hook, and is answered beside it.
func hooked(t testing.TB, url string, hook redis.Hook) redis.UniversalClient {
	t.Helper()
	rdb, err := Dial(url + "?pipeline_pool_size=-1")
	require.NoError(t, err)
	t.Cleanup(func() { _ = rdb.Close() })
	rdb.AddHook(hook)
	return rdb
}

// sabotaged starts a node whose way to Redis can be spoilt.
func sabotaged(t testing.TB, url string, change ...func(*Options)) (*Broker, *spoiler) {
	t.Helper()
	s := &spoiler{}
	return startNode(t, url, append(change, func(o *Options) { o.Redis = hooked(t, url, s) })...), s
}

// statusOf is an agent's status in Redis.
func statusOf(t testing.TB, b *Broker, id string) chat.Status {
	t.Helper()
	p, err := b.people.Profile(t.Context(), chat.RoleAgent, id)
	require.NoError(t, err)
	return p.Status
}

// changes counts how often watchers heard of a status.
func (p *party) presences() map[string]int {
	p.wire.mu.Lock()
	defer p.wire.mu.Unlock()
	n := map[string]int{}
	for _, e := range p.events {
		if e["event"] == "presence" {
			n[e["agent"].(string)+" "+e["status"].(string)]++ //nolint:forcetypeassert // it is text
		}
	}
	return n
}

// Redis does not answer for 13 s: every agent is what it chose to be, nobody gets
// a session, and no connection is taken for gone, not even for a moment.
func TestAStallOfRedis(t *testing.T) {
	t.Parallel()
	server := testenv.Redis(t)
	nodes := []*Broker{startNode(t, server.URL()), startNode(t, server.URL())}
	ctx, q := t.Context(), name("q")
	nodes[0].set(t, q, func(s *chat.QueueSettings) { s.Routing, s.AgentGrace = "auto", 5 })
	boss := connect(t, nodes[0], chat.Identity{Role: chat.RoleSupervisor, ID: name("boss"), Queues: []string{name("q")}}, "")
	_, err := nodes[0].Watch(ctx, boss.Actor, []string{q})
	require.NoError(t, err)
	var agents []*party
	for i := range 10 {
		ann := agent(t, nodes[i%2], name("ann"), q)
		_, err := nodes[i%2].SetStatus(ctx, ann.Actor, []chat.Status{chat.Away, chat.Offline}[i%3/2])
		require.NoError(t, err)
		agents = append(agents, ann)
	}
	uma := user(t, nodes[1], name("uma"))
	s := uma.open(q)
	chosen := map[string]chat.Status{}
	for _, ann := range agents {
		chosen[ann.ID] = statusOf(t, nodes[0], ann.ID)
	}
	eventually(t, func() bool { // watchers are told of many changes at a time
		told := boss.presences()
		for id, status := range chosen {
			if told[id+" "+string(status)] == 0 {
				return false
			}
		}
		return true
	})
	before := boss.presences()

	server.Pause()
	time.Sleep(13 * time.Second) // that is the fault
	server.Resume()

	for range 15 { // heartbeats: longer than a node is waited for
		for _, ann := range agents {
			require.Equal(t, chosen[ann.ID], statusOf(t, nodes[0], ann.ID))
			require.EqualValues(t, 1, nodes[0].store.Redis.HLen(ctx, nodes[0].store.Home(ann.ID).Conns("a:"+ann.ID)).Val())
		}
		beats(t, nodes, 1, nodes[0].store.Parts...)
	}
	st, err := nodes[0].sessions.Look(ctx, s.ID)
	require.NoError(t, err)
	require.Equal(t, chat.Waiting, st.State)
	for what, n := range boss.presences() {
		if strings.HasSuffix(what, " offline") || strings.HasSuffix(what, " online") {
			require.Equal(t, before[what], n, what)
		}
	}
	clean(t, nodes[0])
}

// A node that stalls while another goes on is taken for dead, and is no more once
// it goes on: every connection is registered again, and statuses are as chosen.
func TestAStallOfANode(t *testing.T) {
	t.Parallel()
	url := testenv.Redis(t).URL()
	node, s := sabotaged(t, url)
	other := startNode(t, url)
	ctx, q := t.Context(), name("q")
	other.set(t, q, func(s *chat.QueueSettings) { s.AgentGrace = 300 })
	ann, bea := agent(t, node, name("ann"), q), agent(t, node, name("bea"), q)
	_, err := node.SetStatus(ctx, ann.Actor, chat.Away)
	require.NoError(t, err)
	uma := user(t, node, name("uma"))
	session := uma.open(q)
	bea.grab(session.ID)
	stalled := func(redis.Cmder) error { return errSabotage }
	s.spoil(stalled, nil)
	gone := func() bool {
		n := int64(0)
		for _, p := range []*party{ann, bea, uma} {
			n += other.store.Redis.HLen(ctx, other.store.Home(p.ID).Conns(chat.Who(p.Role, p.ID))).Val()
		}
		return n == 0
	}
	began := time.Now()
	eventually(t, gone)
	within(t, began, 7*time.Second, 15*time.Second)
	s.spoil(nil, nil)
	eventually(t, func() bool {
		n := int64(0)
		for _, p := range []*party{ann, bea, uma} {
			n += other.store.Redis.HLen(ctx, other.store.Home(p.ID).Conns(chat.Who(p.Role, p.ID))).Val()
		}
		return n == 3
	})
	require.Equal(t, chat.Away, statusOf(t, other, ann.ID))
	require.Equal(t, chat.Online, statusOf(t, other, bea.ID))
	st, err := other.sessions.Look(ctx, session.ID)
	require.NoError(t, err)
	require.Equal(t, chat.Serving, st.State)
	clean(t, other)
}

// A node that has been heard of since it was found silent is not buried, and one
// that comes back while it is being cleared keeps what is left.
func TestOnlyTheDeadAreCleared(t *testing.T) {
	t.Parallel()
	url := testenv.Redis(t).URL()
	b, ctx := startNode(t, url), t.Context()
	uma := user(t, b, name("uma"))
	p := b.store.Home(uma.ID)
	beats := int64(b.store.Redis.ZScore(ctx, p.Nodes(), b.store.Node).Val())
	eventually(t, func() bool { return int64(b.store.Redis.ZScore(ctx, p.Nodes(), b.store.Node).Val()) > beats })
	b.people.Bury(ctx, p, b.store.Node, beats)
	require.NoError(t, b.people.Clear(ctx, p, b.store.Node))
	require.EqualValues(t, 1, b.store.Redis.HLen(ctx, p.Conns("u:"+uma.ID)).Val())
}

// Errors while connections are registered again do not last: each is told until it stands.
func TestARegistrationThatFails(t *testing.T) {
	t.Parallel()
	url := testenv.Redis(t).URL()
	b, s := sabotaged(t, url)
	other := startNode(t, url)
	ctx, q := t.Context(), name("q")
	b.set(t, q, func(s *chat.QueueSettings) { s.AgentGrace, s.AbandonTimeout = 3, 3 })
	var all []*party
	for range 20 {
		all = append(all, agent(t, b, name("ann"), q), user(t, b, name("uma")))
	}
	ann, uma := all[0], all[1]
	session := uma.open(q)
	ann.grab(session.ID)
	waits := all[3].open(q)
	var failed atomic.Int64
	s.spoil(func(cmd redis.Cmder) error {
		if running(b, "connect", cmd) && failed.Add(1) < 60 {
			return errSabotage
		}
		return nil
	}, nil)
	for _, p := range b.store.Parts {
		bury(t, b, p, b.store.Node)
	}
	eventually(t, func() bool {
		for _, p := range all {
			if other.store.Redis.HLen(ctx, other.store.Home(p.ID).Conns(chat.Who(p.Role, p.ID))).Val() != 1 {
				return false
			}
		}
		return true
	})
	require.GreaterOrEqual(t, failed.Load(), int64(60))
	grace(t, []*Broker{b, other}, q, ann.ID)
	abandonment(t, []*Broker{b, other}, q, all[3].ID)
	for id, want := range map[string]chat.State{session.ID: chat.Serving, waits.ID: chat.Waiting} {
		st, err := other.sessions.Look(ctx, id)
		require.NoError(t, err)
		require.Equal(t, want, st.State)
	}
	clean(t, other)
}

// A connection that is registered and not greeted yet, when its node is cleared
// away, is registered again, too.
func TestARegistrationBeforeHello(t *testing.T) {
	t.Parallel()
	url := testenv.Redis(t).URL()
	b, s := sabotaged(t, url)
	other, ctx := startNode(t, url), t.Context()
	uma := name("uma")
	p := b.store.Home(uma)
	held := make(chan struct{})
	var once sync.Once
	reached := make(chan struct{})
	s.spoil(func(cmd redis.Cmder) error {
		args := cmd.Args()
		if cmd.Name() == "zrange" && len(args) > 1 && args[1] == p.Listed("u:"+uma) { // hello asks for its sessions
			once.Do(func() { close(reached) })
			<-held
		}
		return nil
	}, nil)
	done := make(chan *party)
	go func() { done <- user(t, b, uma) }()
	<-reached
	bury(t, other, p, b.store.Node)
	require.Zero(t, other.store.Redis.HLen(ctx, p.Conns("u:"+uma)).Val())
	close(held)
	<-done
	eventually(t, func() bool { return other.store.Redis.HLen(ctx, p.Conns("u:"+uma)).Val() == 1 })
}

// What a call borrowed whose answer nobody heard is due again at the borrower's next
// call; a repeated call gives the same, a late one nothing.
func TestALeaseNobodyHeardOf(t *testing.T) {
	testenv.EachShared(t, func(t *testing.T, url string) {
		b, s := sabotaged(t, url)
		ctx, q := t.Context(), name("q")
		b.set(t, q, func(s *chat.QueueSettings) { s.AbandonTimeout = 1 })
		var lost atomic.Int64
		s.spoil(nil, func(cmd redis.Cmder) error {
			if running(b, "take", cmd) && lost.Add(1) <= 64 { // several of every partition
				return errSabotage
			}
			return nil
		})
		began := time.Now()
		var opened []string
		for range 20 {
			r, err := b.Open(ctx, host, chat.OpenRequest{User: chat.Person{ID: name("uma")}, Queue: q})
			require.NoError(t, err)
			opened = append(opened, r.ID)
		}
		eventually(t, func() bool {
			for _, id := range opened {
				if st, err := b.sessions.Look(ctx, id); err != nil || st.State != chat.Ended {
					return false
				}
			}
			return true
		})
		require.Less(t, time.Since(began), 9*time.Second)
		require.GreaterOrEqual(t, lost.Load(), int64(64))
	})
}

// After a stall of Redis of 8 s timers that fell due meanwhile fire within 2 s.
func TestTimersAfterAStall(t *testing.T) {
	t.Parallel()
	server := testenv.Redis(t)
	nodes := []*Broker{startNode(t, server.URL()), startNode(t, server.URL())}
	ctx, q := t.Context(), name("q")
	nodes[0].set(t, q, func(s *chat.QueueSettings) { s.AbandonTimeout = 3 })
	var opened []string
	for range 200 {
		r, err := nodes[0].Open(ctx, host, chat.OpenRequest{User: chat.Person{ID: name("uma")}, Queue: q})
		require.NoError(t, err)
		opened = append(opened, r.ID)
	}
	server.Pause()
	time.Sleep(8 * time.Second) // that is the fault
	server.Resume()
	resumed := time.Now()
	eventually(t, func() bool {
		for _, id := range opened {
			if st, err := nodes[1].sessions.Look(ctx, id); err != nil || st.State != chat.Ended {
				return false
			}
		}
		return true
	})
	require.Less(t, time.Since(resumed), 4*time.Second) // two, and what the clients need to notice
}

// Thousands of timers of one partition that are due at once fire within 2 s: as
// many as can be done are taken, until none is due. (Ten thousand do on a quiet machine.)
func TestManyTimersAtOnce(t *testing.T) {
	server := testenv.Redis(t)
	b := startNode(t, server.URL(), func(o *Options) { o.Archive = nil })
	other := startNode(t, server.URL(), func(o *Options) { o.Archive = nil })
	ctx, q := t.Context(), name("q")
	for _, n := range []*Broker{b, other} {
		n.set(t, q, func(s *chat.QueueSettings) { s.AbandonTimeout = 3600 })
	}
	many := 5000
	if testenv.RaceDetector {
		many = 500 // ten times as slow
	}
	p := b.store.Parts[0]
	var g errgroup.Group
	g.SetLimit(256)
	for range many {
		g.Go(func() error {
			u := name("uma")
			for b.store.Home(u).Index != p.Index {
				u = name("uma")
			}
			s, err := b.Open(ctx, host, chat.OpenRequest{User: chat.Person{ID: u}, Queue: q})
			if err == nil {
				err = b.store.Redis.HSet(ctx, p.Session(s.ID), "abandon", 1).Err()
			}
			return err
		})
	}
	require.NoError(t, g.Wait())
	due := b.store.Redis.Time(ctx).Val().Add(2 * time.Second)
	ids := b.store.Redis.ZRange(ctx, p.Sessions(), 0, -1).Val()
	require.Len(t, ids, many)
	pipe := b.store.Redis.Pipeline()
	for _, id := range ids {
		pipe.ZAdd(ctx, p.Timers(), redis.Z{Score: float64(due.UnixMilli()), Member: "abandon|" + id})
	}
	_, err := pipe.Exec(ctx)
	require.NoError(t, err)
	eventually(t, func() bool { return b.store.Redis.ZCard(ctx, p.Waiting(q)).Val() == 0 })
	late := time.Duration(0)
	for _, id := range ids {
		ended := b.store.Redis.HGet(ctx, p.Session(id), "ended").Val()
		ms, err := strconv.ParseInt(ended, 10, 64)
		require.NoError(t, err)
		late = max(late, time.UnixMilli(ms).Sub(due))
	}
	t.Logf("%d timers, the last %s late", many, late)
	require.Less(t, late, 2*time.Second)
}
