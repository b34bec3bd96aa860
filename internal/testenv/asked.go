package testenv

import (
	"bufio"
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
)

// Asked counts, by command, what the server is asked for a while: all that comes to it from
// outside, and not what scripts ask within.
func (r *RedisServer) Asked(while func()) map[string]int {
	r.t.Helper()
	conn, err := (&net.Dialer{}).DialContext(r.t.Context(), "tcp", r.Addr())
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := fmt.Fprintf(conn, "AUTH %s %s\r\nMONITOR\r\n", r.user, r.password); err != nil {
		r.t.Fatal(err)
	}
	lines := bufio.NewReader(conn)
	for range 2 {
		if line, err := lines.ReadString('\n'); err != nil || line != "+OK\r\n" {
			r.t.Fatalf("MONITOR: %q, %v", line, err)
		}
	}
	counts, done := map[string]int{}, make(chan struct{})
	go func() {
		defer close(done)
		for {
			line, err := lines.ReadString('\n')
			if err != nil {
				return
			}
			if _, what, ok := strings.Cut(line, `] "`); ok && !strings.Contains(line, " lua] ") {
				what, _, _ = strings.Cut(what, `"`)
				counts[strings.ToLower(what)]++
			}
		}
	}()
	while()
	_ = conn.Close()
	<-done
	return counts
}

// Commands is how often a Redis has carried out each command since it began, or since CONFIG RESETSTAT: also within scripts.
func Commands(t testing.TB, rdb redis.UniversalClient) map[string]int {
	t.Helper()
	stats, err := rdb.Info(t.Context(), "commandstats").Result()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]int{}
	for line := range strings.Lines(stats) {
		if name, rest, ok := strings.Cut(strings.TrimPrefix(line, "cmdstat_"), ":calls="); ok {
			calls, _, _ := strings.Cut(rest, ",")
			if out[name], err = strconv.Atoi(calls); err != nil {
				t.Fatal(err)
			}
		}
	}
	return out
}
