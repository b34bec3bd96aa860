package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/lxzan/gws"
	"github.com/stretchr/testify/require"

	"bellhop/client"
	"bellhop/internal/testenv"
)

// raw is a stock WebSocket client: it knows nothing of the protocol.
type raw struct {
	gws.BuiltinEventHandler
	*gws.Conn
	t      testing.TB
	lines  chan string
	closed chan uint16
}

// OnMessage implements gws.Event.
func (r *raw) OnMessage(_ *gws.Conn, m *gws.Message) {
	for line := range strings.SplitSeq(string(m.Bytes()), "\n") {
		r.lines <- line
	}
	_ = m.Close()
}

// OnPing implements gws.Event.
func (r *raw) OnPing(ws *gws.Conn, payload []byte) { _ = ws.WritePong(payload) }

// OnClose implements gws.Event.
func (r *raw) OnClose(_ *gws.Conn, err error) {
	var closed *gws.CloseError
	if errors.As(err, &closed) {
		r.closed <- closed.Code
	}
	close(r.closed)
	close(r.lines)
}

func dialRaw(t testing.TB, n *node, path string, protocols ...string) *raw {
	t.Helper()
	r := &raw{t: t, lines: make(chan string, 10000), closed: make(chan uint16, 1)}
	ws, res, err := gws.NewClient(r, &gws.ClientOption{Addr: "ws://" + n.Addr() + path,
		RequestHeader: http.Header{"Sec-Websocket-Protocol": {strings.Join(protocols, ", ")}}})
	require.NoError(t, err)
	_ = res.Body.Close()
	require.Contains(t, protocols, res.Header.Get("Sec-Websocket-Protocol"))
	r.Conn = ws
	go ws.ReadLoop()
	t.Cleanup(func() { _ = ws.NetConn().Close() })
	return r
}

// next is the next line that fits.
func (r *raw) next(fits string) string {
	r.t.Helper()
	deadline := time.After(10 * time.Second)
	for {
		select {
		case line, ok := <-r.lines:
			if !ok {
				r.t.Fatalf("closed before %q came", fits)
			}
			if strings.Contains(line, fits) {
				return line
			}
		case <-deadline:
			r.t.Fatalf("no %q came", fits)
		}
	}
}

func (r *raw) code(want uint16) {
	r.t.Helper()
	select {
	case got := <-r.closed:
		require.Equal(r.t, want, got)
	case <-time.After(10 * time.Second):
		r.t.Fatalf("not closed; wanted %d", want)
	}
}

func (r *raw) write(line string) {
	r.t.Helper()
	require.NoError(r.t, r.WriteString(line))
}

