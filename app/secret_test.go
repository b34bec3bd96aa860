package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/davecgh/go-spew/spew"
	"github.com/goccy/go-yaml"
	"github.com/stretchr/testify/require"

	"bellhop/internal/cli"
	"bellhop/internal/testenv"
)

// marker is a password that must be found nowhere.
const marker = "hunter2MARKER"

// holder has a secret where printers cannot call its methods.
type holder struct {
	Public  Secret
	private Secret
	list    []Secret
	nested  struct{ secret *Secret }
}

// No way of printing, logging or encoding shows what is in a secret.
func TestSecretsAreNotPrinted(t *testing.T) {
	s := NewSecret(marker)
	h := holder{Public: s, private: s, list: newSecrets(marker, marker)}
	h.nested.secret = &s
	settings := Settings{APIKey: newSecrets(marker), JWTSecret: s, Stores: Stores{RedisURL: s}}
	app := &App{settings: settings}
	var out bytes.Buffer
	for _, v := range []any{s, &s, h, &h, settings, &settings, app, []any{s, h}, map[string]Secret{"a": s}, fmt.Errorf("x: %w", fmt.Errorf("%v", s))} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%p", "%T", "%10.3v", "%U", "%c", "%08b"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
		fmt.Fprintln(&out, fmt.Sprint(v), v)
		for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
			slog.New(h).Info("x", "v", v, "group", slog.GroupValue(slog.Any("v", v)))
		}
		spew.Fdump(&out, v)
		if data, err := json.Marshal(v); err == nil {
			out.Write(data)
		}
		if data, err := yaml.Marshal(v); err == nil {
			out.Write(data)
		}
		fmt.Fprintln(&out, errors.Join(fmt.Errorf("%v", v)))
	}
	require.NotContains(t, out.String(), marker)
	require.NotContains(t, out.String(), fmt.Sprintf("%x", marker))
	require.Contains(t, out.String(), redacted)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%20.3v"} {
		require.Equal(t, redacted, fmt.Sprintf(verb, s), verb)
	}
	require.Equal(t, marker, s.Reveal())
	require.Empty(t, Secret{}.String())
	require.False(t, NewSecret("").IsSet())
}

// secretName is what the name of a setting has that may be, or hold, a secret.
var secretName = regexp.MustCompile(`(?i)url|key|secret|password|token|dsn|credential|auth$`)

// secretFlags are the settings of every command that are secrets; a string that might be one and is not fails the test.
func secretFlags(t *testing.T) map[string][]*cli.Flag {
	t.Helper()
	found := map[string][]*cli.Flag{}
	for _, cmd := range program(&commands{}).Commands {
		for _, f := range cmd.Flags {
			typ := f.Field.Type()
			for typ.Kind() == reflect.Slice || typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Map {
				typ = typ.Elem()
			}
			if typ == reflect.TypeFor[Secret]() {
				found[cmd.Name] = append(found[cmd.Name], f)
				continue
			}
			require.False(t, typ.Kind() != reflect.Bool && secretName.MatchString(f.Name), "--%s looks like a secret and is a %s", f.Name, f.Field.Type())
		}
	}
	return found
}

// Every setting that may hold a password is a secret.
func TestWhichSettingsAreSecret(t *testing.T) {
	names := map[string][]string{}
	for cmd, flags := range secretFlags(t) {
		for _, f := range flags {
			names[cmd] = append(names[cmd], f.Name)
		}
	}
	require.Equal(t, map[string][]string{
		"serve":   {"redis-url", "mongo-url", "api-key", "jwt-secret", "jwks-url", "files-url", "webhook-url", "webhook-secret", "otlp-endpoint"},
		"restore": {"redis-url", "mongo-url"}, "audit": {"redis-url", "mongo-url"}, "repartition": {"redis-url", "mongo-url"}, "token": {"url", "api-key"},
		"doctor": {"redis-url", "mongo-url", "api-key", "jwt-secret", "jwks-url", "files-url", "webhook-url", "webhook-secret", "otlp-endpoint", "url"},
		"top":    {"url", "api-key"},
	}, names)
}

