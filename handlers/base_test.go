package handlers

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseBasePath(t *testing.T) {
	for in, want := range map[string]string{"": "", "/": "", "/support": "/support", "/support/": "/support", "/a/b.c/~d_e-9/": "/a/b.c/~d_e-9",
		"/" + strings.Repeat("x", maxBasePath-1): "/" + strings.Repeat("x", maxBasePath-1)} {
		got, err := ParseBasePath(in)
		require.NoError(t, err, in)
		require.Equal(t, want, got)
	}
	for _, in := range []string{"support", "support/", "//", "//support", "/support//", "/a//b", "/.", "/a/..", "/../a", "/a/./b", "/a b", "/a?b", "/a#b", "/a%20b", "/a\\b",
		"/a;b", "/é", "/客服", "https://example.org/support", "/a\n", "/a\x00", "/<script>", `/"`, "/" + strings.Repeat("x", maxBasePath)} {
		_, err := ParseBasePath(in)
		require.Error(t, err, in)
	}
}

// A prefix that is passed on, one that was stripped, and a probe that knows of none find the same, also where
// the base path is called as something of ours is.
func TestBasePath(t *testing.T) {
	paths := map[string]int{"/healthz": 200, "/chat": 200, "/desk": 200, "/docs": 200, "/widget.js": 200, "/openapi.yaml": 200, "/assets/none.js": 404, "/demo/people": 403,
		"/": 403, "/nowhere": 404, "/websocket": 426, "/websocket/chat/docs": 426, "/websocket/-/x%2Fy": 426, "/api/v1/tokens": 405, "/api/v1/queues": 401, "/api/v1/queues/a%2Fb": 401,
		"/api/v1/users/chat": 401, "/chat/chat": 404, "/api": 404}
	bases := []string{"", "/support", "/a/b.c", "/chat", "/desk", "/docs", "/demo", "/assets", "/websocket", "/api", "/api/v1", "/widget.js", "/chat/api/v1"}
	for _, base := range bases {
		s := testServer(t, Options{BasePath: base, Demo: &Demo{}})
		ask := func(path string) *httptest.ResponseRecorder {
			w := httptest.NewRecorder()
			s.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://bellhop.test"+path, nil))
			return w
		}
		for path, want := range paths {
			require.Equal(t, want, ask(base+path).Code, "%s passed on", base+path)
			if base == "/websocket" && path == "/websocket/chat/docs" || base == "/chat" && path == "/chat/chat" || base != "/chat" && path == base {
				continue // it can be read as passed on, too
			}
			require.Equal(t, want, ask(path).Code, "%s below %q, stripped", path, base)
		}
		if base == "/support" {
			w := ask(base)
			require.Equal(t, http.StatusPermanentRedirect, w.Code)
			require.Equal(t, "/support/", w.Header().Get("Location"))
			require.Equal(t, 404, ask("/supporters/chat").Code)
			require.Equal(t, 404, ask("/support/support/chat").Code)
		}
	}
}

func TestTheDescriptionNamesTheBasePath(t *testing.T) {
	require.NotContains(t, get(t, testServer(t, Options{}), "/openapi.yaml").Body.String(), "\nservers:")
	body := get(t, testServer(t, Options{BasePath: "/a/b"}), "/openapi.yaml").Body.String()
	require.True(t, strings.HasSuffix(body, "\nservers:\n  - url: \"/a/b\"\n"), body[len(body)-100:])
}