// Every refusal comes before the upgrade, as problem+json, in the order of the protocol.
func TestHandshakeRefusals(t *testing.T) {
	n := startNode(t, testenv.Shared(t, testenv.EngineRedis), func(s *Settings) { s.Origins = []string{"https://good.example"} })
	u, a := token(t, n, client.TokenRequest{Role: "user", ID: name("uma")}), token(t, n, client.TokenRequest{Role: "agent", ID: name("ann")})
	uma := user(t, n)
	foreign := uma.open(name("q")).ID
	long := strings.Repeat("x", 9000)
	up := map[string]string{"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA=="}
	for _, c := range []struct {
		name, path, protocol string
		header               map[string]string
		status               int
		code                 string
	}{
		{"no upgrade", "/websocket", "", map[string]string{"Upgrade": ""}, 426, "bad_request"},
		{"old version", "/websocket", "", map[string]string{"Sec-WebSocket-Version": "8"}, 426, "bad_request"},
		{"no upgrade before all else", "/websocket?senderType=x", "a, b, c", map[string]string{"Upgrade": "h2c", "Origin": "https://evil.example"}, 426, "bad_request"},
		{"senderType missing", "/websocket/-/d", u, nil, 400, "bad_request"},
		{"senderType unknown", "/websocket/-/d?3", u, nil, 400, "bad_request"},
		{"senderType unknown, named", "/websocket/-/d?senderType=x", u, nil, 400, "bad_request"},
		{"three protocols", "/websocket", "bellhop.v1, " + u + ", x", nil, 400, "bad_request"},
		{"two without ours", "/websocket", u + ", x", nil, 400, "bad_request"},
		{"long token", "/websocket", "bellhop.v1, " + long, nil, 400, "bad_request"},
		{"long device", "/websocket?device=" + long[:65], u, nil, 400, "bad_request"},
		{"control in device", "/websocket?device=%00", u, nil, 400, "bad_request"},
		{"malformed before origin", "/websocket/-/d", u, map[string]string{"Origin": "https://evil.example"}, 400, "bad_request"},
		{"foreign origin", "/websocket", u, map[string]string{"Origin": "https://evil.example"}, 403, "forbidden"},
		{"origin before token", "/websocket", "bellhop.v1, nobody", map[string]string{"Origin": "https://evil.example"}, 403, "forbidden"},
		{"no token", "/websocket", "", nil, 401, "unauthorized"},
		{"no token, ours named", "/websocket", "bellhop.v1", nil, 401, "unauthorized"},
		{"unknown token", "/websocket", "bellhop.v1, nobody", nil, 401, "unauthorized"},
		{"token before role", "/websocket/-/d?agent", "nobody", nil, 401, "unauthorized"},
		{"a user as agent", "/websocket/-/d?2", u, nil, 403, "forbidden"},
		{"an agent as user", "/websocket/-/d?senderType=user", a, nil, 403, "forbidden"},
		{"no such session", "/websocket/00-01J00000000000000000000000/d?1", u, nil, 404, "not_found"},
		{"no session's id", "/websocket/" + url.PathEscape("{x}../ \x01") + "/d?1", u, nil, 404, "not_found"},
		{"a foreign session", "/websocket/" + foreign + "/d?1", u, nil, 403, "forbidden"},
		{"role before session", "/websocket/" + foreign + "/d?2", u, nil, 403, "forbidden"},
	} {
		t.Run(c.name, func(t *testing.T) {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, n.url()+c.path, nil)
			require.NoError(t, err)
			for k, v := range up {
				req.Header.Set(k, v)
			}
			for k, v := range c.header {
				req.Header.Set(k, v)
			}
			if c.protocol != "" {
				req.Header.Set("Sec-WebSocket-Protocol", c.protocol)
			}
			res, err := http.DefaultClient.Do(req)
			require.NoError(t, err)
			defer func() { _ = res.Body.Close() }()
			body, err := io.ReadAll(res.Body)
			require.NoError(t, err)
			require.Equal(t, c.status, res.StatusCode, "%s", body)
			require.Equal(t, "application/problem+json", res.Header.Get("Content-Type"))
			var p struct{ Code string }
			require.NoError(t, json.Unmarshal(body, &p))
			require.Equal(t, c.code, p.Code)
		})
	}
}

// All forms of a good handshake, with ids that hold anything.
func TestHandshakes(t *testing.T) {
	n := startNode(t, testenv.Shared(t, testenv.EngineRedis))
	uma := user(t, n)
	odd := "ü{}./ %?#&+" + name("x")
	u := token(t, n, client.TokenRequest{Role: "user", ID: odd})
	a := token(t, n, client.TokenRequest{Role: "supervisor", ID: odd})
	s := uma.open(name("q")).ID
	for path, protocols := range map[string][]string{
		"/websocket": {"bellhop.v1", u},
		"/websocket?device=" + url.QueryEscape(odd[:16]):  {"bellhop.v1", u},
		"/websocket/-/" + url.PathEscape(odd[:16]) + "?1": {u},
		"/websocket/-/d1?user":                            {u},
		"/websocket/-/d2?senderType=1":                    {"bellhop.v1", u},
		"/websocket/" + s + "/d3?2":                       {a},
		"/websocket/" + s + "/d4?senderType=agent":        {a, "bellhop.v1"},
	} {
		r := dialRaw(t, n, path, protocols...)
		require.Contains(t, r.next(`"event":"hello"`), fmt.Sprintf("%q", odd), path)
	}
	r := &raw{t: t, lines: make(chan string, 10), closed: make(chan uint16, 1)}
	ws, res, err := gws.NewClient(r, &gws.ClientOption{Addr: "ws://" + n.Addr() + "/websocket",
		RequestHeader: http.Header{"Authorization": {"Bearer " + u}, "Origin": {n.url()}}})
	require.NoError(t, err)
	_ = res.Body.Close()
	go ws.ReadLoop()
	r.next("hello")
	require.NoError(t, ws.WriteClose(1000, nil))
}

