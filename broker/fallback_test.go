package broker

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bellhop/broker/chat"
	"bellhop/broker/internal/store"
	"bellhop/internal/testenv"
)

// fallible is a Redis that can be taken back to what it was.
type fallible struct {
	*testenv.RedisServer
	t testing.TB
}

func newFallible(t testing.TB) *fallible { return &fallible{testenv.Redis(t), t} }

// save keeps what Redis holds now.
func (f *fallible) save() {
	f.t.Helper()
	require.NoError(f.t, f.Client().Save(context.Background()).Err())
}

// fall kills Redis and starts it with what was kept.
func (f *fallible) fall() {
	f.t.Helper()
	f.Kill()
	f.Restart()
}

// image is what one partition held at a time.
type image map[string]string

func imageOf(t testing.TB, b *Broker, p store.Partition) image {
	t.Helper()
	ctx, out := t.Context(), image{}
	keys, err := b.store.Scan(ctx, "*")
	require.NoError(t, err)
	rdb := admin(t, b)
	for _, key := range keys {
		if tag, _, _ := store.Tagged(key); tag != p.Tag {
			continue
		}
		data, err := rdb.Dump(ctx, key).Result()
		if !store.IsNil(err) {
			require.NoError(t, err)
			out[key] = data
		}
	}
	return out
}

// restore takes a partition back to what it held, under running nodes: its server stays.
func (i image) restore(t testing.TB, b *Broker, p store.Partition) {
	t.Helper()
	ctx := t.Context()
	now := imageOf(t, b, p)
	_, err := admin(t, b).TxPipelined(ctx, func(pipe redis.Pipeliner) error {
		for key := range now {
			pipe.Del(ctx, key)
		}
		for key, data := range i {
			pipe.RestoreReplace(ctx, key, 0, data)
		}
		return nil
	})
	require.NoError(t, err)
}

// reader is a client that follows the protocol's rule of coming back, and holds
// of each session what it was shown and what it had acknowledged itself.
type reader struct {
	*party
	mu   sync.Mutex
	next int // events looked at
	held map[string]map[int64]string
}

func newReader(p *party) *reader { return &reader{party: p, held: map[string]map[int64]string{}} }

func (r *reader) hold(session string, seq int64, mid string) {
	if r.held[session] == nil {
		r.held[session] = map[int64]string{}
	}
	r.held[session][seq] = mid
}

