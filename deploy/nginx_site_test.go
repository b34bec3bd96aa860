package deploy_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bellhop/files"
	"bellhop/internal/testenv"
)

// A node dies while it has a request: a POST may have been carried out and is not sent
// again, a GET goes to the other node.
func TestANodeDiesInTheMiddle(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		method string
		code   int
		seen   int64
	}{{http.MethodPost, http.StatusBadGateway, 1}, {http.MethodGet, http.StatusOK, 2}} {
		var seen atomic.Int64
		nodes := [2]*node{startNode(t), startNode(t)}
		nodes[0].dying, nodes[1].dying = &seen, &seen
		n := site(t, nodes, nil)
		code, text := do(t, c.method, n.URL()+"/die", strings.NewReader("some body"))
		assert.Equal(t, c.code, code, "%s: %s", c.method, text)
		assert.Equal(t, c.seen, seen.Load(), "%s: nodes that had it", c.method)
	}
}

// upgrade asks for a WebSocket and tells how that was answered.
func upgrade(t *testing.T, addr string) int {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	require.NoError(t, c.SetDeadline(time.Now().Add(20*time.Second)))
	_, err = fmt.Fprintf(c, "GET /websocket HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", addr)
	require.NoError(t, err)
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	return res.StatusCode
}

// The clients of a node that stops come back while it still refuses them: they get to
// the other, and nothing else is kept from any node on account of that.
func TestANodeThatStopsIsPassedBy(t *testing.T) {
	t.Parallel()
	addr, nodes := proxy(t)
	nodes[0].refuses.Store(true)
	for range 10 {
		require.Equal(t, http.StatusSwitchingProtocols, upgrade(t, addr))
	}
	require.Positive(t, nodes[0].requests.Load(), "the node that stops was never asked")

	nodes[1].refuses.Store(true)
	require.Equal(t, http.StatusServiceUnavailable, upgrade(t, addr), "what the nodes say, not nginx")
	nodes[0].refuses.Store(false)
	nodes[1].refuses.Store(false)
	for range 10 {
		code, _ := do(t, http.MethodPost, "http://"+addr+"/api/v1/sessions", strings.NewReader("x"))
		require.Equal(t, http.StatusOK, code, "refused handshakes concern nobody else")
	}
}

// A balancer before nginx is believed about its clients once it is named, and nobody else is.
func TestBehindABalancer(t *testing.T) {
	t.Parallel()
	nodes := [2]*node{startNode(t), startNode(t)}
	n := site(t, nodes, map[string]string{
		"# set_real_ip_from  10.0.0.0/24;": "set_real_ip_from 127.0.0.2/32;",
		"# real_ip_header ":                "real_ip_header ",
		"# real_ip_recursive ":             "real_ip_recursive ",
	})
	for _, c := range []struct{ from, claims, client string }{
		{"127.0.0.2", "203.0.113.9", "203.0.113.9"},
		{"127.0.0.2", "6.6.6.6, 203.0.113.9, 127.0.0.2", "203.0.113.9"},
		{"127.0.0.3", "203.0.113.9", "127.0.0.3"},
		{"127.0.0.1", "127.0.0.2", "127.0.0.1"},
	} {
		dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(c.from)}}
		h := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: dialer.DialContext}, Timeout: 20 * time.Second}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, n.URL()+"/", nil)
		require.NoError(t, err)
		req.Header.Set("X-Forwarded-For", c.claims)
		res, err := h.Do(req)
		require.NoError(t, err)
		text, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		_ = res.Body.Close()
		assert.Contains(t, string(text), "X-Real-IP="+c.client+"\nX-Forwarded-For="+c.client+"\n", "from %s, which claims %s", c.from, c.claims)
	}
}

func TestTLSFromOneTwo(t *testing.T) {
	t.Parallel()
	cert, key, trust := testenv.Certificate(t, "chat.example.org")
	nodes := [2]*node{startNode(t), startNode(t)}
	plain, err := os.MkdirTemp("", "plain")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(plain) })
	plain = filepath.Join(plain, "80")
	n := site(t, nodes, map[string]string{"listen 443 ssl;": "listen {{listen}} ssl;", "listen 80;": "listen unix:" + plain + ";",
		"/etc/ssl/certs/chat.example.org.pem": cert, "/etc/ssl/private/chat.example.org.key": key})

	for version, good := range map[uint16]bool{tls.VersionTLS10: false, tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true} {
		d := tls.Dialer{Config: &tls.Config{RootCAs: trust, ServerName: "chat.example.org", MinVersion: version, MaxVersion: version}}
		c, err := d.DialContext(t.Context(), "tcp", n.Addr())
		if !good {
			require.ErrorContains(t, err, "protocol version", tls.VersionName(version))
			continue
		}
		require.NoError(t, err, tls.VersionName(version))
		_, err = fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: chat.example.org\r\nConnection: close\r\n\r\n")
		require.NoError(t, err)
		text, err := io.ReadAll(c)
		require.NoError(t, err)
		require.Contains(t, string(text), "X-Forwarded-Proto=https\n")
		_ = c.Close()
	}

	h := http.Client{Timeout: 20 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", plain)
		}}}
	res, err := h.Get("http://chat.example.org/chat?x=1")
	require.NoError(t, err)
	_ = res.Body.Close()
	require.Equal(t, http.StatusPermanentRedirect, res.StatusCode)
	require.Equal(t, "https://chat.example.org/chat?x=1", res.Header.Get("Location"))
}

// What nginx allows is what Bellhop takes; and it is not the one that loses patience.
func TestNginxAgreesWithTheNodes(t *testing.T) {
	t.Parallel()
	const silence = 60 // of handlers: seconds without an answer to a ping
	for _, file := range []string{"nginx.conf", "nginx-path.conf"} {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		number := func(pattern string) int {
			found := regexp.MustCompile(pattern).FindAllStringSubmatch(string(text), -1)
			require.Len(t, found, 1, "%s: %s", file, pattern)
			n, err := strconv.Atoi(found[0][1])
			require.NoError(t, err)
			return n
		}
		assert.Equal(t, files.MaxSize>>20+1, number(`client_max_body_size (\d+)m;`), "a file, and the form around it")
		assert.Greater(t, number(`proxy_read_timeout (\d+)s;`), 2*silence)
		assert.Greater(t, number(`proxy_send_timeout (\d+)s;`), 2*silence)
		assert.NotContains(t, string(text), "non_idempotent;")
	}
}
