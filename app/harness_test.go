package main

import (
	"context"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"bellhop/client"
	"bellhop/files"
	"bellhop/internal/testenv"
)

// binDir holds the binary that tests of whole processes run.
var binDir string

func TestMain(m *testing.M) {
	if status, is := files.Worker(os.Args); is {
		os.Exit(status)
	}
	var err error
	if binDir, err = os.MkdirTemp("", "bellhop-app-"); err != nil {
		panic(err)
	}
	if spec := os.Getenv(impatient); spec != "" {
		os.Exit(beImpatient(spec))
	}
	status := testenv.Main(m)
	_ = os.RemoveAll(binDir)
	os.Exit(status)
}

// freeAddr is a loopback address nobody listens at now.
func freeAddr(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	return l.Addr().String()
}

const key = "a-key"

var name = testenv.Name

// node is a whole Bellhop, stopped after the test.
type node struct {
	*App
	stop func()
}

func (n *node) url() string { return "http://" + n.Addr() }

func (n *node) api() client.API { return client.API{BaseURL: n.url(), Key: key} }

// folders are where the archives are, by the Redis they belong to.
var folders sync.Map

// dataOf is the folder that all nodes on a Redis share; the embedded one has one for each test.
func dataOf(t testing.TB, redisURL string) string {
	t.Helper()
	if redisURL == "" {
		return t.TempDir()
	}
	dir, known := folders.Load(redisURL)
	if !known {
		dir, _ = folders.LoadOrStore(redisURL, testenv.Process(t).TempDir())
	}
	return dir.(string) //nolint:forcetypeassert // only these are stored
}

// startNode starts a node on a free port. change may alter its settings.
func startNode(t testing.TB, redisURL string, change ...func(*Settings)) *node {
	t.Helper()
	s := Settings{Stores: Stores{RedisURL: NewSecret(redisURL), DataDir: dataOf(t, redisURL), LogLevel: "error", LogFormat: "text"},
		Addr: "127.0.0.1:0", APIKey: newSecrets(key), Archiver: true, Drain: 300 * time.Millisecond, SendRate: 0, readRate: -1}
	for _, f := range change {
		f(&s)
	}
	app, err := New(t.Context(), s)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- app.Run(ctx) }()
	var once sync.Once
	n := &node{App: app, stop: func() {
		once.Do(func() {
			cancel()
			require.NoError(t, <-done)
		})
	}}
	t.Cleanup(n.stop)
	return n
}

// party is a connected participant that remembers what it saw.
type party struct {
	*client.Client
	t  testing.TB
	id string

	mu     sync.Mutex
	events []client.Event
	more   chan struct{}
}

func token(t testing.TB, n *node, r client.TokenRequest) string {
	t.Helper()
	tok, err := n.api().IssueToken(t.Context(), r)
	require.NoError(t, err)
	return tok.Token
}

func dial(t testing.TB, n *node, r client.TokenRequest) *party {
	t.Helper()
	p := &party{t: t, id: r.ID, more: make(chan struct{})}
	o := client.Options{URL: n.url(), Token: token(t, n, r), OnEvent: p.saw, MinBackoff: 20 * time.Millisecond,
		MaxBackoff: 200 * time.Millisecond}
	c, err := client.Dial(t.Context(), o)
	require.NoError(t, err)
	p.Client = c
	t.Cleanup(c.Close)
	return p
}

func user(t testing.TB, n *node) *party {
	id := name("uma")
	return dial(t, n, client.TokenRequest{Role: "user", ID: id, Name: "Uma"})
}

func agent(t testing.TB, n *node, queues ...string) *party {
	id := name("ann")
	return dial(t, n, client.TokenRequest{Role: "agent", ID: id, Name: "Ann", Queues: queues})
}

func (p *party) saw(e client.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.events = append(p.events, e)
	close(p.more)
	p.more = make(chan struct{})
}

// await waits for an event of a type that fits, among all that came and will come.
func await[E client.Event](p *party, fits func(E) bool) E {
	p.t.Helper()
	deadline := time.After(15 * time.Second)
	for i := 0; ; {
		p.mu.Lock()
		for ; i < len(p.events); i++ {
			if e, ok := p.events[i].(E); ok && (fits == nil || fits(e)) {
				p.mu.Unlock()
				return e
			}
		}
		more := p.more
		p.mu.Unlock()
		select {
		case <-more:
		case <-deadline:
			var want E
			p.t.Fatalf("%s: no %T came", p.id, want)
		}
	}
}

func (p *party) open(queue string) client.Session {
	p.t.Helper()
	s, err := p.Open(p.t.Context(), client.OpenRequest{Queue: queue})
	require.NoError(p.t, err)
	return s
}

func (p *party) say(session, text string) client.SendReply {
	p.t.Helper()
	r, err := p.SendText(p.t.Context(), session, text)
	require.NoError(p.t, err)
	return r
}

func code(t testing.TB, want string, err error) client.Error {
	t.Helper()
	var e *client.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, want, e.Code, "%v", err)
	return *e
}