// badValues are what somebody may mistype, each with the marker where a password would be; %s is the scheme that is wanted.
var badValues = []string{
	marker, "-" + marker, "--" + marker, " " + marker, marker + ",", "," + marker, marker + "," + marker,
	"%s://" + marker, "%s://:" + marker, "%s://user:" + marker, "%s://user:" + marker + "@127.0.0.1:1/0", "%s://user:" + marker + "%@127.0.0.1:1/x",
	"%s://user:" + marker + "%zz@127.0.0.1:1/x", "%s://user:12/" + marker + "@127.0.0.1:1/x", "%s://user:12?" + marker + "@127.0.0.1:1/x", "%s://user:12#" + marker + "@127.0.0.1:1/x",
	"%s://user:12," + marker + "@127.0.0.1:1/x", "%s://127.0.0.1:" + marker, "%s://127.0.0.1:1/" + marker, "%s://127.0.0.1:1/x?" + marker + "=" + marker,
	"%s://127.0.0.1:1/0?password=" + marker, "%s://127.0.0.1:1/0?db=" + marker + "&read_timeout=" + marker, "%s://127.0.0.1:1/x?authSource=" + marker + "&w=" + marker + "&tls=" + marker,
	"%s://user:" + marker + "@127.0.0.1:1,127.0.0.1:2/x/" + marker, "%s://[" + marker, "%s://[::1]:" + marker + "/x", "%s:" + marker, marker + "://127.0.0.1:1", "%s://user:" + marker + " @127.0.0.1:1/x",
	"%s://user:" + marker + "\x7f@127.0.0.1:1/x", "%s://user@" + marker + "@127.0.0.1:1/x", "%s://b?endpoint=https://u:" + marker + "@127.0.0.1:1", "%s://b?endpoint=" + marker + "&region=" + marker + "&" + marker + "=1",
	"whsec_" + marker, "whsec_!" + marker, "%s://127.0.0.1:1/#" + marker, "'" + marker, `"` + marker, "{" + marker, "[" + marker, "*" + marker, "&" + marker, "!" + marker, "a: b: " + marker, "@" + marker,
}

var schemes = map[string][]string{
	"redis-url": {"redis", "rediss", "redis+cluster", "redis+sentinel", "redis+x", "http"}, "mongo-url": {"mongodb", "mongodb+srv", "mongodb+x"},
	"jwks-url": {"https", "http", "ftp"}, "files-url": {"file", "s3", "gs"}, "webhook-url": {"https", "http", "ftp"}, "url": {"http", "https"},
}

func valuesOf(name string) (values []string) {
	for _, v := range badValues {
		list := schemes[name]
		if !strings.HasPrefix(v, "%s") {
			list = []string{""}
		} else if list == nil {
			list = []string{"https"}
		}
		for _, scheme := range list {
			values = append(values, strings.Replace(v, "%s", scheme, 1))
		}
	}
	return values
}

// parsed is all that is said when these arguments are read, and what they became, in print.
func parsed(t *testing.T, args ...string) (string, int) {
	t.Helper()
	var out bytes.Buffer
	cmd, status := parse(args, &out, &out)
	if status == exitSettings {
		require.Equal(t, 1, strings.Count(out.String(), "\n"), "%q: %s", args, out.String())
	}
	if cmd != nil {
		fmt.Fprintf(&out, "%v %+v %#v", cmd, cmd, cmd)
	}
	var all commands
	if p := program(&all); cmd != nil {
		c, err := p.Parse(args, &out)
		require.NoError(t, err)
		fmt.Fprintf(&out, "%v %+v %#v %v %#v", all, all, all, p, p)
		for _, f := range c.Flags {
			fmt.Fprintf(&out, "%v %#v %v %#v %s %s", f, f, f.Field, f.Field, f.String(), f.Type())
		}
	}
	return out.String(), status
}

// Whatever a secret setting is set to, by whichever way, well-formed or not: nothing the program says has it.
func TestNoSettingIsQuoted(t *testing.T) {
	file, dir := filepath.Join(t.TempDir(), "bellhop.yaml"), t.TempDir()
	runs, refused := 0, 0
	check := func(what string, args ...string) {
		t.Helper()
		text, status := parsed(t, args...)
		require.NotContains(t, strings.ToLower(text), strings.ToLower(marker), "%s", what)
		runs++
		if status == exitSettings {
			refused++
		}
	}
	for cmd, flags := range secretFlags(t) {
		for _, f := range flags {
			base := append([]string{cmd}, beside(cmd, f.Name, dir)...)
			for i, value := range valuesOf(f.Name) {
				if cmd != "serve" && cmd != "token" && i%7 > 0 {
					continue // they read the same settings by the same code
				}
				what := fmt.Sprintf("%s --%s %q", cmd, f.Name, value)
				check(what, append(base, "--"+f.Name+"="+value)...)
				check(what, append(base, "--"+f.Name, value)...)
				check(what, append(base, "--"+f.Name[:len(f.Name)-1]+"="+value)...) // misspelt
				t.Setenv(f.Env, value)
				check("by environment: "+what, base...)
				if i%10 == 0 {
					check("help, with "+what, cmd, "--help")
				}
				require.NoError(t, os.Unsetenv(f.Env))
				if cmd != "serve" || i%3 > 0 {
					continue
				}
				for _, line := range []string{f.Name + ": " + value, f.Name + ": '" + value + "'", f.Name + ": [" + value + "]", f.Name + ": {a: " + value + "}",
					f.Name + " " + value, value, value + ": " + value, f.Name + ": \"" + value, f.Name + ": " + value + "\n" + f.Name + ": " + value} {
					require.NoError(t, os.WriteFile(file, []byte(line+"\n"), 0o600))
					check("by file: "+line, append(base, "--config", file)...)
				}
			}
		}
	}
	t.Log(runs, "runs,", refused, "refused")
	require.Greater(t, runs, 3000)
	require.Greater(t, refused, 2000)
}

