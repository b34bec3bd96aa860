package doctor

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"bellhop/internal/testenv"
)

func TestMain(m *testing.M) { os.Exit(testenv.Main(m)) }

// findings are all that is not as it should be, one a line.
func findings(t *testing.T, d Deployment) string {
	t.Helper()
	var out strings.Builder
	for _, f := range Run(t.Context(), d) {
		if f.Severity > Fine {
			fmt.Fprintf(&out, "%s: %s\n", f.Severity, f.What)
			saysWhatToDo(t, f.Page)
		}
	}
	return out.String()
}

// saysWhatToDo requires a page of this repository, and the heading that is named.
func saysWhatToDo(t *testing.T, page string) {
	t.Helper()
	name, heading, _ := strings.Cut(page, "#")
	text, err := os.ReadFile(filepath.Join("../..", name))
	require.NoError(t, err)
	if heading == "" {
		return
	}
	for _, m := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(string(text), -1) {
		slug := regexp.MustCompile(`[^a-z0-9 -]`).ReplaceAllString(strings.ToLower(m[1]), "")
		if strings.ReplaceAll(slug, " ", "-") == heading {
			return
		}
	}
	t.Errorf("%s has no heading %s", name, heading)
}

func dial(t *testing.T, url string) redis.UniversalClient {
	t.Helper()
	o, err := redis.ParseURL(url)
	require.NoError(t, err)
	c := redis.NewClient(o)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// Each fault of a Redis is found in one that has it, and only there.
func TestFaultsOfRedis(t *testing.T) {
	t.Parallel()
	sound := []string{"--appendonly", "yes", "--maxmemory", "1gb"}
	const noReplica = "warning: Redis ADDR: no replica: while it is away nobody can chat\n"
	for what, c := range map[string]struct {
		args []string
		want string
	}{
		"none":             {nil, noReplica},
		"no AOF":           {[]string{"--appendonly", "no"}, "grave: Redis ADDR: no append-only file: a crash loses everything since the last snapshot; appendonly yes\n" + noReplica},
		"eviction":         {[]string{"--maxmemory-policy", "allkeys-lru"}, "grave: Redis ADDR: maxmemory-policy is allkeys-lru, which throws sessions away; noeviction\n" + noReplica},
		"no maxmemory":     {[]string{"--maxmemory", "0"}, "note: Redis ADDR: no maxmemory: a Redis that grows is killed by the kernel instead of refusing what is new\n" + noReplica},
		"memory runs out":  {[]string{"--maxmemory", "16mb"}, "warning: Redis ADDR: NN % of its memory are used: at 100 sends are refused as overloaded\n" + noReplica},
		"a replica for it": {[]string{"--replicaof", "127.0.0.1 1"}, "grave: Redis ADDR: it is a replica: nothing can be written\n"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			server := testenv.Redis(t, append(append([]string{}, sound...), c.args...)...)
			if what == "memory runs out" {
				for i := range 13 {
					require.NoError(t, server.Client().Set(t.Context(), fmt.Sprint("filling ", i), strings.Repeat("x", 1<<20-64), 0).Err())
				}
			}
			got := findings(t, Deployment{Redis: dial(t, server.URL())})
			got = strings.ReplaceAll(got, server.Addr(), "ADDR")
			require.Equal(t, c.want, regexp.MustCompile(`\d+ %`).ReplaceAllString(got, "NN %"))
		})
	}
}

// With a replica it must be said that it is needed.
func TestFaultsOfReplicas(t *testing.T) {
	t.Parallel()
	set := testenv.Sentinel(t)
	c := redis.NewClient(&redis.Options{Addr: set.Master().Addr()})
	defer c.Close()
	admin := set.Master().Client()
	look := func() string { return findings(t, Deployment{Redis: admin}) }
	require.Contains(t, look(), "1 replicas, and min-replicas-to-write is not set")
	require.NoError(t, admin.ConfigSet(t.Context(), "min-replicas-to-write", "1").Err())
	require.NotContains(t, look(), "replica")
}

