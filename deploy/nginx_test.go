// Package deploy has no code: its tests run the files of this folder, and the
// Dockerfile's build.
package deploy_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"bellhop/internal/testenv"
)

func TestMain(m *testing.M) {
	os.Exit(testenv.Main(m))
}

// node stands for a Bellhop node: it tells what reached it.
type node struct {
	*httptest.Server
	requests atomic.Int64
	posts    atomic.Int64
	refuses  atomic.Bool   // answers 503, as one does that is stopping
	dying    *atomic.Int64 // counts those who came to /die; the first of them kills its node
}

func startNode(t *testing.T) *node {
	n := &node{}
	n.Server = httptest.NewServer(n)
	t.Cleanup(n.Close)
	return n
}

func (n *node) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n.requests.Add(1)
	switch {
	case n.refuses.Load():
		http.Error(w, "stopping", http.StatusServiceUnavailable)
	case r.URL.Path == "/hang-up":
		n.posts.Add(1)
		panic(http.ErrAbortHandler)
	case r.URL.Path == "/die" && n.dying.Add(1) == 1:
		_, _ = io.Copy(io.Discard, r.Body)
		_ = n.Listener.Close()
		panic(http.ErrAbortHandler)
	case strings.EqualFold(r.Header.Get("Upgrade"), "websocket"):
		n.upgrade(w, r)
	case r.Method == http.MethodPost:
		size, err := io.Copy(io.Discard, r.Body)
		_, _ = fmt.Fprintln(w, size, err)
	default:
		for _, h := range []string{"X-Real-IP", "X-Forwarded-For", "X-Forwarded-Proto", "Connection"} {
			_, _ = fmt.Fprintf(w, "%s=%s\n", h, r.Header.Get(h))
		}
		_, _ = fmt.Fprintf(w, "Host=%s\nProto=%s\n", r.Host, r.Proto)
	}
}

// upgrade answers as the article's form of the handshake does, with the token
// as the protocol, and then echoes bytes: nginx does not look at frames.
func (n *node) upgrade(w http.ResponseWriter, r *http.Request) {
	c, buf, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer func() { _ = c.Close() }()
	_, _ = fmt.Fprintf(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: %s\r\nSec-WebSocket-Protocol: %s\r\n\r\n",
		r.Header.Get("Connection"), r.Header.Get("Sec-WebSocket-Protocol"))
	_, _ = io.Copy(c, buf)
}

// proxy starts nginx.conf in front of two nodes.
func proxy(t *testing.T) (string, [2]*node) {
	t.Helper()
	nodes := [2]*node{startNode(t), startNode(t)}
	return site(t, nodes, nil).Addr(), nodes
}

// site starts nginx.conf in front of these nodes.
func site(t *testing.T, nodes [2]*node, changes map[string]string) *testenv.NginxServer {
	t.Helper()
	n := testenv.NginxSite(t, "nginx.conf", [2]string{nodes[0].Listener.Addr().String(), nodes[1].Listener.Addr().String()}, changes)
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(n.Log())
		}
	})
	return n
}

func do(t *testing.T, method, url string, body io.Reader, header ...string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	c := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 20 * time.Second}
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

func TestNodesSeeTheClient(t *testing.T) {
	t.Parallel()
	addr, _ := proxy(t)
	code, got := do(t, http.MethodGet, "http://"+addr+"/api/v1/queues", nil,
		"X-Forwarded-For", "6.6.6.6", "X-Real-IP", "6.6.6.6", "X-Forwarded-Proto", "https", "Connection", "close")
	want := "X-Real-IP=127.0.0.1\nX-Forwarded-For=127.0.0.1\nX-Forwarded-Proto=http\nConnection=\nHost=" + addr + "\nProto=HTTP/1.1\n"
	if code != http.StatusOK || got != want {
		t.Fatalf("%d\n%s\nwant\n%s", code, got, want)
	}
}

func TestMetricsStayInside(t *testing.T) {
	t.Parallel()
	addr, nodes := proxy(t)
	if code, _ := do(t, http.MethodGet, "http://"+addr+"/metrics", nil); code != http.StatusNotFound {
		t.Fatalf("got %d", code)
	}
	if n := nodes[0].requests.Load() + nodes[1].requests.Load(); n != 0 {
		t.Fatalf("%d requests reached a node", n)
	}
}