// beside are the arguments that a setting needs to be looked at at all.
func beside(cmd, name, dir string) []string {
	if cmd == "token" {
		return []string{"uma"}
	}
	args := []string{"--data-dir", dir}
	switch {
	case cmd != "serve" && name != "redis-url":
		args = append(args, "--redis-url", "redis://127.0.0.1:1")
	case name == "redis-url" && cmd == "serve":
		args = append(args, "--api-key", "k")
	case name == "webhook-url":
		args = append(args, "--webhook-secret", newSecret)
	case name == "webhook-secret":
		args = append(args, "--webhook-url", "https://host.example/")
	}
	return args
}

// What does not answer, or refuses, is told without the URL: by the program, and by the libraries at the finest level.
func TestNoURLIsQuotedWhenDialled(t *testing.T) {
	locked := testenv.Redis(t).URL()
	require.NoError(t, testenv.Client(t, locked).ConfigSet(t.Context(), "requirepass", "another").Err())
	gone := freeAddr(t)
	with := func(url string) string { return strings.Replace(url, "://", "://"+marker+":"+marker+"@", 1) }
	dir := t.TempDir()
	for _, args := range [][]string{
		{"--redis-url", "redis://" + marker + ":" + marker + "@" + gone, "--api-key", marker}, {"--redis-url", with(locked), "--api-key", marker},
		{"--redis-url", "redis+cluster://:" + marker + "@" + gone + "," + gone, "--api-key", marker}, {"--redis-url", "redis+sentinel://:" + marker + "@" + gone + "/master", "--api-key", marker},
		{"--redis-url", with(strings.Replace(locked, "redis:", "redis+cluster:", 1)), "--api-key", marker},
		{"--redis-url", with(strings.Replace(locked, "redis:", "rediss:", 1)), "--api-key", marker},
		{"--mongo-url", "mongodb://" + marker + ":" + marker + "@" + gone + "/x?serverSelectionTimeoutMS=100"},
		{"--mongo-url", "mongodb://" + marker + ":" + marker + "@" + gone + "/x?serverSelectionTimeoutMS=100&authMechanism=PLAIN&authSource=$external"},
		{"--mongo-url", "mongodb://" + marker + ":" + marker + "@" + strings.TrimPrefix(locked, "redis://") + "/x?serverSelectionTimeoutMS=100"},
		{"--files-url", "file:///dev/null/x?" + marker + "=" + marker}, {"--files-url", "file:///dev/null?metadata=" + marker},
		{"--files-url", "s3://bucket?region=x&" + marker + "=" + marker}, {"--files-url", "s3://bucket?region=x&ssetype=" + marker}, {"--files-url", "s3://bucket?anonymous=" + marker},
		{"--files-url", "s3://bucket?rolearn=" + marker},
	} {
		status, lines := failedStart(t, "1500ms", append(args, "--data-dir", dir, "--addr", "127.0.0.1:0", "--log-level", "debug")...)
		require.NotZero(t, status, "%q", args)
		require.NotEmpty(t, lines)
		require.NotContains(t, strings.Join(lines, "\n"), marker, "%q", args)
		var out bytes.Buffer
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		require.NotZero(t, run(ctx, append([]string{"doctor", "--data-dir", dir, "--log-level", "debug"}, args...), &out, &out), "%q", args)
		cancel()
		require.NotContains(t, out.String(), marker, "%q", args)
	}
	for _, url := range []string{"http://" + marker + ":" + marker + "@" + gone + "/" + marker, "http://" + marker + ":%zz@" + gone, "http://" + gone + ":" + marker, "x://" + marker, marker, "http://127.0.0.1:1/\x7f" + marker} {
		var out bytes.Buffer
		require.NotZero(t, run(t.Context(), []string{"token", "uma", "--url", url, "--api-key", marker + "\n"}, &out, &out), url)
		require.NotZero(t, run(t.Context(), []string{"token", "uma", "--url", url, "--api-key", marker}, &out, &out), url)
		require.NotZero(t, run(t.Context(), []string{"doctor", "--data-dir", dir, "--url", url}, &out, &out), url)
		require.NotContains(t, out.String(), marker, url)
	}
}