// A user who lacks a right, a Redis that is away, and one that is slow.
func TestFaultsOfTheWayToRedis(t *testing.T) {
	t.Parallel()
	server := testenv.Redis(t, "--appendonly", "yes", "--maxmemory", "1gb")
	ctx := t.Context()
	require.NoError(t, server.Client().Do(ctx, "acl", "setuser", "poor", "on", ">poor", "~*", "&*", "+@all", "-zlexcount", "-append").Err())
	poor := redis.NewClient(&redis.Options{Addr: server.Addr(), Username: "poor", Password: "poor"})
	defer poor.Close()
	require.Contains(t, findings(t, Deployment{Redis: poor}), "its user may not APPEND, ZLEXCOUNT")

	proxy := testenv.Proxy(t, server.Addr())
	far := dial(t, server.Through(proxy.Addr()))
	proxy.Latency(20 * time.Millisecond)
	require.Contains(t, findings(t, Deployment{Redis: far}), "half of the round trips from here take ")
	proxy.Latency(0)
	proxy.Cut()
	require.Contains(t, findings(t, Deployment{Redis: far}), "grave: Redis "+proxy.Addr()+" does not answer")
}

func TestVersionsAndClocks(t *testing.T) {
	for v, want := range map[string]Severity{"6.2.14": Grave, "7.0.15": Fine, "7.4.1": Fine, "8.0.0": Fine, "10.1": Fine, "": Grave} {
		s := server{info: map[string]string{"redis_version": v}}
		require.Equal(t, want, s.version()[0].Severity, v)
	}
	require.Equal(t, Fine, apart(map[string]time.Duration{"a": 100 * time.Millisecond, "b": -100 * time.Millisecond})[0].Severity)
	for _, ahead := range []time.Duration{time.Second, -time.Minute} {
		require.Equal(t, Warning, apart(map[string]time.Duration{"a": ahead})[0].Severity)
	}
	for _, key := range []string{"rdb_last_bgsave_status", "aof_last_write_status", "aof_last_bgrewrite_status"} {
		s := server{info: map[string]string{"aof_enabled": "1", key: "err"}}
		require.Greater(t, Worst(s.persistence()), Note, key)
	}
}

// Partitions and the archive are told of as they are.
func TestFaultsOfPartitionsAndArchive(t *testing.T) {
	for want, n := range map[string][3]int{"": {64, 3, 3}, "warning: 2 partitions on 3 masters: some hold nothing\n": {2, 3, 2}, "warning: 64 partitions lie on 2 of 3 masters\n": {64, 3, 2}} {
		got := findings(t, Deployment{Partitions: func(context.Context) (int, int, int, error) { return n[0], n[1], n[2], nil }})
		require.Equal(t, want, got)
	}
	require.Contains(t, findings(t, Deployment{Partitions: func(context.Context) (int, int, int, error) { return 0, 0, 0, errors.New("no record") }}), "no record")
	require.Empty(t, findings(t, Deployment{Archive: func(context.Context) error { return nil }}))
	require.Contains(t, findings(t, Deployment{Archive: func(context.Context) error { return errors.New("away") }}), "grave: the archive does not take anything: away")
}

func TestWeakSettings(t *testing.T) {
	strong := "4f1c9be07a3d52e8860b1f7c"
	for want, s := range map[string]Settings{
		"":                                {Keys: map[string]string{"api-key": strong}, Origins: []string{"https://example.org", "http://localhost:3000"}},
		"--api-key has 3 characters":      {Keys: map[string]string{"api-key": "dev"}},
		"--jwt-secret is made of 2 diffe": {Keys: map[string]string{"jwt-secret": strings.Repeat("ab", 20)}},
		"--origins is *":                  {Origins: []string{"*"}},
		"--origins has http://example.or": {Origins: []string{"http://example.org"}},
	} {
		got := findings(t, Deployment{Settings: s})
		require.Contains(t, got, want)
		require.Equal(t, want == "", got == "", got)
		require.NotContains(t, got, "abab")
	}
}

