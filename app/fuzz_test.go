package main

import (
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"bellhop/broker"
	"bellhop/internal/cli"
)

// settingsFrom reads a file's text, the environment and a command line as run does. It
// connects to nothing and opens nothing.
func settingsFrom(yaml string, args ...string) (s Settings, err error) {
	var all commands
	opts := options()
	opts.File = func(string) (map[string]string, error) { return settingsOf([]byte(yaml)) }
	if _, err := cli.New(&all, opts).Parse(append([]string{"serve", "--config=x"}, args...), io.Discard); err != nil {
		return s, err
	}
	s = all.Serve.Settings
	return s, s.Validate()
}

// Whatever stands in the file, the environment and on the command line: it is
// refused, or within bounds; one value is read alike from each of the three.
func FuzzSettings(f *testing.F) {
	for _, yaml := range []string{"", "addr: 127.0.0.1:0", "api-key: [a, b]\npartitions: 4", "redis-ulr: redis://x", "drain: 5m\nsend-rate: .5",
		"redis-url: redis+cluster://a:b@127.0.0.1:1,127.0.0.1:2\napi-key: k", "a: &a [*a]", "addr: {x: [1, {y: 2}]}", "- addr", "addr: !!binary aGk=",
		"send-rate: .nan", "send-rate: 1e309", "max-conns: 0x10", "drain: 99999999999h", "? [a]\n: b", "a: &a x\nb: *a", "\xff", "---\n---\naddr: x", "demo: yes",
		"redis-url: redis+sentinel://%zz@x:1/m", "mongo-url: mongodb://127.0.0.1/%", "origins: ['*', 'https://x', 'x']", "config: x", "help: true"} {
		f.Add(yaml, "partitions", "4")
	}
	for flag, value := range map[string]string{"addr": "[::1]:0", "api-key": "a,,b", "redis-url": "rediss://u:p%40@127.0.0.1:1/0?db=1", "jwt-secret": "short",
		"jwks-url": "https://", "origins": "https://x:port", "files-url": "s3://b?region=x", "webhook-url": "http://example.org/", "webhook-secret": "whsec_x,whsec_y",
		"send-rate": "NaN", "open-sessions": "-0", "drain": "1e9s", "log-level": "\x00", "partitions": "١", "demo": "true", "no-archiver": "false", "data-dir": ""} {
		f.Add("", flag, value)
	}
	known := map[string]bool{}
	for _, command := range program(&commands{}).Commands {
		if command.Name == "serve" {
			for _, flag := range command.Flags {
				known[flag.Name] = true
			}
		}
	}
	if len(known) < 20 {
		f.Fatal(known)
	}
	f.Fuzz(func(t *testing.T, yaml, flag, value string) {
		if !known[flag] || flag == "config" || flag == "help" || strings.Contains(yaml, "config:") {
			flag, value = "partitions", "4" // --config opens files
		}
		checkSettings(t, yaml)
		given := checkSettings(t, yaml, "--"+flag+"="+value)
		if strings.Contains(value, "\x00") {
			return // no environment has that
		}
		env := "BELLHOP_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
		t.Setenv(env, value)
		if took := checkSettings(t, yaml); given && !took && value != "" {
			t.Fatalf("--%s=%q is taken, and refused as %s", flag, value, env)
		}
		_ = os.Unsetenv(env)
	})
}

// checkSettings fails where settings were taken that must not be, and tells whether they were.
func checkSettings(t *testing.T, yaml string, args ...string) (taken bool) {
	t.Helper()
	s, err := settingsFrom(yaml, args...)
	if err != nil {
		if strings.TrimSpace(err.Error()) == "" {
			t.Fatal("refused without a word")
		}
		return false
	}
	_, _, err = net.SplitHostPort(s.Addr)
	switch {
	case err != nil,
		len(s.apiKeys()) == 0,
		s.Partitions < 0 || s.Partitions > broker.MaxPartitions,
		!(s.SendRate >= 0 && s.SendRate <= 1e6),
		s.OpenSessions < 0, s.MaxConns < 0,
		s.Drain < 0 || s.Drain > 10*time.Minute,
		s.JWTSecret.IsSet() && len(s.JWTSecret.Reveal()) < 32,
		s.apiKeys()[0] == wellKnownKey && !strings.Contains(yaml+strings.Join(args, ""), "dev") && !(s.Embedded() && loopback(s.Addr)):
		t.Fatalf("taken: %+v", s)
	}
	for _, key := range s.APIKey {
		if !key.IsSet() {
			t.Fatal("an empty API key is taken")
		}
	}
	if !s.Embedded() {
		rdb, err := broker.Dial(s.RedisURL.Reveal())
		if err != nil {
			t.Fatal(err)
		}
		_ = rdb.Close()
	}
	return true
}
