package handlers

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"bellhop/broker/chat"
	"bellhop/files"
)

// Which hosts are this machine's; all others may be somebody else's names for it, or lead elsewhere.
func TestWhichHostsAreOurs(t *testing.T) {
	for host, ours := range map[string]bool{
		"localhost:8080": true, "LocalHost:8080": true, "localhost.:8080": true, "127.0.0.1:8080": true, "127.9.8.7:8080": true, "[::1]:8080": true,
		"": false, "localhost": false, "127.0.0.1": false, "[::1]": false, "localhost:80": false, "localhost:8081": false, "localhost:08080": false,
		"localhost:": false, ":8080": false, "localhost:8080:8080": false, "localhost..:8080": false, ".localhost:8080": false, "x.localhost:8080": false,
		"evil.example:8080": false, "localhost.evil.example:8080": false, "127.0.0.1.evil.example:8080": false, "evil.example": false,
		"user@localhost:8080": false, "localhost@evil.example:8080": false, "localhost:8080@evil.example:8080": false,
		"[::ffff:127.0.0.1]:8080": false, "[::ffff:7f00:1]:8080": false, "::1:8080": false, "[::1%lo]:8080": false, "[0:0:0:0:0:0:0:1]:8080": false,
		"0.0.0.0:8080": false, "[::]:8080": false, "2130706433:8080": false, "0x7f000001:8080": false, "0x7f.0.0.1:8080": false, "017700000001:8080": false,
		"127.1:8080": false, "127.0.0.01:8080": false, "127.0.0.1.:8080": false, "10.0.0.1:8080": false, "192.168.1.1:8080": false, "169.254.169.254:8080": false,
		"localhost :8080": false, " localhost:8080": false, "localhost\t:8080": false, "ｌocalhost:8080": false, "localhost/:8080": false, "localhost#:8080": false,
	} {
		require.Equal(t, ours, isLoopbackHost(host, 8080), "%q", host)
	}
	for host, ours := range map[string]bool{"localhost": true, "localhost:80": true, "127.0.0.1": true, "[::1]": true, "::1": false, "localhost:8080": false, "evil.example": false} {
		require.Equal(t, ours, isLoopbackHost(host, 80), "%q", host)
	}
}

func localServer(t *testing.T, origins ...string) (*Server, int) {
	t.Helper()
	s := testServer(t, Options{Files: &files.Store{}, Local: true, OpenKey: true, Origins: origins,
		Demo: &Demo{People: []DemoPerson{{Role: chat.RoleSupervisor, ID: "sue"}}}})
	return s, 8080
}

// ask sends a request that came in at a port of this machine, from this machine.
func ask(s *Server, port int, method, path, host string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader("{}"))
	r.Host, r.RemoteAddr = host, "127.0.0.1:40000"
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	r = r.WithContext(cameIn(r, port))
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, r)
	return w
}

// Every route there is, and none, answers 421 to a name that is not ours, before it looks at anything else.
func TestForeignHostsGetNothing(t *testing.T) {
	s, port := localServer(t)
	routes := 0
	for _, r := range s.engine.Routes() {
		routes++
		path := strings.NewReplacer(":sessionId", "x", ":connectionId", "d", ":id", "x", "*name", "x").Replace(r.Path)
		for _, method := range []string{r.Method, http.MethodOptions, http.MethodHead, "BREW"} {
			w := ask(s, port, method, path, "evil.example:8080", "Authorization", "Bearer key", "Origin", "http://evil.example:8080", "Access-Control-Request-Method", "POST",
				"Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA==")
			require.Equal(t, http.StatusMisdirectedRequest, w.Code, "%s %s", method, path)
			require.Equal(t, "application/problem+json", w.Header().Get("Content-Type"))
			require.Empty(t, w.Header().Get("Access-Control-Allow-Origin"))
			require.Contains(t, w.Body.String(), `"status":421`)
		}
	}
	require.Greater(t, routes, 45)
	for _, path := range []string{"/nowhere", "/api/v1", "//", "/%2e%2e/", "/websocket/"} {
		require.Equal(t, http.StatusMisdirectedRequest, ask(s, port, http.MethodGet, path, "evil.example:8080").Code, path)
		require.NotEqual(t, http.StatusMisdirectedRequest, ask(s, port, http.MethodGet, path, "localhost:8080").Code, path)
	}
	require.Equal(t, http.StatusMisdirectedRequest, ask(s, port, http.MethodGet, "/websocket?senderType=x", "evil.example:8080").Code, "before 426 and 400")
	require.Equal(t, http.StatusOK, ask(s, port, http.MethodGet, "/healthz", "127.0.0.1:8080").Code)
}

// Hosts of --origins are ours, too; elsewhere than on this machine alone any host is.
func TestHostsOfOrigins(t *testing.T) {
	s, port := localServer(t, "*", "https://chat.example", "http://dev.example:3000")
	for host, status := range map[string]int{"chat.example": 200, "CHAT.example": 200, "dev.example:3000": 200, "localhost:8080": 200,
		"dev.example": 421, "chat.example:8080": 421, "x.chat.example": 421, "*": 421, "": 421} {
		require.Equal(t, status, ask(s, port, http.MethodGet, "/healthz", host).Code, "%q", host)
	}
	public := testServer(t, Options{})
	require.Equal(t, http.StatusOK, ask(public, port, http.MethodGet, "/healthz", "chat.example").Code)
	require.Equal(t, http.StatusOK, ask(public, port, http.MethodGet, "/healthz", "").Code)
}