// Frames that cannot be understood: an error with its code, and the connection stays or closes as the protocol says.
func TestBadFrames(t *testing.T) {
	n := startNode(t, testenv.Shared(t, testenv.EngineRedis))
	uma := user(t, n)
	s := uma.open(name("q")).ID
	connect := func(t *testing.T) *raw {
		r := dialRaw(t, n, "/websocket", "bellhop.v1", token(t, n, client.TokenRequest{Role: "user", ID: uma.id}))
		r.next("hello")
		return r
	}
	r := connect(t)
	bad := func(line string, id any, code string) {
		t.Helper()
		r.write(line)
		got := r.next(`"error"`)
		require.Contains(t, got, fmt.Sprintf(`"id":%v,`, id), line)
		require.Contains(t, got, `"code":"`+code+`"`, line)
	}
	bad(`{"id":1,"cmd":"fly"}`, 1, "bad_request")
	for _, id := range []string{`0`, `-1`, `1.5`, `"1"`, `9007199254740992`, `null`, `{}`, `1e3`} {
		bad(`{"id":`+id+`,"cmd":"ping"}`, 0, "bad_request")
	}
	bad(`{"cmd":"ping"}`, 0, "bad_request")
	bad(`{"id":2,"cmd":"send","session":7,"body":"x"}`, 2, "bad_request")
	bad(`{"id":3,"cmd":"read","session":"`+s+`","seq":-1}`, 3, "bad_request")
	bad(`{"id":4,"cmd":"read","session":"`+s+`","seq":1.5}`, 4, "bad_request")
	bad(`{"id":4,"cmd":"read","session":"`+s+`"}`, 4, "bad_request")
	bad(`{"id":5,"cmd":"history","session":"`+s+`","after":-1}`, 5, "bad_request")
	bad(`{"id":5,"cmd":"history","session":"`+s+`","after":1,"before":3}`, 5, "bad_request")
	bad(`{"id":5,"cmd":"history","session":"`+s+`","limit":201}`, 5, "bad_request")
	bad(`{"id":6,"cmd":"send","session":"`+s+`","body":""}`, 6, "bad_request")
	bad(`{"id":6,"cmd":"send","session":"`+s+`","body":{"a":1}}`, 6, "bad_request")
	bad(`{"id":6,"cmd":"send","session":"`+s+`","type":"system","body":"x"}`, 6, "bad_request")
	bad(`{"id":6,"cmd":"send","session":"`+s+`","type":"note","body":"x"}`, 6, "forbidden")
	bad(`{"id":6,"cmd":"send","session":"`+s+`","type":"image","body":{"url":"javascript:alert(1)"}}`, 6, "bad_request")
	bad(`{"id":6,"cmd":"send","session":"`+s+`","body":"x","replyTo":99}`, 6, "bad_request")
	bad(`{"id":7,"cmd":"send","session":"`+s+`","body":"`+strings.Repeat("x", 16385)+`"}`, 7, "too_large")
	bad(`{"id":7,"cmd":"send","session":"`+s+`","body":"x","key":"`+strings.Repeat("k", 65)+`"}`, 7, "too_large")
	bad(`{"id":8,"cmd":"grab","session":"`+s+`"}`, 8, "forbidden")
	for _, id := range []string{"", "x", "{a}", "00-01J", s + ":log", strings.Repeat("9", 10240), `\u0000`, "..", "0f-01J00000000000000000000 ", "*"} {
		bad(`{"id":9,"cmd":"send","session":"`+id+`","body":"x"}`, 9, "not_found")
		bad(`{"id":9,"cmd":"history","session":"`+id+`"}`, 9, "not_found")
	}
	bad(`{"id":10,"cmd":"open","queue":"\u0001"}`, 10, "bad_request")
	bad(`{"id":10,"cmd":"open","queue":"`+strings.Repeat("q", 65)+`"}`, 10, "bad_request")
	bad(`{"id":10,"cmd":"open","meta":[1]}`, 10, "bad_request")
	bad(`{"id":10,"cmd":"open","meta":{"a":"`+strings.Repeat("m", 5000)+`"}}`, 10, "too_large")
	bad(`{"id":11,"cmd":"status","status":"online"}`, 11, "forbidden")
	bad(`{"id":11,"cmd":"watch"}`, 11, "forbidden")

	t.Log("100 objects in one frame are answered in order")
	var frame bytes.Buffer
	for i := 1; i <= 100; i++ {
		fmt.Fprintf(&frame, "{\"id\":%d,\"cmd\":\"ping\",\"unknown\":[1]}\n", 1000+i)
	}
	r.write(frame.String())
	for i := 1; i <= 100; i++ {
		require.Contains(t, r.next(`"ok"`), fmt.Sprintf(`"id":%d,`, 1000+i))
	}
	t.Log("the fifth line that is no object closes")
	for range 5 {
		r.write("[1]")
	}
	r.code(4004)

	r = connect(t)
	require.NoError(t, r.WriteMessage(gws.OpcodeBinary, []byte("{}")))
	r.code(1003)
	r = connect(t)
	require.NoError(t, r.WriteMessage(gws.OpcodeText, []byte("{\"id\":1,\"cmd\":\"\xff\"}")))
	r.code(1007)
	r = connect(t)
	_ = r.WriteMessage(gws.OpcodeText, bytes.Repeat([]byte(" "), 64<<10+1))
	r.code(1009)
	r = connect(t)
	require.NoError(t, r.WriteMessage(gws.OpcodeText, append([]byte(`{"id":1,"cmd":"ping"}`), bytes.Repeat([]byte(" "), 65000)...)))
	r.next(`"ok"`)
}

