// Package testenv starts the servers that tests talk to: Redis alone, as a
// cluster and under Sentinel, the embedded Redis, and nginx.
//
// Every server listens on loopback, on ports nobody else was given, keeps its
// files in a folder of the test, and ends with the test: killed in t.Cleanup,
// and on Linux also when the test process itself is killed. A start returns
// once the server has answered; one that does not come up fails the test with
// the end of the server's log. A program that is not installed fails the test
// too: a skipped test proves nothing.
//
// Starting a cluster takes seconds. Tests that need no server of their own
// share one per process with [Shared], under ids of their own.
package testenv

import (
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"bellhop/internal/embedded"
)

// Engine is a kind of Redis that Bellhop runs on.
type Engine string

// The engines.
const (
	EngineEmbedded Engine = "embedded"
	EngineRedis    Engine = "redis"
	EngineCluster  Engine = "cluster"
	EngineSentinel Engine = "sentinel"
)

// Engines are all of them, quickest to start first.
var Engines = []Engine{EngineEmbedded, EngineRedis, EngineSentinel, EngineCluster}

// Start starts an engine for this test alone and returns its URL, in the form
// of the setting BELLHOP_REDIS_URL.
func (e Engine) Start(t testing.TB) string {
	t.Helper()
	switch e {
	case EngineEmbedded:
		return Embedded(t)
	case EngineRedis:
		return Redis(t).URL()
	case EngineCluster:
		return Cluster(t).URL()
	case EngineSentinel:
		return Sentinel(t).URL()
	default:
		t.Fatalf("testenv: no engine is called %q", e)
		return ""
	}
}

// Each runs fn as a subtest on every engine, each started for it alone.
func Each(t *testing.T, fn func(t *testing.T, url string)) {
	t.Helper()
	for _, e := range Engines {
		t.Run(string(e), func(t *testing.T) { fn(t, e.Start(t)) })
	}
}

// EachShared is Each on the engines that this process shares; see Shared.
func EachShared(t *testing.T, fn func(t *testing.T, url string)) {
	t.Helper()
	for _, e := range Engines {
		t.Run(string(e), func(t *testing.T) { fn(t, Shared(t, e)) })
	}
}

// Embedded starts the embedded Redis on a real port, as Bellhop runs it when
// no Redis is configured, and returns its URL.
func Embedded(t testing.TB) string {
	t.Helper()
	s, err := embedded.Start(freePorts(t, 1)[0].addr(), embeddedPassword)
	if err != nil {
		t.Fatalf("testenv: %v", err)
	}
	t.Cleanup(s.Close)
	return s.URL()
}

// Client returns a client for a URL that this package made. Unlike Bellhop, whom
// the URL names, it may do everything.
func Client(t testing.TB, url string) redis.UniversalClient {
	t.Helper()
	var c redis.UniversalClient
	scheme, rest, _ := strings.Cut(url, "://")
	user, password := harnessUser, harnessPassword
	rest, ours := strings.CutPrefix(rest, embeddedLogin)
	if ours {
		user, password = "", embeddedPassword
	}
	rest = strings.TrimPrefix(rest, login)
	switch scheme {
	case "redis":
		c = redis.NewClient(&redis.Options{Addr: rest, Username: user, Password: password, ContextTimeoutEnabled: true})
	case "redis+cluster":
		c = redis.NewClusterClient(&redis.ClusterOptions{Addrs: strings.Split(rest, ","), Username: user, Password: password,
			ContextTimeoutEnabled: true})
	case "redis+sentinel":
		addrs, master, _ := strings.Cut(rest, "/")
		c = redis.NewFailoverClient(&redis.FailoverOptions{
			MasterName: master, SentinelAddrs: strings.Split(addrs, ","), Username: user, Password: password, ContextTimeoutEnabled: true,
		})
	default:
		t.Fatalf("testenv: no client for %q", url)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}
