package handlers

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/lxzan/gws"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"bellhop/broker"
	"bellhop/broker/chat"
	"bellhop/internal/testenv"
)

// The heartbeat takes no healthy connection for a stuck or a silent one: neither
// one that is fresh, nor one that writes again after a long rest, however often
// it looks while they do.
func TestAStormOfHealthyConnections(t *testing.T) {
	rdb, err := broker.Dial(testenv.Shared(t, testenv.EngineEmbedded))
	require.NoError(t, err)
	b, err := broker.New(t.Context(), broker.Options{Redis: rdb, FirstPartitions: 16, Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	s := testServer(t, Options{Broker: b, Heartbeat: time.Hour, Silence: time.Hour})
	addr := serve(t, s)
	stop := make(chan struct{})
	var looking sync.WaitGroup
	looking.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				for _, sock := range s.all() {
					sock.check(time.Now())
				}
			}
		}
	})
	for round := range 10 {
		callers := make([]*caller, 20)
		together(t, len(callers), func(i int) (err error) {
			callers[i], err = callIn(t.Context(), b, addr, fmt.Sprintf("uma-%d-%d", round, i))
			return err
		})
		for range 3 {
			require.Eventually(t, s.rests, 10*time.Second, time.Millisecond)
			s.clock.Add(writePatience.Milliseconds() + 1)
			together(t, len(callers), func(i int) error { return callers[i].ask() })
		}
		for _, c := range callers {
			_ = c.ws.NetConn().Close()
		}
	}
	close(stop)
	looking.Wait()
	s.Drain(t.Context())
	require.NoError(t, b.Close(t.Context()))
	require.NoError(t, rdb.Close())
}

// rests tells whether no write is under way.
func (s *Server) rests() bool {
	return !slices.ContainsFunc(s.all(), func(sock *socket) bool {
		sock.mu.Lock()
		defer sock.mu.Unlock()
		return sock.writing
	})
}

// together does it n times at once.
func together(t *testing.T, n int, do func(i int) error) {
	t.Helper()
	var all errgroup.Group
	for i := range n {
		all.Go(func() error { return do(i) })
	}
	require.NoError(t, all.Wait())
}

// caller is a client that waits for one answer after the other.
type caller struct {
	gws.BuiltinEventHandler
	ws      *gws.Conn
	answers chan string
	closed  chan error
}

func (c *caller) OnMessage(_ *gws.Conn, m *gws.Message) {
	for line := range bytes.SplitSeq(m.Bytes(), []byte{'\n'}) {
		c.answers <- string(line)
	}
	_ = m.Close()
}

func (c *caller) OnClose(_ *gws.Conn, err error) { c.closed <- err }

// callIn connects, and waits for hello.
func callIn(ctx context.Context, b *broker.Broker, addr, id string) (*caller, error) {
	token, _, err := b.IssueToken(ctx, chat.Identity{Role: chat.RoleUser, ID: id}, time.Hour)
	if err != nil {
		return nil, err
	}
	c := &caller{answers: make(chan string, 16), closed: make(chan error, 1)}
	ws, res, err := gws.NewClient(c, &gws.ClientOption{Addr: "ws://" + addr + "/websocket",
		RequestHeader: map[string][]string{"Sec-Websocket-Protocol": {token}}})
	if err != nil {
		return nil, err
	}
	_ = res.Body.Close()
	c.ws = ws
	go ws.ReadLoop()
	return c, c.next("hello")
}

func (c *caller) ask() error {
	if err := c.ws.WriteString(`{"id":1,"cmd":"ping"}`); err != nil {
		return err
	}
	return c.next("the answer")
}

func (c *caller) next(what string) error {
	select {
	case <-c.answers:
		return nil
	case err := <-c.closed:
		return fmt.Errorf("closed before %s: %w", what, err)
	case <-time.After(20 * time.Second):
		return fmt.Errorf("no %s", what)
	}
}

// Frames that are no commands, pings and fragments of nothing, are paced like commands.
func TestFloodsOfFramesSlowOnlyThemselves(t *testing.T) {
	const flood = 3000 // of which 2,000 at once
	for what, frames := range map[string][]byte{
		"pings":     bytes.Repeat(frame(0x89, nil), flood),
		"fragments": append(append(frame(0x01, []byte(`{"id":1,`)), bytes.Repeat(frame(0x00, nil), flood)...), frame(0x80, []byte(`"cmd":"ping"}`))...),
	} {
		t.Run(what, func(t *testing.T) {
			e := newEdge(t, Options{})
			token := e.issue(t, chat.RoleUser, "mallory-"+what)
			w := e.connect(t, token)
			w.line(t, `{"event":"hello"`)
			began := time.Now()
			w.send(t, frames)
			if what == "pings" {
				w.send(t, frame(0x81, []byte(`{"id":1,"cmd":"ping"}`)))
			}
			w.line(t, `{"id":1,"ok"`)
			require.GreaterOrEqual(t, time.Since(began), 900*time.Millisecond)
			_ = w.Close()
			e.othersAreServed(t)
		})
	}
}