// Nobody reads or writes what is not theirs.
func TestForeignSessions(t *testing.T) {
	n := startNode(t, testenv.Shared(t, testenv.EngineRedis))
	q, ctx := name("q"), t.Context()
	uma, eve, ann, other := user(t, n), user(t, n), agent(t, n, q), agent(t, n, name("elsewhere"))
	s := uma.open(q)
	_, err := ann.History(ctx, client.HistoryRequest{Session: s.ID}) // of the queue, while it waits
	require.NoError(t, err)
	_, err = ann.SendText(ctx, s.ID, "x")
	code(t, "forbidden", err)
	for _, p := range []*party{eve, other} {
		_, err = p.History(ctx, client.HistoryRequest{Session: s.ID})
		code(t, "forbidden", err)
		_, err = p.SendText(ctx, s.ID, "x")
		code(t, "forbidden", err)
		_, err = p.Read(ctx, s.ID, 1)
		code(t, "forbidden", err)
		_, err = p.End(ctx, s.ID, "", true)
		code(t, "forbidden", err)
		code(t, "forbidden", p.Recall(ctx, s.ID, 1))
		_, err = p.Grab(ctx, s.ID)
		code(t, "forbidden", err)
		_, err = p.TransferToQueue(ctx, s.ID, q, "")
		code(t, "forbidden", err)
		_, err = p.Accept(ctx, s.ID)
		code(t, "forbidden", err)
		_, err = p.Join(ctx, s.ID, false)
		code(t, "forbidden", err)
		_, err = p.Leave(ctx, s.ID)
		code(t, "forbidden", err)
	}
	_, err = ann.Grab(ctx, s.ID)
	require.NoError(t, err)
	_, err = ann.Send(ctx, client.SendRequest{Session: s.ID, Type: "note", Body: "secret"})
	require.NoError(t, err)
	uma.say(s.ID, "after the note")
	h, err := uma.History(ctx, client.HistoryRequest{Session: s.ID})
	require.NoError(t, err)
	var seqs []int64
	for _, m := range h.Messages {
		seqs = append(seqs, m.Seq)
		require.NotContains(t, string(m.Body), "secret")
	}
	require.Equal(t, []int64{1, 2, 4}, seqs, "to users a note's seq is missing")
	await(ann, func(e *client.MessageEvent) bool { return e.Text() == "after the note" })
	uma.mu.Lock()
	defer uma.mu.Unlock()
	for _, e := range uma.events {
		if m, ok := e.(*client.MessageEvent); ok {
			require.NotEqual(t, "note", m.Type)
		}
	}
}

