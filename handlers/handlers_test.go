package handlers

import (
	"context"
	"log/slog"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/lxzan/gws"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"bellhop/broker"
	"bellhop/broker/chat"
	"bellhop/files"
	"bellhop/internal/testenv"
)

func TestMain(m *testing.M) { os.Exit(testenv.Main(m)) }

func testServer(t *testing.T, o Options) *Server {
	t.Helper()
	o.APIKeys, o.Log, o.Drain = []string{"key"}, slog.New(slog.DiscardHandler), 10*time.Millisecond
	s := New(o)
	t.Cleanup(func() { s.Drain(t.Context()) })
	return s
}

// What a queue's settings are, the description says in full.
func TestTheDescriptionHasEverySettingOfQueues(t *testing.T) {
	doc, err := openapi3.NewLoader().LoadFromData(openAPI)
	require.NoError(t, err)
	var fields []string
	for f := range reflect.TypeFor[chat.QueueSettings]().Fields() {
		fields = append(fields, strings.Split(f.Tag.Get("json"), ",")[0])
	}
	for _, name := range []string{"Queue", "QueueRequest"} {
		require.ElementsMatch(t, fields, slices.Collect(maps.Keys(doc.Components.Schemas[name].Value.Properties)), name)
	}
	require.ElementsMatch(t, fields, doc.Components.Schemas["Queue"].Value.Required)
}

// Every metric that is collected is described.
func TestEveryMetricIsDescribed(t *testing.T) {
	rdb, err := broker.Dial(testenv.Shared(t, testenv.EngineEmbedded))
	require.NoError(t, err)
	b, err := broker.New(t.Context(), broker.Options{Redis: rdb, FirstPartitions: 16, Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	defer func() { require.NoError(t, b.Close(context.WithoutCancel(t.Context()))) }()
	r := prometheus.NewPedanticRegistry()
	require.NoError(t, r.Register(testServer(t, Options{Broker: b})))
	found, err := r.Gather()
	require.NoError(t, err)
	require.Greater(t, len(found), 20)
}

// The description has every route, and no other.
func TestTheDescriptionHasEveryRoute(t *testing.T) {
	s := testServer(t, Options{Files: &files.Store{}})
	doc, err := openapi3.NewLoader().LoadFromData(openAPI)
	require.NoError(t, err)
	require.NoError(t, doc.Validate(t.Context()))
	described, served := map[string]bool{}, map[string]bool{}
	for path, item := range doc.Paths.Map() {
		for method := range item.Operations() {
			described[method+" "+path] = true
			require.Len(t, item.GetOperation(method).Tags, 1, "%s %s: what the reference lists it under", method, path)
		}
	}
	pages := []string{"/docs", "/openapi.yaml", "/chat", "/desk", "/widget.js", "/assets/*name"}
	for _, r := range s.engine.Routes() {
		if strings.HasPrefix(r.Path, "/websocket") || slices.Contains(pages, r.Path) {
			continue
		}
		served[r.Method+" "+strings.ReplaceAll(r.Path, ":id", "{id}")] = true
	}
	require.Equal(t, served, described)
}

func TestParse(t *testing.T) {
	for line, want := range map[string]struct {
		id   int64
		code chat.Code
	}{
		`{"id":1,"cmd":"ping"}`:                  {1, ""},
		`{"id":9007199254740991,"cmd":"x"}`:      {9007199254740991, ""},
		`{"id":9007199254740992,"cmd":"x"}`:      {0, chat.CodeBadRequest},
		`{"id":"1"}`:                             {0, chat.CodeBadRequest},
		`{"id":5,"seq":"1"}`:                     {5, chat.CodeBadRequest},
		`{"seq":1.5,"id":6}`:                     {6, chat.CodeBadRequest},
		`{"id":7,"queues":"q"}`:                  {7, chat.CodeBadRequest},
		`{"id":8,"seq":99999999999999999999}`:    {8, chat.CodeBadRequest},
		`{"id":9,"to":[]}`:                       {9, chat.CodeBadRequest},
		`{"id":10,"cmd":"x","more":{"a":[1,2]}}`: {10, ""},
	} {
		_, id, err := parse([]byte(line))
		require.Equal(t, want.id, id, line)
		if want.code == "" {
			require.NoError(t, err, line)
		} else {
			require.Equal(t, want.code, chat.AsError(err).Code, line)
		}
	}
	for _, line := range []string{``, `1`, `[]`, `"x"`, `{`, `{"id":1}}`, `{"id":1}x`, `null`} {
		_, _, err := parse([]byte(line))
		require.ErrorIs(t, err, errNoObject, line)
	}
}

// Whatever a client sends, parsing gives a command with a good id, or an error.
func FuzzParse(f *testing.F) {
	for _, s := range []string{`{"id":1,"cmd":"send","session":"00-01J","body":"x","key":"k"}`, `{"id":-1}`, `{"id":1e3}`, `[`, `{"to":{"agent":1}}`,
		"{\"id\":2,\"body\":\"\xff\"}", `{"id":3,"seq":-9223372036854775808}`, `{"id":4,"meta":{"a":{"b":[[[[]]]]}}}`, "{}", "\x00"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		_, id, err := parse(line)
		if id < 0 || id > 1<<53-1 || (err == nil && id == 0) {
			t.Fatalf("id %d, error %v", id, err)
		}
	})
}

// A client that says nothing, not even pong, is closed with 4008; one that answers pings is not.
func TestHeartbeat(t *testing.T) {
	rdb, err := broker.Dial(testenv.Shared(t, testenv.EngineEmbedded))
	require.NoError(t, err)
	b, err := broker.New(t.Context(), broker.Options{Redis: rdb, FirstPartitions: 16, Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	s := testServer(t, Options{Broker: b, Heartbeat: 100 * time.Millisecond, Silence: 2 * time.Second})
	addr := serve(t, s)
	token, _, err := b.IssueToken(t.Context(), chat.Identity{Role: chat.RoleUser, ID: "uma"}, time.Hour)
	require.NoError(t, err)
	dial := func(answers bool) (*gws.Conn, chan error) {
		c := &listener{answers: answers, closed: make(chan error, 1)}
		ws, res, err := gws.NewClient(c, &gws.ClientOption{Addr: "ws://" + addr + "/websocket",
			RequestHeader: map[string][]string{"Sec-Websocket-Protocol": {token}}})
		require.NoError(t, err)
		_ = res.Body.Close()
		go ws.ReadLoop()
		return ws, c.closed
	}
	good, goodClosed := dial(true)
	_, deafClosed := dial(false)
	select {
	case err := <-deafClosed:
		var closed *gws.CloseError
		require.ErrorAs(t, err, &closed)
		require.EqualValues(t, chat.CloseSilent, closed.Code)
	case <-time.After(10 * time.Second):
		t.Fatal("a silent client stayed")
	}
	select {
	case err := <-goodClosed:
		t.Fatalf("a client that answers pings was closed: %v", err)
	default:
	}
	require.NoError(t, good.WriteClose(1000, nil))
	require.Eventually(t, func() bool { return s.Conns() == 0 }, 5*time.Second, 10*time.Millisecond)
	s.Drain(t.Context())
	require.NoError(t, b.Close(t.Context()))
	require.NoError(t, rdb.Close())
}

type listener struct {
	gws.BuiltinEventHandler
	answers bool
	closed  chan error
}

func (l *listener) OnPing(ws *gws.Conn, payload []byte) {
	if l.answers {
		_ = ws.WritePong(payload)
	}
}

func (l *listener) OnClose(_ *gws.Conn, err error) { l.closed <- err }
