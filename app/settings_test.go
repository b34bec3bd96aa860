package main

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"bellhop/internal/testenv"
)

// An unusable setting is refused at start: exit status 2 and one line that names it.
func TestUnusableSettings(t *testing.T) {
	evicting := testenv.Redis(t, "--maxmemory-policy", "allkeys-lru").URL()
	file := filepath.Join(t.TempDir(), "bad.yaml")
	require.NoError(t, os.WriteFile(file, []byte("redis-ulr: redis://x\n"), 0o600))
	for _, c := range []struct{ args, names string }{
		{"--addr nowhere", "--addr"}, {"--addr 127.0.0.1:99999", "--addr"}, {"--redis-url http://x", "--redis-url"},
		{"--redis-url redis+sentinel://127.0.0.1:1 --api-key k", "--redis-url"}, {"--redis-url redis+cluster://x --api-key k", "--redis-url"},
		{"--redis-url redis://127.0.0.1:1", "--api-key"}, {"--addr 0.0.0.0:0", "--api-key"}, {"--partitions 257", "--partitions"},
		{"--base-path support", "--base-path"}, {"--base-path https://example.org/support", "--base-path"}, {"--base-path //support", "--base-path"},
		{"--base-path /a//b", "--base-path"}, {"--base-path /a/../b", "--base-path"}, {"--base-path /a?b", "--base-path"}, {"--base-path /客服", "--base-path"}, {"--base-path /%61", "--base-path"},
		{"--pprof-addr 0.0.0.0:6060", "--pprof-addr"}, {"--pprof-addr :6060", "--pprof-addr"}, {"--pprof-addr 6060", "--pprof-addr"}, {"--pprof-addr 127.0.0.1:99999", "--pprof-addr"},
		{"--pprof-addr example.org:6060", "--pprof-addr"}, {"--trace-ratio 1.1", "--trace-ratio"}, {"--trace-ratio NaN", "--trace-ratio"}, {"--otlp-endpoint grpc://h:4317", "--otlp-endpoint"},
		{"--origins example.org", "--origins"}, {"--jwt-secret short", "--jwt-secret"}, {"--jwks-url ftp://x", "--jwks-url"},
		{"--send-rate -1", "--send-rate"}, {"--send-rate NaN", "--send-rate"}, {"--log-level loud", "--log-level"}, {"--drain -1s", "--drain"}, {"--wait-replicas 1", "--wait-replicas"}, {"--wait-replicas -1", "--wait-replicas"}, {"--fly", "--fly"},
		{"--mongo-url http://x", "--mongo-url"}, {"--mongo-url mongodb://127.0.0.1", "--mongo-url"}, {"--config " + file, "redis-ulr"}, {"--redis-url " + evicting + " --api-key k", "maxmemory-policy"},
	} {
		var out, err bytes.Buffer
		status := run(t.Context(), append(strings.Fields(c.args), "--data-dir", t.TempDir()), &out, &err)
		require.Equal(t, 2, status, "%s: %s", c.args, err.String())
		require.Equal(t, 1, strings.Count(err.String(), "\n"), "%s: %s", c.args, err.String())
		require.Contains(t, err.String(), c.names, c.args)
	}
	n := startNode(t, evicting, func(s *Settings) { s.AllowEviction = true })
	n.stop()
}

// A flag comes before the environment, the environment before the file.
func TestWhereSettingsComeFrom(t *testing.T) {
	file := filepath.Join(t.TempDir(), "bellhop.yaml")
	require.NoError(t, os.WriteFile(file, []byte("addr: nowhere-file\napi-key: [a, b]\npartitions: 4\n"), 0o600))
	fails := func(args ...string) string {
		var out, err bytes.Buffer
		require.Equal(t, 2, run(t.Context(), append([]string{"--config", file}, args...), &out, &err))
		return err.String()
	}
	require.Contains(t, fails(), "nowhere-file")
	t.Setenv("BELLHOP_ADDR", "nowhere-env")
	require.Contains(t, fails(), "nowhere-env")
	require.Contains(t, fails("--addr", "nowhere-flag"), "nowhere-flag")
}

