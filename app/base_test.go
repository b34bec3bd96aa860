package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"bellhop/client"
	"bellhop/internal/testenv"
)

// frontAt is deploy/nginx-path.conf in front of a node, which gets the prefix as it came or without it.
func frontAt(t *testing.T, n *node, strips bool) *testenv.NginxServer {
	t.Helper()
	changes := map[string]string{"listen 80;": "listen {{listen}};", "127.0.0.1:8081": n.Addr(), "root /srv/www;": "return 404;",
		"    server 127.0.0.1:8082 max_fails=1 fail_timeout=5s;\n": ""}
	if strips {
		changes["        proxy_pass http://bellhop;\n\n"] = "        proxy_pass http://bellhop/;\n\n"
		changes["            proxy_pass http://bellhop;\n            proxy_buffering"] = "            proxy_pass http://bellhop/websocket;\n            proxy_buffering"
	}
	return testenv.NginxFile(t, "../deploy/nginx-path.conf", changes)
}

// Below a path of another site, through nginx: the addresses of files lead there wherever they are told, clients
// find everything from a base URL with a path, and messages may move to another path with their files.
func TestBelowAPath(t *testing.T) {
	redisURL, ctx := testenv.Shared(t, testenv.EngineRedis), t.Context()
	h := newHostApp(t)
	n := startNode(t, redisURL, h.settings, func(s *Settings) { s.BasePath = "/support/" })
	for _, strips := range []bool{false, true} {
		front := frontAt(t, n, strips)
		base := front.URL() + "/support"
		q := name("q")
		join := func(role, id string, queues ...string) (*party, client.API) {
			tok, err := client.API{BaseURL: base + "/", Key: key}.IssueToken(ctx, client.TokenRequest{Role: role, ID: id, Queues: queues})
			require.NoError(t, err)
			p := &party{t: t, id: id, more: make(chan struct{})}
			p.Client, err = client.Dial(ctx, client.Options{URL: base + "/", Token: tok.Token, OnEvent: p.saw})
			require.NoError(t, err)
			t.Cleanup(p.Close)
			return p, client.API{BaseURL: base, Key: tok.Token}
		}
		uma, asUma := join("user", name("uma"))
		ann, asAnn := join("agent", name("ann"), q)
		s := uma.open(q)
		_, err := ann.Grab(ctx, s.ID)
		require.NoError(t, err)

		f, err := asUma.Upload(ctx, "kettle.txt", strings.NewReader("a kettle"))
		require.NoError(t, err)
		require.True(t, strings.HasPrefix(f.URL, "/support/api/v1/files/"), f.URL)
		f.Thumbnail = ""
		bare := f
		bare.URL = strings.TrimPrefix(f.URL, "/support")
		address := func(body json.RawMessage) string {
			var b client.File
			require.NoError(t, json.Unmarshal(body, &b))
			return b.URL
		}
		var sent client.SendReply
		for _, body := range []client.File{bare, f} { // with the path or without
			sent, err = uma.Send(ctx, client.SendRequest{Session: s.ID, Type: "file", Body: body})
			require.NoError(t, err)
			e := await(ann, func(e *client.MessageEvent) bool { return e.Seq == sent.Seq })
			require.Equal(t, f.URL, address(e.Body), "live")
		}
		foreign := f
		foreign.URL = strings.Replace(f.URL, "/support/", "/other/", 1)
		_, err = uma.Send(ctx, client.SendRequest{Session: s.ID, Type: "file", Body: foreign})
		code(t, "bad_request", err)

		told := func(api client.API, want string) {
			page, err := ann.History(ctx, client.HistoryRequest{Session: s.ID})
			require.NoError(t, err)
			last := page.Messages[len(page.Messages)-1]
			require.Equal(t, f.URL, address(last.Body), "history")
			for _, u := range []string{f.URL, bare.URL} {
				link, _, err := api.Link(ctx, u)
				require.NoError(t, err)
				require.True(t, strings.HasPrefix(link, want+"/api/v1/files/"), link)
				u, err := url.Parse(api.BaseURL)
				require.NoError(t, err)
				require.Equal(t, "a kettle", linked(t, u.Scheme+"://"+u.Host+link))
			}
		}
		told(asAnn, "/support")
		h.await(t, s.ID, "session.opened", "session.grabbed", "message.created", "message.created")
		h.mu.Lock()
		hooked := h.came[len(h.came)-1]["data"].(obj)["message"].(obj)["body"].(obj)["url"]
		h.mu.Unlock()
		require.Equal(t, f.URL, hooked)
		require.Eventually(t, func() bool { // found once it is archived
			var found struct{ Messages []client.Message }
			err := client.API{BaseURL: base, Key: key}.Do(ctx, "GET", "/search?q=kettle&queue="+q, nil, &found)
			return err == nil && len(found.Messages) == 2 && address(found.Messages[0].Body) == f.URL
		}, 20*time.Second, 100*time.Millisecond)

		// The same deployment elsewhere: what was sent is found there.
		moved := startNode(t, redisURL)
		at := client.API{BaseURL: moved.url(), Key: asAnn.Key}
		var page client.HistoryReply
		require.NoError(t, at.Do(ctx, "GET", "/sessions/"+s.ID+"/messages", nil, &page))
		require.Equal(t, bare.URL, address(page.Messages[len(page.Messages)-1].Body))
		told(at, "")
		moved.stop()

		require.NoError(t, uma.Recall(ctx, s.ID, sent.Seq))
		require.NoError(t, uma.Recall(ctx, s.ID, sent.Seq-1))
		_, _, err = asAnn.Link(ctx, f.URL)
		code(t, "not_found", err)
	}
}

func linked(t *testing.T, address string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	require.NoError(t, err)
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer func() { _ = res.Body.Close() }()
	require.Equal(t, http.StatusOK, res.StatusCode, address)
	require.Equal(t, "cross-origin", res.Header.Get("Cross-Origin-Resource-Policy"), "a link is for other sites, too")
	data, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return string(data)
}
