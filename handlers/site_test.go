package handlers

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"bellhop/web"
)

func get(t testing.TB, s *Server, path string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://bellhop.test"+path, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	s.engine.ServeHTTP(w, r)
	return w
}

// What never changes is made once: asking for it again and again parses nothing,
// unpacks nothing, and who has it already gets nothing but that.
func TestWhatNeverChangesIsMadeOnce(t *testing.T) {
	s := testServer(t, Options{})
	entries, err := web.Dist.ReadDir("dist/assets")
	require.NoError(t, err)
	paths := []string{"/openapi.yaml", "/widget.js"}
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), ".gz"); ok {
			paths = append(paths, "/assets/"+name)
		}
	}
	require.Greater(t, len(paths), 10)
	for _, path := range paths {
		for _, coding := range []string{"", "gzip", "br", "identity", "br;q=0, gzip;q=0"} {
			first := get(t, s, path, "Accept-Encoding", coding)
			require.Equal(t, http.StatusOK, first.Code, path)
			tag := first.Header().Get("ETag")
			require.NotEmpty(t, tag, path)
			size := first.Body.Len()
			const times = 20
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			for range times {
				get(t, s, path, "Accept-Encoding", coding, "If-None-Match", `"other"`)
			}
			runtime.ReadMemStats(&after)
			require.Less(t, (after.Mallocs-before.Mallocs)/times, uint64(120), "%s %q", path, coding)
			// The recorder's copy is most of it.
			require.Less(t, (after.TotalAlloc-before.TotalAlloc)/times, uint64(2*size+32<<10), "%s %q", path, coding)
			for _, held := range []string{tag, "W/" + tag, `"x", ` + tag, "*"} {
				again := get(t, s, path, "Accept-Encoding", coding, "If-None-Match", held)
				require.Equal(t, http.StatusNotModified, again.Code, path)
				require.Zero(t, again.Body.Len())
			}
		}
		plain, packed := get(t, s, path), get(t, s, path, "Accept-Encoding", "gzip")
		if packed.Header().Get("Content-Encoding") == "gzip" {
			z, err := gzip.NewReader(packed.Body)
			require.NoError(t, err)
			data, err := io.ReadAll(z)
			require.NoError(t, err)
			require.True(t, bytes.Equal(data, plain.Body.Bytes()), path)
			require.NotEqual(t, plain.Header().Get("ETag"), packed.Header().Get("ETag"))
		}
	}
	require.Equal(t, http.StatusNotFound, get(t, s, "/assets/none.js").Code)
}

// The reference is by a library, which gets no more than other pages do: no script or style in the page itself.
func TestDocsPolicy(t *testing.T) {
	s := testServer(t, Options{})
	w := get(t, s, "/docs")
	require.Equal(t, http.StatusOK, w.Code)
	policy := w.Header().Get("Content-Security-Policy")
	require.Contains(t, policy, "script-src 'self';")
	require.Contains(t, policy, "style-src 'self';")
	require.NotContains(t, policy, "unsafe")
}

// Only what a browser sends as an origin compares, and all of it.
func TestOrigins(t *testing.T) {
	s := testServer(t, Options{Origins: []string{"https://good.example", "http://127.0.0.1:8081"}})
	for origin, want := range map[string]bool{
		"": true, "https://good.example": true, "http://127.0.0.1:8081": true,
		"http://bellhop.test": true, "https://bellhop.test": true, // which of them is ours the proxy knows
		"http://good.example": false, "https://good.example:443": false, "https://good.example:8443": false,
		"https://good.example.": false, "https://good.example/": false, "https://good.example/x": false, "https://GOOD.example": false,
		"HTTPS://good.example": false, "https://good.example?": false, "https://good.example#": false, "https://sub.good.example": false,
		"https://good.example.evil.example": false, "https://u@good.example": false, " https://good.example": false,
		"ftp://bellhop.test": false, "ws://bellhop.test": false, "file://bellhop.test": false, "javascript://bellhop.test": false, "//bellhop.test": false,
		"http://u@bellhop.test": false, "http://u:p@bellhop.test": false, "http://@bellhop.test": false,
		"http://bellhop.test/": false, "http://bellhop.test/x": false, "http://bellhop.test?q": false, "http://bellhop.test?": false,
		"http://bellhop.test#f": false, "http://bellhop.test#": false, "http://BELLHOP.test": false, "http://bellhop.test.": false,
		"http://bellhop.test:": false, "http://bellhop.test:80": false, "http://bellhop.test:8080": false, "http:bellhop.test": false,
		"http:///bellhop.test": false, "http://": false, "null": false, "NULL": false, "bellhop.test": false, "*": false, "http://*": false,
		"http://bellhop.test http://bellhop.test": false, "http://bellhop.test, http://evil.example": false, "http://bellhop%2etest": false,
	} {
		requireOrigin(t, s, "bellhop.test", origin, want)
	}
	for origin, want := range map[string]bool{"http://[::1]:8080": true, "https://[::1]:8080": true, "http://[::1]": false, "http://[0:0:0:0:0:0:0:1]:8080": false,
		"http://[::1%25lo]:8080": false, "http://::1:8080": false, "http://[::1]:08080": false, "http://[::FFFF:1]:8080": false} {
		requireOrigin(t, s, "[::1]:8080", origin, want)
	}
	for _, odd := range []string{"bellhop.test:80", "bellhop.test.", "BELLHOP.test", "u@bellhop.test"} { // as the host is named, too
		requireOrigin(t, s, odd, "http://"+odd, false)
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://bellhop.test/healthz", nil)
	r.Header["Origin"] = []string{"https://good.example", "https://evil.example"}
	require.False(t, s.allowed(r))
}

func requireOrigin(t *testing.T, s *Server, host, origin string, want bool) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://bellhop.test/healthz", nil)
	r.Host = host
	r.Header.Set("Origin", origin)
	require.Equal(t, want, s.allowed(r), "%q at %q", origin, host)
	w := httptest.NewRecorder()
	s.engine.ServeHTTP(w, r)
	if origin != "" {
		require.Equal(t, want, w.Header().Get("Access-Control-Allow-Origin") == origin, origin)
	}
}
