package main

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"bellhop/client"
	"bellhop/handlers"
	"bellhop/handlers/openapitest"
	"bellhop/internal/testenv"
)

// get reads a path of a node, as somebody.
func get(t testing.TB, web *http.Client, base, path, bearer string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+path, nil)
	require.NoError(t, err)
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	res, err := web.Do(req)
	require.NoError(t, err)
	defer func() { _ = res.Body.Close() }()
	data, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return answer{res.StatusCode, res.Header, string(data)}
}

// caughtUp waits until the archive lacks nothing.
func caughtUp(t testing.TB, base string) {
	t.Helper()
	require.Eventually(t, func() bool {
		var r struct {
			ArchiveLag struct{ Sessions, Messages int64 }
		}
		a := get(t, http.DefaultClient, base, "/readyz", "")
		return json.Unmarshal([]byte(a.body), &r) == nil && r.ArchiveLag.Sessions == 0 && r.ArchiveLag.Messages == 0
	}, 30*time.Second, 100*time.Millisecond)
}

// Search and transcripts: what one may see, and nothing else.
func TestSearchAndTranscripts(t *testing.T) {
	n := startNode(t, testenv.Redis(t).URL())
	web := &http.Client{Transport: openapitest.Transport(t, handlers.Description())}
	q := name("q")
	uma, ann, bea := user(t, n), agent(t, n, q), agent(t, n, q)
	s := uma.open(q)
	_, err := ann.Grab(t.Context(), s.ID)
	require.NoError(t, err)
	uma.say(s.ID, "我的订单 refund <b>please</b>")
	secret := uma.say(s.ID, "my password is hunter2")
	require.NoError(t, uma.Recall(t.Context(), s.ID, secret.Seq))
	_, err = ann.Send(t.Context(), client.SendRequest{Session: s.ID, Type: "note", Body: "refund: ask the boss"})
	require.NoError(t, err)
	for i := range 7 {
		ann.say(s.ID, fmt.Sprintf("answer %d about the refund", i))
	}
	eve := user(t, n)
	eve.open(q)
	caughtUp(t, n.url())

	type found struct {
		Messages []struct {
			Seq     int64
			Session string
			Snippet []struct {
				Text string
				Hit  bool
			}
		}
		Cursor string
	}
	search := func(bearer, query string) (out found) {
		a := get(t, web, n.url(), "/api/v1/search?"+query, bearer)
		require.Equal(t, http.StatusOK, a.status, a.body)
		require.NoError(t, json.Unmarshal([]byte(a.body), &out))
		return out
	}
	tok := func(p *party, role string) string {
		return token(t, n, client.TokenRequest{Role: role, ID: p.id, Queues: []string{q}})
	}
	umas, anns, beas, eves := tok(uma, "user"), tok(ann, "agent"), tok(bea, "agent"), tok(eve, "user")
	require.Len(t, search(key, "q=refund").Messages, 9)
	require.Len(t, search(anns, "q=refund").Messages, 9)
	require.Len(t, search(umas, "q=refund").Messages, 8, "no notes")
	require.Empty(t, search(beas, "q=refund").Messages, "she never took part")
	require.Empty(t, search(eves, "q=refund").Messages)
	require.Empty(t, search(key, "q=hunter2").Messages, "recalled")
	require.Empty(t, search(key, "q=refund&queue=elsewhere").Messages)
	require.Len(t, search(key, "q="+url.QueryEscape("订单")+"&user="+uma.id).Messages, 1)
	hit := search(key, "q="+url.QueryEscape("订单 REFUND")).Messages
	require.Len(t, hit, 1)
	marked := ""
	for _, part := range hit[0].Snippet {
		if part.Hit {
			marked += part.Text + "|"
		}
	}
	require.Equal(t, "订单|refund|", marked)
	var pages []int64
	for cursor, more := "", true; more; more = cursor != "" {
		page := search(anns, "q=refund&limit=4&cursor="+url.QueryEscape(cursor))
		for _, m := range page.Messages {
			pages = append(pages, m.Seq)
		}
		cursor = page.Cursor
	}
	require.Len(t, pages, 9)
	for i := 1; i < len(pages); i++ {
		require.Less(t, pages[i], pages[i-1], "newest first, each once")
	}
	for _, bad := range []string{"", "q=", "q=x&limit=0", "q=x&limit=201", "q=x&cursor=x", "q=x&since=x", "q=%ff"} {
		require.Equal(t, http.StatusBadRequest, get(t, web, n.url(), "/api/v1/search?"+bad, key).status, bad)
	}
	require.Equal(t, http.StatusRequestEntityTooLarge, get(t, web, n.url(), "/api/v1/search?q="+strings.Repeat("x", 300), key).status)
	require.Equal(t, http.StatusForbidden, get(t, web, n.url(), "/api/v1/search?q=x&user="+eve.id, umas).status)

	path := "/api/v1/sessions/" + s.ID + "/transcript"
	for bearer, notes := range map[string]bool{umas: false, anns: true, key: true} {
		for _, format := range []string{"json", "text", "html"} {
			a := get(t, web, n.url(), path+"?format="+format, bearer)
			require.Equal(t, http.StatusOK, a.status, a.body)
			require.Equal(t, notes, strings.Contains(a.body, "ask the boss"), format)
			require.NotContains(t, a.body, "hunter2")
			require.Contains(t, a.body, "answer 6 about the refund")
			if format == "html" {
				require.NotContains(t, a.body, "<b>please</b>", "markup is text")
				require.Contains(t, a.header.Get("Content-Security-Policy"), "default-src 'none'")
			}
		}
	}
	require.Equal(t, http.StatusForbidden, get(t, web, n.url(), path, eves).status)
	require.Equal(t, http.StatusBadRequest, get(t, web, n.url(), path+"?format=pdf", key).status)
	nobodys := s.ID[:len(s.ID)-26] + strings.Repeat("0", 26)
	require.Equal(t, http.StatusNotFound, get(t, web, n.url(), "/api/v1/sessions/"+nobodys+"/transcript", key).status)

	last := int64(0)
	for i := range 450 { // more than two pages
		last = uma.say(s.ID, fmt.Sprint("more ", i)).Seq
	}
	var long struct {
		Session  client.Session
		Messages []client.Message
	}
	require.NoError(t, json.Unmarshal([]byte(get(t, web, n.url(), path, key).body), &long))
	require.Equal(t, last, long.Session.Seq)
	require.Len(t, long.Messages, int(last))
	for i := range long.Messages {
		require.EqualValues(t, i+1, long.Messages[i].Seq)
	}
	for _, format := range []string{"text", "html"} {
		body := get(t, web, n.url(), path+"?format="+format, key).body
		require.Contains(t, body, "more 0")
		require.Contains(t, body, "more 449")
		require.Equal(t, format == "html", strings.HasSuffix(body, "</html>\n"))
	}

	caughtUp(t, n.url())
	a := get(t, http.DefaultClient, n.url(), "/metrics", "")
	for _, line := range []string{"bellhop_archive_lag_messages 0", "bellhop_archive_lag_seconds 0", "bellhop_connections 4"} {
		require.Contains(t, a.body, line+"\n")
	}
	require.NotContains(t, a.body, "bellhop_archive_messages_total 0\n")
}