// The demo's people, and the key everybody knows, are for who is at this machine: not through a
// proxy, not for another origin's page, not under a host of --origins.
func TestTheDemoIsForThisMachineAlone(t *testing.T) {
	s, port := localServer(t, "*", "https://chat.example", "http://127.0.0.1:3000")
	own := "http://localhost:8080"
	for _, c := range []struct {
		name   string
		header []string
		page   int // GET /
		people int
	}{
		{"a program", nil, 200, 200}, {"our page", []string{"Origin", own, "Sec-Fetch-Site", "same-origin"}, 200, 200},
		{"typed by a person", []string{"Sec-Fetch-Site", "none"}, 200, 200},
		{"a link on another page", []string{"Sec-Fetch-Site", "cross-site"}, 200, 403}, {"another page of the site", []string{"Sec-Fetch-Site", "same-site"}, 200, 403},
		{"a foreign page", []string{"Origin", "https://evil.example"}, 200, 403}, {"a page without an origin", []string{"Origin", "null"}, 200, 403},
		{"a page of --origins", []string{"Origin", "https://chat.example"}, 200, 403}, {"one on this machine", []string{"Origin", "http://127.0.0.1:3000"}, 200, 403},
		{"another port", []string{"Origin", "http://localhost:8081"}, 200, 403}, {"https", []string{"Origin", "https://localhost:8080"}, 200, 403},
		{"an odd scheme", []string{"Origin", "ftp://localhost:8080"}, 200, 403}, {"a user", []string{"Origin", "http://u@localhost:8080"}, 200, 403},
		{"nginx", []string{"X-Forwarded-For", "6.6.6.6"}, 403, 403}, {"nginx, as in deploy", []string{"X-Real-Ip", "127.0.0.1"}, 403, 403},
		{"X-Forwarded-Host", []string{"X-Forwarded-Host", "localhost:8080"}, 403, 403}, {"any such", []string{"X-Forwarded-Whatever", ""}, 403, 403},
		{"Forwarded", []string{"Forwarded", "for=127.0.0.1"}, 403, 403}, {"Via", []string{"Via", "1.1 x"}, 403, 403},
	} {
		require.Equal(t, c.page, ask(s, port, http.MethodGet, "/", "localhost:8080", c.header...).Code, c.name)
		require.Equal(t, c.people, ask(s, port, http.MethodGet, "/demo/people", "localhost:8080", c.header...).Code, c.name)
		want := c.people
		if want == 200 {
			want = 404 // no such person: it was let in
		}
		require.Equal(t, want, ask(s, port, http.MethodPost, "/demo/token", "localhost:8080", c.header...).Code, c.name)
		key := append([]string{"Authorization", "Bearer key"}, c.header...)
		w := ask(s, port, http.MethodPost, "/api/v1/moves", "localhost:8080", key...)
		require.Equal(t, c.page == 403, w.Code == 401, "%s: %d %s", c.name, w.Code, w.Body)
	}
	require.Equal(t, http.StatusForbidden, ask(s, port, http.MethodGet, "/", "chat.example").Code)
	require.Equal(t, http.StatusForbidden, ask(s, port, http.MethodPost, "/demo/token", "chat.example", "Origin", "http://chat.example").Code)
	require.Equal(t, http.StatusUnauthorized, ask(s, port, http.MethodPost, "/api/v1/moves", "chat.example", "Authorization", "bearer  key").Code)
	r := httptest.NewRequest(http.MethodGet, "/demo/people", nil)
	r.Host, r.RemoteAddr = "localhost:8080", "10.0.0.7:1"
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, r.WithContext(cameIn(r, port)))
	require.Equal(t, http.StatusForbidden, w.Code, "from elsewhere")
}

// An Origin is compared as it is sent: another scheme, a user, a path are not ours.
func TestWhichOriginsMayTalk(t *testing.T) {
	s := testServer(t, Options{Origins: []string{"https://good.example"}})
	for origin, may := range map[string]bool{"": true, "https://good.example": true, "http://host.example:8080": true, "https://host.example:8080": true,
		"http://good.example": false, "ftp://host.example:8080": false, "ws://host.example:8080": false, "http://u@host.example:8080": false, "http://u:p@host.example:8080": false,
		"http://host.example:8080/": false, "http://host.example:8080/x": false, "http://host.example": false, "null": false, "host.example:8080": false, "//host.example:8080": false,
		"chrome-extension://host.example:8080": false, "file://": false, "https://good.example.evil.example": false} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Host = "host.example:8080"
		if origin != "" {
			r.Header.Set("Origin", origin)
		}
		require.Equal(t, may, s.allowed(r), origin)
	}
}

// cameIn is the context of a request that came in at a port.
func cameIn(r *http.Request, port int) context.Context {
	return context.WithValue(r.Context(), http.LocalAddrContextKey, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
}
