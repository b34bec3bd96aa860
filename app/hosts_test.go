package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"bellhop/internal/testenv"
)

// rawAsk sends bytes as they are and gives the answer's status. %s is the node's port.
func rawAsk(t *testing.T, n *node, request string) (int, string) {
	t.Helper()
	c, err := net.Dial("tcp", n.Addr())
	require.NoError(t, err)
	defer func() { _ = c.Close() }()
	require.NoError(t, c.SetDeadline(time.Now().Add(10*time.Second)))
	_, port, err := net.SplitHostPort(n.Addr())
	require.NoError(t, err)
	_, err = io.WriteString(c, strings.ReplaceAll(request, "%s", port))
	require.NoError(t, err)
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	require.NoError(t, err, request)
	body, _ := io.ReadAll(io.LimitReader(res.Body, 1<<16))
	_ = res.Body.Close()
	return res.StatusCode, string(body)
}

const upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"

// A page of a foreign name that resolves to loopback gets nothing: no page, no person's token, no
// answer to the well-known key, no WebSocket. All of it is as a browser, or something worse, sends it.
func TestDNSRebinding(t *testing.T) {
	n := startNode(t, "", openDemo)
	body := `{"role":"supervisor","id":"sue"}`
	requests := map[string]string{
		"a person's token": fmt.Sprintf("POST /demo/token HTTP/1.1\r\n@\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body),
		"the people":       "GET /demo/people HTTP/1.1\r\n@\r\n\r\n",
		"the page":         "GET / HTTP/1.1\r\n@\r\n\r\n",
		"the API":          "GET /api/v1/sessions HTTP/1.1\r\n@\r\nAuthorization: Bearer dev\r\n\r\n",
		"a WebSocket":      "GET /websocket HTTP/1.1\r\n@\r\n" + upgrade + "Sec-WebSocket-Protocol: bellhop.v1, x\r\n\r\n",
		"a preflight":      "OPTIONS /api/v1/sessions HTTP/1.1\r\n@\r\nOrigin: http://evil.example:%s\r\nAccess-Control-Request-Method: GET\r\n\r\n",
		"health":           "GET /healthz HTTP/1.1\r\n@\r\n\r\n",
		"nothing":          "GET /nowhere HTTP/1.1\r\n@\r\n\r\n",
	}
	for what, request := range requests {
		for _, host := range []string{"evil.example:%s", "EVIL.example.:%s", "evil.example", "127.0.0.1.evil.example:%s", "0.0.0.0:%s", "[::ffff:127.0.0.1]:%s", "2130706433:%s", "0x7f.1:%s",
			"127.0.0.1", "localhost:1", "user@127.0.0.1:%s", ""} {
			status, answer := rawAsk(t, n, strings.Replace(request, "@", "Host: "+host, 1))
			require.Contains(t, []int{http.StatusMisdirectedRequest, http.StatusBadRequest}, status, "%s, %q", what, host) // net/http itself refuses some
			if status == http.StatusBadRequest {
				require.NotContains(t, answer, "code", "net/http's own")
			}
			require.NotContains(t, answer, "token\"")
		}
		for _, host := range []string{"127.0.0.1:%s", "localhost:%s", "LOCALHOST:%s", "localhost.:%s", "127.0.0.2:%s", "[::1]:%s"} {
			status, _ := rawAsk(t, n, strings.Replace(request, "@", "Host: "+host, 1))
			require.NotEqual(t, http.StatusMisdirectedRequest, status, "%s, %q", what, host)
		}
	}
	for request, want := range map[string]int{
		"GET http://evil.example:%s/healthz HTTP/1.1\r\nHost: 127.0.0.1:%s\r\n\r\n":                  421, // the target's own host counts
		"GET http://127.0.0.1:%s/healthz HTTP/1.1\r\nHost: evil.example:%s\r\n\r\n":                  200,
		"GET /healthz HTTP/1.0\r\n\r\n":                                                              421,
		"GET /healthz HTTP/1.0\r\nHost: 127.0.0.1:%s\r\n\r\n":                                        200,
		"GET /healthz HTTP/1.1\r\n\r\n":                                                              400,
		"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:%s\r\nHost: evil.example:%s\r\n\r\n":               400,
		"GET /healthz HTTP/1.1\r\nHost: evil.example:%s\r\nX-Forwarded-Host: 127.0.0.1:%s\r\n\r\n":   421,
		"GET /healthz HTTP/1.1\r\nHost: evil.example:%s\r\nOrigin: http://127.0.0.1:%s\r\n\r\n":      421,
		"GET /websocket?senderType=x HTTP/1.1\r\nHost: evil.example:%s\r\nOrigin: null\r\n\r\n":      421,
		"GET /websocket?senderType=x HTTP/1.1\r\nHost: 127.0.0.1:%s\r\nOrigin: null\r\n\r\n":         426,
		"GET /docs HTTP/1.1\r\nHost: evil.example:%s\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n": 421,
	} {
		status, answer := rawAsk(t, n, request)
		require.Equal(t, want, status, "%q: %s", request, answer)
	}
	res, err := http.Post(n.url()+"/demo/token", "application/json", strings.NewReader(body))
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, http.StatusOK, res.StatusCode, "under its own name it is given")
}

