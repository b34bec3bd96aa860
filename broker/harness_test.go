package broker

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"bellhop/archive"
	"bellhop/archive/sqlite"
	"bellhop/broker/chat"
	"bellhop/broker/internal/store"
	"bellhop/broker/internal/store/storetest"
	"bellhop/internal/testenv"
)

func TestMain(m *testing.M) {
	if spec := os.Getenv(doomedNode); spec != "" {
		os.Exit(beDoomed(spec))
	}
	if spec := os.Getenv(doomedHook); spec != "" {
		os.Exit(beDoomedHook(spec))
	}
	os.Exit(testenv.Main(m))
}

var name, code = testenv.Name, storetest.Code

// archives are the process's, by the Redis they belong to.
var archives struct {
	sync.Mutex
	by map[string]archive.Archive
}

// archiveOf is the archive that all nodes on a Redis share.
func archiveOf(t testing.TB, url string) archive.Archive {
	t.Helper()
	archives.Lock()
	defer archives.Unlock()
	if archives.by == nil {
		archives.by = map[string]archive.Archive{}
	}
	if archives.by[url] == nil {
		lasting := testenv.Process(t)
		store, err := sqlite.Open(context.Background(), filepath.Join(lasting.TempDir(), "archive.db"))
		require.NoError(t, err)
		lasting.Cleanup(func() { _ = store.Close() })
		archives.by[url] = store
	}
	return archives.by[url]
}

// firstNodes tells when a test started its first node, by its name.
var firstNodes sync.Map

// startNode starts a broker on a Redis URL and stops it after the test.
func startNode(t testing.TB, url string, change ...func(*Options)) *Broker {
	t.Helper()
	firstNodes.LoadOrStore(t.Name(), time.Now())
	rdb, err := Dial(url)
	require.NoError(t, err)
	o := Options{Redis: rdb, SendRate: -1, ListRate: -1, ReadRate: -1, OpenSessions: -1, FirstPartitions: 16, Archive: archiveOf(t, url), Log: slog.New(slog.DiscardHandler)}
	for _, c := range change {
		c(&o)
	}
	b, err := New(t.Context(), o)
	require.NoError(t, err)
	urls.Store(b, url)
	t.Cleanup(func() {
		urls.Delete(b)
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_ = b.Close(ctx)
		_ = rdb.Close()
		if n := b.store.Panics(); n > 0 && !strings.HasPrefix(t.Name(), "TestAPanic") {
			t.Errorf("%d panics were outlived; each is a bug", n)
		}
	})
	return b
}

// urls are those of the nodes' Redis.
var urls sync.Map

// admin is a client to a node's Redis that may do what a node may not.
func admin(t testing.TB, b *Broker) redis.UniversalClient {
	t.Helper()
	return testenv.Client(t, urlOf(t, b))
}

func urlOf(t testing.TB, b *Broker) string {
	t.Helper()
	url, ok := urls.Load(b)
	require.True(t, ok)
	return url.(string) //nolint:forcetypeassert // as startNode stores it
}

// wire is a Sink that keeps what it gets.
type wire struct {
	mu     sync.Mutex
	events []event
	code   uint16
	more   chan struct{}
}

type event map[string]any

func (w *wire) Deliver(lines []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for line := range bytes.SplitSeq(lines, []byte{'\n'}) {
		var e event
		if err := json.Unmarshal(line, &e); err != nil {
			panic(fmt.Sprintf("not JSON: %s", line))
		}
		w.events = append(w.events, e)
	}
	close(w.more)
	w.more = make(chan struct{})
}

func (w *wire) Close(code uint16, _ string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.code = code
	close(w.more)
	w.more = make(chan struct{})
}

// party is a connected participant.
type party struct {
	chat.Actor
	*wire
	Conn *Conn // the Actor's
	t    testing.TB
	b    *Broker
}