// A lost Redis comes back out of the archive by `restore`; `audit` tells whether it is sound.
func TestRestoreAndAudit(t *testing.T) {
	lost := testenv.Redis(t).URL()
	n := startNode(t, lost)
	q := name("q")
	uma, ann := user(t, n), agent(t, n, q)
	s := uma.open(q)
	_, err := ann.Grab(t.Context(), s.ID)
	require.NoError(t, err)
	for i := range 300 {
		uma.say(s.ID, fmt.Sprint(i))
	}
	caughtUp(t, n.url())
	command := func(want int, args ...string) string {
		t.Helper()
		var out, errs bytes.Buffer
		require.Equal(t, want, run(t.Context(), append(args, "--data-dir", dataOf(t, lost)), &out, &errs), errs.String())
		return out.String() + errs.String()
	}
	require.Contains(t, command(0, "audit", "--redis-url", lost), "all promises hold")
	require.Contains(t, command(2, "restore", "--redis-url", lost), "not empty")
	require.Contains(t, command(2, "audit"), "--redis-url")
	n.stop()

	fresh := testenv.Redis(t).URL()
	require.Contains(t, command(0, "restore", "--redis-url", fresh), "restored 1 sessions")
	require.Contains(t, command(0, "audit", "--redis-url", fresh), "all promises hold")
	folders.Store(fresh, dataOf(t, lost))
	again := startNode(t, fresh)
	uma2 := dial(t, again, client.TokenRequest{Role: "user", ID: uma.id})
	got := uma2.say(s.ID, "on we go")
	require.Equal(t, int64(303), got.Seq)
	h, err := uma2.History(t.Context(), client.HistoryRequest{Session: s.ID, Limit: 200, Before: new(int64(250))})
	require.NoError(t, err)
	require.Len(t, h.Messages, 200)

	caughtUp(t, again.url())
	rdb := testenv.Client(t, fresh)
	keys, err := rdb.Keys(t.Context(), "*"+s.ID+":unread").Result()
	require.NoError(t, err)
	require.Len(t, keys, 1)
	require.NoError(t, rdb.HIncrBy(t.Context(), keys[0], "a:"+ann.id, 1).Err())
	out := command(1, "audit", "--redis-url", fresh)
	require.Contains(t, out, "promise 3")
	require.Contains(t, out, keys[0])
}

// embeddedAt is an embedded server as a process of its own, which can be killed and
// started again, and people who join it.
func embeddedAt(t *testing.T, dir string) (base string, start func() *exec.Cmd, join func(client.TokenRequest) *party) {
	bin, err := build()
	require.NoError(t, err)
	addr := freeAddr(t)
	start = func() *exec.Cmd {
		cmd := exec.CommandContext(context.WithoutCancel(t.Context()), bin, "--addr", addr, "--data-dir", dir, "--log-level", "error")
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		require.NoError(t, cmd.Start())
		t.Cleanup(func() {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		})
		ready(t, addr)
		return cmd
	}
	base = "http://" + addr
	api := client.API{BaseURL: base, Key: "dev"}
	join = func(r client.TokenRequest) *party {
		tok, err := api.IssueToken(t.Context(), r)
		require.NoError(t, err)
		p := &party{t: t, id: r.ID, more: make(chan struct{})}
		p.Client, err = client.Dial(t.Context(), client.Options{URL: base, Token: tok.Token, OnEvent: p.saw,
			MinBackoff: 20 * time.Millisecond, MaxBackoff: 200 * time.Millisecond})
		require.NoError(t, err)
		t.Cleanup(p.Close)
		return p
	}
	return base, start, join
}

