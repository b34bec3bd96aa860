package testenv

import (
	"bufio"
	"fmt"
	"net"
	"strings"
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