func connect(t testing.TB, b *Broker, id chat.Identity, device string) *party {
	t.Helper()
	if id.Issued.IsZero() {
		id.Issued = time.Now()
	}
	require.NoError(t, id.Normalize())
	p := &party{wire: &wire{more: make(chan struct{})}, t: t, b: b}
	c, err := b.Connect(t.Context(), id, device, p.wire)
	require.NoError(t, err)
	p.Actor, p.Conn = chat.Actor{Identity: c.Identity(), Conn: c}, c
	t.Cleanup(func() { c.Close(context.Background()) })
	return p
}

func user(t testing.TB, b *Broker, id string) *party {
	return connect(t, b, chat.Identity{Role: chat.RoleUser, ID: id, Name: "User " + id}, "")
}

func agent(t testing.TB, b *Broker, id string, queues ...string) *party {
	return connect(t, b, chat.Identity{Role: chat.RoleAgent, ID: id, Name: "Agent " + id, Queues: queues}, "")
}

// await waits for an event that fits, among all that came so far and later.
func (p *party) await(what string, fits func(event) bool) event {
	p.t.Helper()
	deadline := time.After(10 * time.Second)
	for i := 0; ; {
		p.wire.mu.Lock()
		for ; i < len(p.events); i++ {
			if p.events[i]["event"] == what && (fits == nil || fits(p.events[i])) {
				e := p.events[i]
				p.wire.mu.Unlock()
				return e
			}
		}
		more := p.more
		p.wire.mu.Unlock()
		select {
		case <-more:
		case <-deadline:
			p.t.Fatalf("%s: no %q came; got %v", p.ID, what, p.seen())
		}
	}
}

func (p *party) seen() []string {
	p.wire.mu.Lock()
	defer p.wire.mu.Unlock()
	var out []string
	for _, e := range p.events[max(0, len(p.events)-5):] {
		data, _ := json.Marshal(e)
		out = append(out, string(data))
	}
	return out
}

func inSession(id string) func(event) bool {
	return func(e event) bool { return e["session"] == id }
}

func (p *party) send(session, text string) chat.SendReply {
	p.t.Helper()
	r, err := p.b.Send(p.t.Context(), p.Actor, chat.SendRequest{Session: session, Body: json.RawMessage(chat.Quote(text))})
	require.NoError(p.t, err)
	return r
}

func (p *party) open(queue string) chat.Session {
	p.t.Helper()
	s, err := p.b.Open(p.t.Context(), p.Actor, chat.OpenRequest{Queue: queue})
	require.NoError(p.t, err)
	return s
}

func (p *party) grab(session string) chat.Session {
	p.t.Helper()
	s, err := p.b.Grab(p.t.Context(), p.Actor, session)
	require.NoError(p.t, err)
	return s
}

// loseSubscriber cuts the connection that hears a session's channel.
func loseSubscriber(b *Broker, session string) {
	b.hub.Probe().Cut(session)
}

// beats waits until each of the nodes has taken what is due in each of the partitions so many
// times more. A node looks at one answer before it asks again: after the second beat, all that
// the first one tells has been seen.
func beats(t testing.TB, nodes []*Broker, times int64, parts ...store.Partition) {
	t.Helper()
	ctx := t.Context()
	told := func() (all []int64) {
		for _, b := range nodes {
			for _, p := range parts {
				all = append(all, int64(b.store.Redis.ZScore(ctx, p.Nodes(), b.store.Node).Val()))
			}
		}
		return all
	}
	before := told()
	eventually(t, func() bool {
		for i, n := range told() {
			if n < before[i]+times {
				return false
			}
		}
		return true
	})
}

// bury takes a node for dead in one partition, as others do that hear nothing of it.
func bury(t testing.TB, b *Broker, p store.Partition, node string) {
	t.Helper()
	ctx := t.Context()
	eventually(t, func() bool { // it may beat between the look and the burial
		beats, err := b.store.Redis.ZScore(ctx, p.Nodes(), node).Result()
		require.NoError(t, err)
		r, err := b.store.Run(ctx, "bury", []string{p.Nodes(), p.Clearing(), p.Leases(), p.Timers()}, node, int64(beats))
		require.NoError(t, err)
		return r.Num(0) == 1
	})
	require.NoError(t, b.people.Clear(ctx, p, node))
}
