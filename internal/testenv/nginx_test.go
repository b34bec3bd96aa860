package testenv

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"
)

func TestNginxServes(t *testing.T) {
	t.Parallel()
	n := Nginx(t, `server { listen {{listen}}; location / { default_type text/plain; return 200 "{{.Word}}\n"; } }`,
		struct{ Word string }{"hello"})
	if got := get(t, n.URL()); got != "hello\n" {
		t.Fatalf("got %q", got)
	}
}

func TestNginxFileReplaces(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "site.conf")
	conf := "server { listen 80; location / { return 200 name; } location /long { return 200 name-and-more; } }"
	if err := os.WriteFile(path, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	n := NginxFile(t, path, map[string]string{"listen 80;": "listen {{listen}};", "name": "short", "name-and-more": "long"})
	if got := get(t, n.URL()) + " " + get(t, n.URL()+"/long"); got != "short long" {
		t.Fatalf("got %q", got)
	}
}

func get(t *testing.T, url string) string {
	t.Helper()
	c := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v", url, resp.Status, err)
	}
	return string(body)
}