// Each command that needs settings takes them from the file, and those of other commands in
// it disturb none; BELLHOP_CONFIG may name it for all, those that read nothing of it included.
func TestTheFileIsEnough(t *testing.T) {
	url := testenv.Redis(t).URL()
	n := startNode(t, url)
	file := filepath.Join(t.TempDir(), "bellhop.yaml")
	require.NoError(t, os.WriteFile(file, []byte("redis-url: "+url+"\ndata-dir: "+dataOf(t, url)+"\napi-key: [a, b]\nlog-level: error\nsend-rate: 0.5\nrate: 1000\n"), 0o600))
	var out, errs bytes.Buffer
	require.Equal(t, 0, run(t.Context(), []string{"audit", "--config", file}, &out, &errs), errs.String())
	require.Contains(t, out.String(), "all promises hold")

	t.Setenv("BELLHOP_CONFIG", file)
	require.Equal(t, 0, run(t.Context(), []string{"audit"}, &out, &errs), errs.String())
	require.Equal(t, 0, run(t.Context(), []string{"health", "--addr", n.Addr()}, &out, &errs), errs.String())
	require.Equal(t, 0, run(t.Context(), []string{"version"}, &out, &errs), errs.String())
	told, stop := context.WithCancel(t.Context())
	time.AfterFunc(2*time.Second, stop)
	require.Equal(t, 0, run(told, []string{"--addr", "127.0.0.1:0"}, &out, &errs), errs.String())
}

// A Redis that does not answer is waited for, then exit status 1 (TestRedisAwayAtStart reads what is said).
func TestRedisThatDoesNotAnswer(t *testing.T) {
	r := testenv.Redis(t)
	r.Kill()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	var out, err bytes.Buffer
	require.Equal(t, 1, run(ctx, []string{"--redis-url", r.URL(), "--api-key", "k", "--addr", "127.0.0.1:0", "--data-dir", t.TempDir()}, &out, &err))

	told, stop := context.WithCancel(t.Context())
	time.AfterFunc(time.Second, stop)
	require.Equal(t, 0, run(told, []string{"--redis-url", r.URL(), "--api-key", "k", "--addr", "127.0.0.1:0", "--data-dir", t.TempDir()}, &out, &err),
		"told to stop while it waits")

	tried, failed := net.Listen("tcp", r.Addr())
	require.NoError(t, failed)
	require.NoError(t, tried.(*net.TCPListener).SetDeadline(time.Now().Add(20*time.Second))) //nolint:forcetypeassert // it is one
	started := make(chan error, 1)
	go func() {
		app, err := New(t.Context(), Settings{Stores: Stores{RedisURL: NewSecret(r.URL()), DataDir: t.TempDir(), LogLevel: "error"},
			Addr: "127.0.0.1:0", APIKey: newSecrets("k")})
		if err == nil {
			app.Close(t.Context())
		}
		started <- err
	}()
	conn, failed := tried.Accept() // and hears nothing, nor does who comes after it, until Redis is there
	require.NoError(t, failed)
	require.NoError(t, errors.Join(conn.Close(), tried.Close()))
	r.Restart()
	require.NoError(t, <-started)
}

// With no settings at all everything runs in one process, with demo people.
func TestEmbedded(t *testing.T) {
	n := startNode(t, "", func(s *Settings) { s.APIKey = nil })
	var out, errs bytes.Buffer
	require.Equal(t, 0, run(t.Context(), []string{"token", "lin", "--url", n.url()}, &out, &errs), errs.String())
	token := strings.TrimSpace(out.String())
	r := dialRaw(t, n, "/websocket", "bellhop.v1", token)
	require.Contains(t, r.next("hello"), `"id":"lin"`)
	require.Equal(t, 0, run(t.Context(), []string{"health", "--addr", n.Addr()}, &out, &errs))
	n.stop()
	require.Equal(t, 1, run(t.Context(), []string{"health", "--addr", n.Addr()}, &out, &errs))
}

// Each command of the command line can be carried out.
func TestCommandsRun(t *testing.T) {
	for _, c := range program(&commands{}).Commands {
		require.Implements(t, (*command)(nil), c.Target, c.Name)
	}
}

// Every setting stands in the table of the README, in both languages.
func TestEverySettingIsDocumented(t *testing.T) {
	seen := 0
	for _, cmd := range program(&commands{}).Commands {
		if cmd.Name != "serve" {
			continue
		}
		for _, f := range cmd.Flags {
			if f.Name == "config" {
				continue
			}
			require.NotEmpty(t, f.Env, f.Name)
			for _, page := range []string{"../README.md", "../README.zh-CN.md"} {
				text, err := os.ReadFile(page)
				require.NoError(t, err)
				require.Contains(t, string(text), "`"+f.Env+"`", page)
			}
			seen++
		}
	}
	require.Greater(t, seen, 20)
}