// A reader too slow is closed with 4003, and others do not wait for it.
func TestASlowReader(t *testing.T) {
	n := startNode(t, testenv.Shared(t, testenv.EngineRedis))
	q := name("q")
	uma, ann := user(t, n), agent(t, n, q)
	s := uma.open(q)
	_, err := ann.Grab(t.Context(), s.ID)
	require.NoError(t, err)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, n.url()+"/websocket", nil)
	require.NoError(t, err)
	slow := &raw{t: t, lines: make(chan string), closed: make(chan uint16, 1)} // nobody takes its lines
	ws, res, err := gws.NewClient(slow, &gws.ClientOption{Addr: "ws" + strings.TrimPrefix(req.URL.String(), "http"),
		RequestHeader: http.Header{"Sec-Websocket-Protocol": {token(t, n, client.TokenRequest{Role: "user", ID: uma.id})}}})
	require.NoError(t, err)
	_ = res.Body.Close()
	text := strings.Repeat("x", 16000)
	before := n.edge.Conns()
	for range 1200 { // some 19 MB, more than the kernel's buffers and the server's queue hold
		ann.say(s.ID, text)
		if n.edge.Conns() < before {
			break
		}
	}
	require.Eventually(t, func() bool { return n.edge.Conns() < before }, 15*time.Second, 10*time.Millisecond)
	require.InDelta(t, 1, look(t, n).of("bellhop_slow_readers_total", ""), 0)
	_ = ws.NetConn().Close()
	ann.say(s.ID, "still here")
	await(uma, func(e *client.MessageEvent) bool { return e.Text() == "still here" })
}

// A second connection of a device replaces the first; revoked and expired tokens close within two seconds, on every node.
func TestClosings(t *testing.T) {
	url := testenv.Shared(t, testenv.EngineRedis)
	a, b := startNode(t, url), startNode(t, url)
	id := name("uma")
	tok := token(t, a, client.TokenRequest{Role: "user", ID: id})
	first := dialRaw(t, a, "/websocket?device=phone", "bellhop.v1", tok)
	first.next("hello")
	second := dialRaw(t, b, "/websocket?device=phone", "bellhop.v1", tok)
	first.code(4002)
	second.next("hello")
	began := time.Now()
	require.NoError(t, a.api().RevokeToken(t.Context(), tok))
	second.code(4001)
	require.Less(t, time.Since(began), 2*time.Second)

	short := token(t, a, client.TokenRequest{Role: "user", ID: id, TTL: 1})
	r := dialRaw(t, a, "/websocket", "bellhop.v1", short)
	r.next("hello")
	began = time.Now()
	r.code(4001)
	require.Less(t, time.Since(began), 3*time.Second)
}

// A node that stops tells its clients, closes with 1001, and takes nobody new; the client comes back to another.
func TestDraining(t *testing.T) {
	url := testenv.Shared(t, testenv.EngineRedis)
	a := startNode(t, url, func(s *Settings) { s.Drain = 500 * time.Millisecond })
	r := dialRaw(t, a, "/websocket", "bellhop.v1", token(t, a, client.TokenRequest{Role: "user", ID: name("uma")}))
	r.next("hello")
	go a.stop()
	require.Contains(t, r.next(`"event":"closing"`), `"reconnectAfter":`)
	r.code(1001)
	a.stop()
}
