package doctor

import (
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// Settings are what of a node's settings may be wrong without being refused.
type Settings struct {
	Keys     map[string]string // secrets by their settings' names
	Origins  []string
	MaxConns int
}

const (
	shortKey = 24 // characters
	pageKeys = "docs/operations.md#secrets"
)

func (s Settings) look() (out []Finding) {
	for name, key := range s.Keys {
		switch {
		case len(key) < shortKey:
			out = append(out, Finding{Grave, fmt.Sprintf("--%s has %d characters: it can be guessed; 32 random bytes are made by `openssl rand -hex 32`", name, len(key)), pageKeys})
		case distinct(key) < 8:
			out = append(out, Finding{Grave, fmt.Sprintf("--%s is made of %d different characters: it can be guessed", name, distinct(key)), pageKeys})
		default:
			out = append(out, fine("--%s is long enough", name))
		}
	}
	for _, o := range s.Origins {
		if o == "*" {
			out = append(out, Finding{Warning, "--origins is *: pages of any site may open a WebSocket with a token that they got hold of", "docs/security.md"})
		}
		if strings.HasPrefix(o, "http://") && !strings.Contains(o, "//localhost") && !strings.Contains(o, "//127.0.0.1") {
			out = append(out, Finding{Warning, fmt.Sprintf("--origins has %s: what its pages hold can be read on the way", o), "docs/security.md"})
		}
	}
	return out
}

func distinct(s string) int {
	seen := map[rune]bool{}
	for _, r := range s {
		seen[r] = true
	}
	return len(seen)
}

// Machine is what the kernel allows; ThisMachine reads it. 0 is not known.
type Machine struct {
	OpenFiles int
	Somaxconn int
	Ports     int // that connections to others may come from
}

// wantedFiles is what a node of some tens of thousands of connections needs.
const wantedFiles = 65_536

// ThisMachine is the machine that the program runs on.
func ThisMachine() (m Machine) {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) == nil {
		m.OpenFiles = int(min(limit.Max, math.MaxInt32)) // Go raises its own to that
	}
	m.Somaxconn, _ = strconv.Atoi(kernel("net/core/somaxconn"))
	if low, high, ok := strings.Cut(kernel("net/ipv4/ip_local_port_range"), "\t"); ok {
		from, _ := strconv.Atoi(low)
		to, _ := strconv.Atoi(high)
		m.Ports = to - from + 1
	}
	return m
}

func kernel(name string) string {
	text, _ := os.ReadFile("/proc/sys/" + name) //nolint:gosec // two names of ours
	return strings.TrimSpace(string(text))
}

func (m Machine) look(conns int) (out []Finding) {
	const page = "docs/operations.md#a-hundred-thousand-connections"
	limit := func(is, least int, s Severity, enough, lacking string) {
		switch {
		case is == 0: // not known
		case is < least:
			out = append(out, Finding{s, fmt.Sprintf(lacking, is), page})
		default:
			out = append(out, fine(enough, is))
		}
	}
	need := max(wantedFiles, conns+conns/8)
	limit(m.OpenFiles, need, Warning, "a process here may open %d files",
		"a process here may open %d files, and each connection is one: "+strconv.Itoa(need)+" are wanted (ulimit -n, LimitNOFILE)")
	limit(m.Somaxconn, 1024, Warning, "net.core.somaxconn is %d",
		"net.core.somaxconn is %d: clients that come back at once are turned away by the kernel; 4096 or more")
	limit(m.Ports, 25_000, Note, "connections from here have %d ports",
		"connections from here have %d ports (ip_local_port_range): nginx in front of one address needs one for each")
	return out
}
