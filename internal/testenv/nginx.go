package testenv

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"text/template"
	"time"
)

// NginxServer is an nginx with a configuration of the test's.
type NginxServer struct {
	port port
	proc *process
}

// Nginx starts an nginx. conf is what stands inside `http { }`, as a
// text/template over data; `listen {{listen}};` in it takes the address that
// URL returns.
func Nginx(t testing.TB, conf string, data any) *NginxServer {
	t.Helper()
	ports := freePorts(t, 2)
	n := &NginxServer{port: ports[0], proc: &process{
		path: program(t, "nginx"), dir: t.TempDir(),
		// Its workers would outlive a killed master; asked to end, it takes them along.
		death: syscall.SIGTERM,
	}}
	tmpl, err := template.New("nginx").Funcs(template.FuncMap{"listen": n.port.addr}).Option("missingkey=error").Parse(conf)
	if err != nil {
		t.Fatalf("testenv: %v", err)
	}
	var inner bytes.Buffer
	if err := tmpl.Execute(&inner, data); err != nil {
		t.Fatalf("testenv: %v", err)
	}
	if !strings.Contains(inner.String(), n.port.addr()) {
		t.Fatal("testenv: the nginx configuration does not listen on {{listen}}")
	}
	file := filepath.Join(n.proc.dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(nginxConf(n.proc.dir, ports[1], inner.String())), 0o600); err != nil {
		t.Fatalf("testenv: %v", err)
	}
	n.proc.args = []string{"-p", n.proc.dir, "-c", file, "-e", "stderr"}
	t.Cleanup(n.proc.terminate)
	if err := n.proc.start(); err != nil {
		t.Fatalf("testenv: %v", err)
	}
	if err := n.proc.ready(func() error { return answers(ports[1]) }); err != nil {
		t.Fatalf("testenv: %v", err)
	}
	return n
}

// NginxFile starts an nginx with a configuration file as it is deployed, but
// for the replacements. Each must be found, so that the test follows the file;
// a replacement may say {{listen}}.
func NginxFile(t testing.TB, path string, replacements map[string]string) *NginxServer {
	t.Helper()
	return Nginx(t, replaced(t, path, replacements), nil)
}

// replaced is a file with replacements, of which each must be found; the longest match wins.
func replaced(t testing.TB, path string, replacements map[string]string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("testenv: %v", err)
	}
	var pairs, keys []string
	for old := range replacements {
		if !strings.Contains(string(data), old) {
			t.Fatalf("testenv: %s does not contain %q", path, old)
		}
		keys = append(keys, old)
	}
	slices.SortFunc(keys, func(a, b string) int { return len(b) - len(a) })
	for _, old := range keys {
		pairs = append(pairs, old, replacements[old])
	}
	return strings.NewReplacer(pairs...).Replace(string(data))
}

// Reload has it read its configuration and certificates again: new connections come to new workers,
// and old ones go on until their connections have ended. It returns before that is done.
func (n *NginxServer) Reload() error { return n.proc.signal(syscall.SIGHUP) }

// URL is where it listens.
func (n *NginxServer) URL() string { return "http://" + n.Addr() }

// Addr is its host and port.
func (n *NginxServer) Addr() string { return n.port.addr() }

// Log is what it logged, requests included, for a test that wants to know why.
func (n *NginxServer) Log() string { return n.proc.tail() }

// nginxConf is the whole configuration: everything nginx writes stays in dir,
// and a second port answers as soon as it runs, whatever the first one does.
func nginxConf(dir string, ready port, inner string) string {
	var b strings.Builder
	if os.Geteuid() == 0 {
		b.WriteString("user root;\n") // the default, nobody, may not enter dir
	}
	fmt.Fprintf(&b, "daemon off;\nworker_processes 2;\nworker_rlimit_nofile 16384;\npid %q;\nerror_log stderr warn;\n", filepath.Join(dir, "pid"))
	b.WriteString("events { worker_connections 8000; }\nhttp {\n")
	fmt.Fprintf(&b, "access_log %q;\n", filepath.Join(dir, "log"))
	for _, temp := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		fmt.Fprintf(&b, "%s_temp_path %q;\n", temp, filepath.Join(dir, temp))
	}
	fmt.Fprintf(&b, "server { listen %s; access_log off; return 204; }\n%s\n}\n", ready.addr(), inner)
	return b.String()
}

func answers(p port) error {
	c := http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := c.Get("http://" + p.addr())
	if err != nil {
		return err
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusNoContent {
		return errors.New(resp.Status)
	}
	return nil
}