func TestSmallMachines(t *testing.T) {
	good := Machine{OpenFiles: 1 << 20, Somaxconn: 4096, Ports: 28232}
	for want, m := range map[string]Machine{
		"":                      good,
		"may open 1024 files":   {OpenFiles: 1024, Somaxconn: 4096, Ports: 28232},
		"somaxconn is 128":      {OpenFiles: 1 << 20, Somaxconn: 128, Ports: 28232},
		"from here have 5000 p": {OpenFiles: 1 << 20, Somaxconn: 4096, Ports: 5000},
	} {
		got := findings(t, Deployment{Machine: m})
		require.Contains(t, got, want)
		require.Equal(t, want == "", got == "", got)
	}
	require.Contains(t, findings(t, Deployment{Machine: good, Settings: Settings{MaxConns: 1 << 20}}), "may open")
	require.Empty(t, findings(t, Deployment{Machine: good, Settings: Settings{MaxConns: 100_000}}))
	now := ThisMachine()
	require.Positive(t, now.OpenFiles)
	require.Positive(t, now.Somaxconn)
	require.Positive(t, now.Ports)
}

// What stands before the nodes is asked as clients ask.
func TestFaultsOfTheSite(t *testing.T) {
	t.Parallel()
	site := func(status int, websocket func(r *http.Request) int) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch r.URL.Path {
			case "/support/healthz":
				w.WriteHeader(status)
			case "/support/websocket":
				w.WriteHeader(websocket(r))
			default:
				w.WriteHeader(http.StatusTeapot)
			}
		})
	}
	passes := func(r *http.Request) int {
		if r.Header.Get("Upgrade") == "" {
			return http.StatusUpgradeRequired
		}
		return http.StatusUnauthorized
	}
	for want, h := range map[string]http.Handler{
		"":                   site(200, passes),
		"/healthz is answer": site(502, passes),
		"takes `Upgrade` aw": site(200, func(r *http.Request) int { r.Header.Del("Upgrade"); return passes(r) }),
		"not 401":            site(200, func(*http.Request) int { return 404 }),
	} {
		s := httptest.NewServer(h)
		got := findings(t, Deployment{URL: s.URL + "/support/"})
		s.Close()
		require.Contains(t, got, want)
		require.Equal(t, want == "", got == "", got)
	}
	require.Contains(t, findings(t, Deployment{URL: "ftp://x"}), "no address of a site")
	s := httptest.NewServer(site(200, passes))
	s.Close()
	require.Contains(t, findings(t, Deployment{URL: s.URL}), "does not answer")
}

// A certificate ends, and a site beyond this machine has none.
func TestTheWayToTheSite(t *testing.T) {
	secure := httptest.NewTLSServer(http.NotFoundHandler())
	defer secure.Close()
	r, err := get(t.Context(), secure.Client(), secure.URL, nil)
	require.NoError(t, err)
	require.Equal(t, secure.Certificate().NotAfter, r.ends)
	here, err := url.Parse(secure.URL)
	require.NoError(t, err)
	for left, want := range map[time.Duration]Severity{time.Hour: Warning, 13 * 24 * time.Hour: Warning, 30 * 24 * time.Hour: Fine} {
		d := Deployment{Now: func() time.Time { return r.ends.Add(-left) }}
		require.Equal(t, want, d.secure(here, r.ends)[0].Severity, left)
	}
	d := Deployment{Now: time.Now}
	require.Empty(t, d.secure(here, time.Time{}), "this machine")
	require.Equal(t, Grave, d.secure(&url.URL{Scheme: "http", Host: "chat.example.org"}, time.Time{})[0].Severity)
}