// The people are there with the well-known key alone, in memory, on loopback, unless switched off; whoever
// has a Redis behind a proxy on the same machine serves under any name.
func TestWhereTheDemoIs(t *testing.T) {
	status := func(n *node, path, host string, header ...string) int {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, n.url()+path, nil)
		require.NoError(t, err)
		req.Host = host
		for i := 0; i < len(header); i += 2 {
			req.Header.Set(header[i], header[i+1])
		}
		res, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		return res.StatusCode
	}
	for _, c := range []struct {
		name   string
		change func(*Settings)
		people int
	}{
		{"as it comes", nil, 200},
		{"the same key set", func(s *Settings) { s.APIKey = newSecrets(wellKnownKey) }, 200},
		{"another key", func(s *Settings) { s.APIKey = newSecrets(key) }, 404},
		{"another key besides", func(s *Settings) { s.APIKey = newSecrets(wellKnownKey, key) }, 404},
		{"switched off", func(s *Settings) { s.DemoPeople = false }, 404},
		{"bots, but switched off", func(s *Settings) { s.DemoPeople, s.Demo = false, true }, 404},
	} {
		n := startNode(t, "", openDemo, func(s *Settings) {
			if c.change != nil {
				c.change(s)
			}
		})
		require.Equal(t, c.people, status(n, "/demo/people", ""), c.name)
		require.Equal(t, http.StatusMisdirectedRequest, status(n, "/demo/people", "evil.example"), c.name)
		n.stop()
	}
	n := startNode(t, testenv.Shared(t, testenv.EngineRedis), func(s *Settings) { s.DemoPeople = true })
	require.Equal(t, http.StatusOK, status(n, "/healthz", "chat.example", "X-Forwarded-For", "6.6.6.6"))
	require.Equal(t, http.StatusNotFound, status(n, "/demo/people", ""))
	require.Equal(t, http.StatusNotFound, status(n, "/", ""))
}

// The switch can be set, as a flag and as a variable, and does not reach beyond what is its own.
func TestTheDemoSwitch(t *testing.T) {
	people := func(args ...string) bool {
		t.Helper()
		var out bytes.Buffer
		cmd, status := parse(append(args, "--data-dir", t.TempDir()), &out, &out)
		require.Zero(t, status, out.String())
		c, ok := cmd.(*serveCommand)
		require.True(t, ok)
		return c.DemoPeople
	}
	require.True(t, people())
	require.True(t, people("--demo"))
	require.False(t, people("--no-demo-people"))
	require.False(t, people("--demo-people=false"))
	t.Setenv("BELLHOP_DEMO_PEOPLE", "false")
	require.False(t, people())
	require.True(t, people("--demo-people"))
}
