package demo

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"bellhop/archive/sqlite"
	"bellhop/broker"
	"bellhop/client"
	"bellhop/handlers"
	"bellhop/internal/embedded"
	"bellhop/internal/testenv"
)

func TestMain(m *testing.M) { os.Exit(testenv.Main(m)) }

const key = "a-key"

// node is what bots chat at: a broker and its edge on a Redis in memory, and an archive in a
// folder, from which it begins.
type node struct {
	addr string
	stop func()
}

func (n *node) url() string { return "http://" + n.addr }

func (n *node) api() client.API { return client.API{BaseURL: n.url(), Key: key} }

func startNode(t *testing.T, addr, dir string) *node {
	t.Helper()
	ctx, log := t.Context(), slog.New(slog.DiscardHandler)
	redis, err := embedded.Start("127.0.0.1:0", rand.Text())
	require.NoError(t, err)
	rdb, err := broker.Dial(redis.URL())
	require.NoError(t, err)
	archive, err := sqlite.Open(ctx, filepath.Join(dir, "archive.db"))
	require.NoError(t, err)
	o := broker.Options{Redis: rdb, FirstPartitions: 16, Archive: archive, ArchiveDelay: 100 * time.Millisecond, SendRate: -1, ReadRate: -1, OpenSessions: -1, Log: log}
	_, err = broker.Restore(ctx, o, nil)
	require.NoError(t, err)
	b, err := broker.New(ctx, o)
	require.NoError(t, err)
	edge := handlers.New(handlers.Options{Broker: b, APIKeys: []string{key}, Drain: 300 * time.Millisecond, Log: log})
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	require.NoError(t, err)
	server := edge.HTTP()
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(listener) })
	var once sync.Once
	n := &node{addr: listener.Addr().String(), stop: func() {
		once.Do(func() {
			ctx := context.WithoutCancel(ctx)
			edge.Drain(ctx)
			_ = server.Close()
			serving.Wait()
			require.NoError(t, b.Close(ctx))
			require.NoError(t, archive.Close())
			require.NoError(t, rdb.Close())
			redis.Close()
		})
	}}
	t.Cleanup(n.stop)
	return n
}

// freeAddr is a loopback address nobody listens at now.
func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	return l.Addr().String()
}

// party is a connected person who remembers what it saw.
type party struct {
	*client.Client
	t *testing.T

	mu     sync.Mutex
	events []client.Event
	more   chan struct{}
}

func join(t *testing.T, n *node, r client.TokenRequest) *party {
	t.Helper()
	token, err := n.api().IssueToken(t.Context(), r)
	require.NoError(t, err)
	p := &party{t: t, more: make(chan struct{})}
	p.Client, err = client.Dial(t.Context(), client.Options{URL: n.url(), Token: token.Token, OnEvent: p.saw})
	require.NoError(t, err)
	t.Cleanup(p.Close)
	return p
}

func (p *party) saw(e client.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.events = append(p.events, e)
	close(p.more)
	p.more = make(chan struct{})
}

// await waits for a message that fits, among all that came and will come.
func (p *party) await(fits func(*client.MessageEvent) bool) *client.MessageEvent {
	p.t.Helper()
	deadline := time.After(15 * time.Second)
	for i := 0; ; {
		p.mu.Lock()
		for ; i < len(p.events); i++ {
			if e, ok := p.events[i].(*client.MessageEvent); ok && fits(e) {
				p.mu.Unlock()
				return e
			}
		}
		more := p.more
		p.mu.Unlock()
		select {
		case <-more:
		case <-deadline:
			p.t.Fatal("no such message came")
		}
	}
}

func (p *party) say(session, text string) {
	p.t.Helper()
	_, err := p.SendText(p.t.Context(), session, text)
	require.NoError(p.t, err)
}