// The embedded one killed with -9 before its newest messages were archived: what
// was shown of them is void, and what is sent under their seqs afterwards is shown.
func TestTheEmbeddedOneForgets(t *testing.T) {
	dir := t.TempDir()
	base, start, join := embeddedAt(t, dir)
	first := start()
	uma, ann := join(client.TokenRequest{Role: "user", ID: "u1"}), join(client.TokenRequest{Role: "agent", ID: "a1"})
	s := uma.open("")
	_, err := ann.Grab(t.Context(), s.ID)
	require.NoError(t, err)
	uma.say(s.ID, "kept")
	caughtUp(t, base)
	time.Sleep(2200 * time.Millisecond) // the lag is measured every two seconds only
	caughtUp(t, base)
	held := holdArchive(t, dir) // it archives within a moment
	for i := range 3 {
		uma.say(s.ID, fmt.Sprint("lost ", i))
	}
	await(ann, func(m *client.MessageEvent) bool { return m.Text() == "lost 2" })
	require.NoError(t, first.Process.Kill())
	_ = first.Wait()
	held()

	start()
	await(ann, func(r *client.Reset) bool { return r.Session == s.ID })
	for i := range 3 {
		require.EqualValues(t, 4+i, uma.say(s.ID, fmt.Sprint("new ", i)).Seq)
	}
	await(ann, func(m *client.MessageEvent) bool { return m.Text() == "new 2" })
	var log []string
	h, err := ann.History(t.Context(), client.HistoryRequest{Session: s.ID, Limit: 200})
	require.NoError(t, err)
	for i := range h.Messages {
		if text := h.Messages[i].Text(); text != "" {
			log = append(log, text)
		}
	}
	require.Equal(t, []string{"kept", "new 0", "new 1", "new 2"}, log)
	require.Equal(t, log, ann.shown(s.ID))
}

// holdArchive lets nobody write to the SQLite archive of a data folder until it is called off.
func holdArchive(t *testing.T, dir string) (letGo func()) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.db"))
	require.NoError(t, err)
	require.Len(t, files, 1)
	db, err := sql.Open("sqlite", files[0]+"?_pragma=busy_timeout(5000)")
	require.NoError(t, err)
	conn, err := db.Conn(t.Context())
	require.NoError(t, err)
	_, err = conn.ExecContext(t.Context(), "BEGIN IMMEDIATE")
	require.NoError(t, err)
	return func() {
		_, err := conn.ExecContext(t.Context(), "ROLLBACK")
		require.NoError(t, err)
		require.NoError(t, conn.Close())
		require.NoError(t, db.Close())
	}
}

// shown are the texts of a session as its application has them: since the last reset.
func (p *party) shown(session string) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []string
	for _, e := range p.events {
		switch e := e.(type) {
		case *client.Reset:
			if e.Session == session {
				out = nil
			}
		case *client.MessageEvent:
			if e.Session == session && e.Text() != "" {
				out = append(out, e.Text())
			}
		}
	}
	return out
}

// The embedded one killed with -9 and started again goes on where it was: its
// clients come back by themselves.
func TestTheEmbeddedOneIsKilled(t *testing.T) {
	base, start, join := embeddedAt(t, t.TempDir())
	first := start()
	uma, ann := join(client.TokenRequest{Role: "user", ID: "u1"}), join(client.TokenRequest{Role: "agent", ID: "a1"})
	s := uma.open("")
	_, err := ann.Grab(t.Context(), s.ID)
	require.NoError(t, err)
	for i := range 250 {
		uma.say(s.ID, fmt.Sprint(i))
	}
	waits := join(client.TokenRequest{Role: "user", ID: "u2"}).open("")
	caughtUp(t, base)
	require.NoError(t, first.Process.Kill())
	_ = first.Wait()

	start()
	sent := uma.say(s.ID, "still there?")
	require.EqualValues(t, 253, sent.Seq)
	await(ann, func(m *client.MessageEvent) bool { return m.Seq == 253 })
	_, err = ann.Read(t.Context(), s.ID, 253)
	require.NoError(t, err)
	_, err = ann.Grab(t.Context(), waits.ID)
	require.NoError(t, err)
	h, err := ann.History(t.Context(), client.HistoryRequest{Session: s.ID, Limit: 200, Before: new(int64(202))})
	require.NoError(t, err)
	require.Len(t, h.Messages, 200)
	require.EqualValues(t, 2, h.Messages[0].Seq)
	_, err = uma.End(t.Context(), s.ID, "", false)
	require.NoError(t, err)
}