func TestBothNodesServeUntilOneIsGone(t *testing.T) {
	t.Parallel()
	addr, nodes := proxy(t)
	for range 20 {
		if code, _ := do(t, http.MethodGet, "http://"+addr+"/", nil); code != http.StatusOK {
			t.Fatalf("got %d", code)
		}
	}
	if nodes[0].requests.Load() == 0 || nodes[1].requests.Load() == 0 {
		t.Fatalf("%d and %d requests", nodes[0].requests.Load(), nodes[1].requests.Load())
	}
	nodes[0].Close()
	for range 20 {
		if code, _ := do(t, http.MethodGet, "http://"+addr+"/", nil); code != http.StatusOK {
			t.Fatalf("got %d with a node down", code)
		}
		if code, _ := do(t, http.MethodPost, "http://"+addr+"/", strings.NewReader("x")); code != http.StatusOK {
			t.Fatalf("got %d for a POST that no node had seen", code)
		}
	}
}

func TestOnlyWhatMayBeRepeatedIs(t *testing.T) {
	t.Parallel()
	addr, nodes := proxy(t)
	for _, c := range []struct {
		method string
		tries  int64
	}{{http.MethodPost, 1}, {http.MethodGet, 2}} {
		before := nodes[0].posts.Load() + nodes[1].posts.Load()
		if code, _ := do(t, c.method, "http://"+addr+"/hang-up", http.NoBody); code != http.StatusBadGateway {
			t.Fatalf("%s: got %d", c.method, code)
		}
		if n := nodes[0].posts.Load() + nodes[1].posts.Load() - before; n != c.tries {
			t.Fatalf("%s was tried %d times, want %d", c.method, n, c.tries)
		}
		addr, nodes = proxy(t) // one that holds no failure against its nodes
	}
}

func TestUploadsOfTwentyMegabytesPass(t *testing.T) {
	t.Parallel()
	addr, _ := proxy(t)
	const limit = 20 << 20
	code, got := do(t, http.MethodPost, "http://"+addr+"/api/v1/files", bytes.NewReader(make([]byte, limit+4096)))
	if want := fmt.Sprintln(limit+4096, nil); code != http.StatusOK || got != want {
		t.Fatalf("%d %s", code, got)
	}
	if code, _ := do(t, http.MethodPost, "http://"+addr+"/api/v1/files", bytes.NewReader(make([]byte, limit+2<<20))); code != http.StatusRequestEntityTooLarge {
		t.Fatalf("22 MiB: got %d", code)
	}
}

func TestWebSocketsPassWithTheLongestToken(t *testing.T) {
	t.Parallel()
	addr, _ := proxy(t)
	token := strings.Repeat("t", 8<<10)
	for _, protocol := range []string{token, "bellhop.v1, " + token} {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		_ = c.SetDeadline(time.Now().Add(20 * time.Second))
		_, err = fmt.Fprintf(c, "GET /websocket/-/tab1?agent HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
			"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: %s\r\n\r\n", addr, protocol)
		if err != nil {
			t.Fatal(err)
		}
		r := bufio.NewReader(c)
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusSwitchingProtocols || resp.Header.Get("Sec-WebSocket-Protocol") != protocol {
			t.Fatalf("handshake with %d bytes: %s", len(protocol), resp.Status)
		}
		for _, say := range []string{"one\n", "two\n"} { // each comes back before the next is said
			if _, err := io.WriteString(c, say); err != nil {
				t.Fatal(err)
			}
			if got, err := r.ReadString('\n'); err != nil || got != say {
				t.Fatalf("got %q, %v", got, err)
			}
		}
	}
}

// What docs/operations.md shows of nginx-path.conf stands in it, line by line. TestBelowAPath in app and
// web/e2e/base.test.ts run the file.
func TestTheDocumentedPathIsTheFiles(t *testing.T) {
	docs, err := os.ReadFile("../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile("nginx-path.conf")
	if err != nil {
		t.Fatal(err)
	}
	_, snippet, found := strings.Cut(string(docs), "```nginx\n")
	snippet, _, _ = strings.Cut(snippet, "```")
	if !found || strings.Count(snippet, "\n") < 10 {
		t.Fatal("docs/operations.md shows no nginx")
	}
	for line := range strings.Lines(snippet) {
		if !strings.Contains(line, "# …") && !strings.Contains(string(file), line) {
			t.Errorf("nginx-path.conf does not say %q", line)
		}
	}
}