// say sends until it is acknowledged, under one key.
func (r *reader) say(session, key string) {
	r.t.Helper()
	for deadline := time.Now().Add(60 * time.Second); ; {
		reply, err := r.b.Send(r.t.Context(), r.Actor, chat.SendRequest{Session: session, Body: json.RawMessage(chat.Quote(key)), Key: key})
		if err == nil {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.follow()
			r.hold(session, reply.Seq, reply.Mid)
			return
		}
		if !chat.AsError(err).Retry() || time.Now().After(deadline) {
			r.t.Errorf("not sent: %v", err)
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// follow takes over what has come: on `reset`, all of the session is read anew. mu is held.
func (r *reader) follow() {
	r.wire.mu.Lock()
	news := r.events[r.next:]
	r.next = len(r.events)
	r.wire.mu.Unlock()
	for _, e := range news {
		s, _ := e["session"].(string)
		switch e["event"] {
		case "message":
			r.hold(s, int64(e["seq"].(float64)), e["mid"].(string)) //nolint:forcetypeassert // as the protocol has it
		case "reset":
			delete(r.held, s)
			r.reread(s)
		}
	}
}

func (r *reader) reread(session string) {
	for after := int64(0); ; {
		page, err := r.b.History(context.WithoutCancel(r.t.Context()), r.Actor, chat.HistoryRequest{Session: session, After: after, Before: -1, Limit: 200})
		if err != nil {
			if chat.AsError(err).Retry() {
				time.Sleep(20 * time.Millisecond)
				continue
			}
			return // it is gone
		}
		for _, m := range page.Messages {
			r.hold(session, m.Seq, m.Mid)
			after = m.Seq
		}
		if !page.More {
			return
		}
	}
}

// holds compares what is held with the log; "" where it is the same.
func (r *reader) holds(session string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.follow()
	st, err := r.b.sessions.Look(r.t.Context(), session)
	if err != nil {
		return err.Error()
	}
	log, err := r.b.sessions.ReadLog(r.t.Context(), session, 1, st.Seq)
	if err != nil {
		return err.Error()
	}
	if len(log) == 0 {
		return "the log is empty"
	}
	first := slices.Sorted(keysOf(r.held[session]))
	if len(first) == 0 {
		return "nothing is held"
	}
	for i := range log {
		seq, mid := log[i].Seq, chat.MidOf(log[i].Head)
		if seq < first[0] {
			continue // before it came
		}
		if got := r.held[session][seq]; got != mid {
			return fmt.Sprintf("%s holds %q under %d of %s, the log %q", r.ID, got, seq, session, mid)
		}
	}
	if last := first[len(first)-1]; last > st.Seq {
		return fmt.Sprintf("%s holds %d of %s, the log ends at %d", r.ID, last, session, st.Seq)
	}
	return ""
}

func keysOf(m map[int64]string) func(func(int64) bool) {
	return func(yield func(int64) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// agrees waits until all that is held is the log.
func agrees(t testing.TB, readers []*reader, sessions func(*reader) []string) {
	t.Helper()
	require.EventuallyWithT(t, func(t *assert.CollectT) {
		for _, r := range readers {
			for _, s := range sessions(r) {
				assert.Empty(t, r.holds(s))
			}
		}
	}, 30*time.Second, 50*time.Millisecond)
}

// chats are some sessions in which a user and an agent talk, on different nodes.
type chats struct {
	nodes    []*Broker
	q        string
	readers  []*reader
	sessions map[*reader]string
	said     map[*reader]*atomic.Int64 // what was acknowledged of talk
	acked    sync.Map                  // key → session, of what was acknowledged after the fall-back
}

func startChats(t testing.TB, nodes []*Broker, n int) *chats {
	t.Helper()
	c := &chats{nodes: nodes, q: name("q"), sessions: map[*reader]string{}, said: map[*reader]*atomic.Int64{}}
	for i := range n {
		uma := newReader(user(t, nodes[i%2], name("uma")))
		ann := newReader(agent(t, nodes[(i+1)%2], name("ann"), c.q))
		s := uma.open(c.q)
		ann.grab(s.ID)
		uma.say(s.ID, name("k"))
		ann.say(s.ID, name("k"))
		c.readers = append(c.readers, uma, ann)
		c.sessions[uma], c.sessions[ann] = s.ID, s.ID
		c.said[uma], c.said[ann] = new(atomic.Int64), new(atomic.Int64)
	}
	return c
}

// talk has everybody talk until the channel is closed; keep, if it is set, notes what was acknowledged.
func (c *chats) talk(stop <-chan struct{}, keep bool) *sync.WaitGroup {
	var wg sync.WaitGroup
	for _, r := range c.readers {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				case <-time.After(5 * time.Millisecond):
				}
				key := name("k")
				r.say(c.sessions[r], key)
				c.said[r].Add(1)
				if keep {
					c.acked.Store(key, c.sessions[r])
				}
			}
		})
	}
	return &wg
}

// someTalk is how many messages of each are enough to find some of them lost, or in flight.
const someTalk = 30

// heard waits until everybody who talks has had so many more messages acknowledged.
func (c *chats) heard(t testing.TB, more int64) {
	t.Helper()
	before := map[*reader]int64{}
	for r, n := range c.said {
		before[r] = n.Load()
	}
	eventually(t, func() bool {
		for r, n := range c.said {
			if n.Load() < before[r]+more {
				return false
			}
		}
		return true
	})
}

func (c *chats) check(t testing.TB) {
	t.Helper()
	agrees(t, c.readers, func(r *reader) []string { return []string{c.sessions[r]} })
	bodies := map[string]map[string]int{}
	c.acked.Range(func(key, session any) bool {
		s, _ := session.(string)
		if bodies[s] == nil {
			bodies[s] = map[string]int{}
			st, err := c.nodes[0].sessions.Look(t.Context(), s)
			require.NoError(t, err)
			log, err := c.nodes[0].sessions.ReadLog(t.Context(), s, 1, st.Seq)
			require.NoError(t, err)
			for i := range log {
				bodies[s][log[i].Body]++
			}
		}
		require.Equal(t, 1, bodies[s][chat.Quote(key.(string))], "acknowledged after the fall-back: %s in %s", key, s) //nolint:forcetypeassert // they are keys
		return true
	})
	clean(t, c.nodes[0])
}

// Redis comes back with an older RDB while people talk: what they hold is the log
// in the end, and what is acknowledged afterwards is there and was shown.
func TestRedisFallsBackUnderChat(t *testing.T) {
	t.Parallel()
	for _, kept := range []bool{false, true} {
		t.Run(fmt.Sprintf("archive %v", kept), func(t *testing.T) {
			server := newFallible(t)
			bare := func(o *Options) {
				if !kept {
					o.Archive = nil
				}
			}
			nodes := []*Broker{startNode(t, server.URL(), bare), startNode(t, server.URL(), bare)}
			c := startChats(t, nodes, 8)
			stop := make(chan struct{})
			wg := c.talk(stop, false)
			c.heard(t, someTalk)
			server.save()
			c.heard(t, 2*someTalk)
			before := seen(nodes)
			server.fall()
			noticed(t, nodes, before, len(nodes[0].store.Parts))
			c.heard(t, someTalk)
			close(stop)
			wg.Wait()
			after := make(chan struct{})
			wg = c.talk(after, true)
			c.heard(t, 3*someTalk)
			close(after)
			wg.Wait()
			c.check(t)
		})
	}
}

// The keys go back under a server that goes on, as when they are restored: no run
// id tells of it, only what must grow and did not.
func TestKeysGoBackUnderChat(t *testing.T) {
	t.Parallel()
	server := testenv.Redis(t)
	bare := func(o *Options) { o.Archive, o.Partitions = nil, 2 }
	nodes := []*Broker{startNode(t, server.URL(), bare), startNode(t, server.URL(), bare)}
	c := startChats(t, nodes, 8)
	images := []image{imageOf(t, nodes[0], nodes[0].store.Parts[0]), imageOf(t, nodes[0], nodes[0].store.Parts[1])}
	stop := make(chan struct{})
	wg := c.talk(stop, false)
	beats(t, nodes, 2, nodes[0].store.Parts...) // what only grows has grown
	c.heard(t, someTalk)
	before := seen(nodes)
	for i, img := range images {
		img.restore(t, nodes[0], nodes[0].store.Parts[i])
	}
	noticed(t, nodes, before, len(images))
	c.heard(t, someTalk)
	close(stop)
	wg.Wait()
	after := make(chan struct{})
	wg = c.talk(after, true)
	c.heard(t, 3*someTalk)
	close(after)
	wg.Wait()
	c.check(t)
}

// Somebody had left a session, and takes part again in a Redis that fell back: it begins anew, whether
// its node goes on following the session for others or not.
func TestWhoIsBackAfterAFallBack(t *testing.T) {
	t.Parallel()
	for where, at := range map[string]int{"where others are": 0, "at another node": 1} {
		t.Run(where, func(t *testing.T) {
			t.Parallel()
			server := newFallible(t)
			nodes := []*Broker{startNode(t, server.URL(), noArchive), startNode(t, server.URL(), noArchive)}
			q := name("q")
			uma, ann, bea := user(t, nodes[0], name("uma")), agent(t, nodes[at], name("ann"), q), agent(t, nodes[0], name("bea"), q)
			s := uma.open(q)
			ann.grab(s.ID)
			uma.await("session", inStateOf(chat.Serving))
			server.save()
			_, err := nodes[at].Transfer(t.Context(), ann.Actor, chat.TransferRequest{Session: s.ID, Agent: bea.ID})
			require.NoError(t, err)
			bea.await("offer", nil)
			_, err = nodes[0].Accept(t.Context(), bea.Actor, s.ID)
			require.NoError(t, err)
			ann.await("session", func(e event) bool {
				owner, _ := e["session"].(map[string]any)["agent"].(map[string]any)
				return owner != nil && owner["id"] == bea.ID
			})
			server.fall()
			ann.await("reset", inSession(s.ID))
		})
	}
}

// Who owns a session went back, too: everybody connected hears of it, and of who gets it then.
func TestOwnersAfterAFallBack(t *testing.T) {
	t.Parallel()
	server := newFallible(t)
	nodes := []*Broker{startNode(t, server.URL(), noArchive), startNode(t, server.URL(), noArchive)}
	q := name("q")
	uma, ann, bea := user(t, nodes[0], name("uma")), agent(t, nodes[1], name("ann"), q), agent(t, nodes[0], name("bea"), q)
	s := uma.open(q)
	server.save()
	ann.grab(s.ID)
	uma.await("session", inStateOf(chat.Serving))
	ann.send(s.ID, "lost")
	uma.await("message", func(e event) bool { return e["body"] == "lost" })
	server.fall()
	uma.await("reset", inSession(s.ID))
	ann.await("reset", inSession(s.ID))
	last := func(p *party) (st chat.State, agent any) {
		p.wire.mu.Lock()
		defer p.wire.mu.Unlock()
		for _, e := range p.events {
			if e["event"] == "session" {
				m := e["session"].(map[string]any) //nolint:forcetypeassert // as the protocol has it
				st, agent = chat.State(m["state"].(string)), m["agent"]
			}
		}
		return st, agent
	}
	for _, p := range []*party{uma, ann} {
		eventually(t, func() bool { st, agent := last(p); return st == chat.Waiting && agent == nil })
	}
	eventually(t, func() bool {
		return nodes[0].store.Redis.HLen(t.Context(), nodes[0].store.Home(ann.ID).Load(ann.ID)).Val() == 0
	})
	bea.grab(s.ID)
	eventually(t, func() bool {
		st, agent := last(uma)
		m, _ := agent.(map[string]any)
		return st == chat.Serving && m["id"] == bea.ID
	})
	bea.send(s.ID, "new")
	uma.await("message", func(e event) bool { return e["body"] == "new" })
	clean(t, nodes[0])
}

func noArchive(o *Options) { o.Archive = nil }

// The news of connections went back: who is connected is not taken for gone, who is gone is.
func TestConnectionsAfterAFallBack(t *testing.T) {
	t.Parallel()
	server := newFallible(t)
	nodes := []*Broker{startNode(t, server.URL(), noArchive), startNode(t, server.URL(), noArchive)}
	ctx, q := t.Context(), name("q")
	for _, n := range nodes {
		n.set(t, q, func(s *chat.QueueSettings) { s.AbandonTimeout, s.AgentGrace = 2, 2 })
	}
	leaves := agent(t, nodes[0], name("leaves"), q)
	leaver := user(t, nodes[0], name("leaver"))
	held := leaver.open(q)
	leaves.grab(held.ID)
	late := name("late")
	r, err := nodes[0].Open(ctx, host, chat.OpenRequest{User: chat.Person{ID: late}, Queue: q})
	require.NoError(t, err)
	p, _ := nodes[0].store.Of(r.ID)
	due := nodes[0].store.Redis.ZScore(ctx, p.Timers(), "abandon|"+r.ID).Val()
	require.Positive(t, due)
	server.save()
	leaves.Conn.Close(ctx)
	lateUser := user(t, nodes[1], late)
	lateAgent := agent(t, nodes[1], name("agent"), q)
	_, err = nodes[1].SetStatus(ctx, lateAgent.Actor, chat.Away)
	require.NoError(t, err)
	// It is overdue in the moment Redis is back: nobody has told yet that it is here.
	eventually(t, func() bool { return float64(redisTime(t, nodes[0]).UnixMilli()) > due })
	server.fall()

	eventually(t, func() bool { // the end of its connection was lost, and is told again
		st, err := nodes[1].sessions.Look(ctx, held.ID)
		return err == nil && st.State == chat.Waiting && statusOf(t, nodes[1], leaves.ID) == chat.Offline
	})
	eventually(t, func() bool {
		return nodes[0].store.Redis.HLen(ctx, nodes[0].store.Home(late).Conns("u:"+late)).Val() == 1 &&
			nodes[0].store.Redis.HLen(ctx, nodes[0].store.Home(lateAgent.ID).Conns("a:"+lateAgent.ID)).Val() == 1
	})
	require.NotEqual(t, chat.Offline, statusOf(t, nodes[0], lateAgent.ID))
	abandonment(t, nodes, q, late)
	st, err := nodes[0].sessions.Look(ctx, r.ID)
	require.NoError(t, err)
	require.Equal(t, chat.Waiting, st.State, "its user is connected")
	require.NotEqual(t, uint16(chat.CloseReplaced), lateUser.wire.code)
	clean(t, nodes[0])
}

// A replica that lagged is promoted while people talk, under Sentinel and in a
// cluster: as when Redis falls back, in some of the partitions or in all.
func TestALaggingReplicaIsPromoted(t *testing.T) {
	t.Parallel()
	for _, kept := range []bool{false, true} {
		bare := func(o *Options) {
			if !kept {
				o.Archive = nil
			}
		}
		t.Run(fmt.Sprintf("sentinel, archive %v", kept), func(t *testing.T) {
			set := testenv.Sentinel(t)
			nodes := []*Broker{startNode(t, set.URL(), bare), startNode(t, set.URL(), bare)}
			promoted(t, nodes, len(nodes[0].store.Parts), func(while func()) {
				old := set.LoseTail(while)
				set.WaitMaster(old)
				old.Restart() // and throws its tail away
			})
		})
		t.Run(fmt.Sprintf("cluster, archive %v", kept), func(t *testing.T) {
			set := testenv.Cluster(t)
			nodes := []*Broker{startNode(t, set.URL(), bare), startNode(t, set.URL(), bare)}
			lost, master := 0, set.MasterFor(nodes[0].store.Parts[0].Timers())
			for _, p := range nodes[0].store.Parts {
				if set.MasterFor(p.Timers()) == master {
					lost++
				}
			}
			promoted(t, nodes, lost, func(while func()) {
				old := set.LoseTail(nodes[0].store.Parts[0].Timers(), while)
				set.WaitOK()
				old.Restart()
			})
		})
	}
}

// promoted has a tail lost of so many partitions.
func promoted(t *testing.T, nodes []*Broker, partitions int, lose func(while func())) {
	t.Helper()
	c := startChats(t, nodes, 12)
	statuses := map[string]chat.Status{}
	for i, r := range c.readers {
		if r.Role == chat.RoleAgent && i%4 == 1 {
			_, err := r.b.SetStatus(t.Context(), r.Actor, chat.Away)
			require.NoError(t, err)
			statuses[r.ID] = chat.Away
		}
	}
	stop := make(chan struct{})
	wg := c.talk(stop, false)
	before := seen(nodes)
	lose(func() { c.heard(t, someTalk) })
	noticed(t, nodes, before, partitions)
	c.heard(t, someTalk)
	close(stop)
	wg.Wait()
	after := make(chan struct{})
	wg = c.talk(after, true)
	c.heard(t, 3*someTalk)
	close(after)
	wg.Wait()
	settledDown(t, nodes[0])
	c.check(t)
	require.Positive(t, nodes[0].Fallbacks().Resets+nodes[1].Fallbacks().Resets, "the tail was lost")
	for id, s := range statuses {
		require.Equal(t, s, statusOf(t, nodes[0], id))
	}
}
