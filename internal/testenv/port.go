package testenv

import (
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"testing"
)

// Ports come from below the range that Linux takes the near ends of outgoing
// connections from (32768 and up, unless set): a server that is killed and
// restarted must find its port free, and any client on the machine may have
// been given one out of that range meanwhile.
const (
	portMin = 10000
	portMax = 32000
)

// port is a TCP port of 127.0.0.1 that this process holds, also while nothing
// listens on it.
type port int

func (p port) addr() string   { return net.JoinHostPort("127.0.0.1", p.String()) }
func (p port) String() string { return strconv.Itoa(int(p)) }

// holding keeps the processes that use this package off each other's ports
// while their servers are down: whoever has bound the UDP port of that number
// owns the TCP one. The system lets go of it when the process dies.
var holding struct {
	mu sync.Mutex
	by map[port]net.PacketConn
}

// freePorts holds n ports until the test is over.
func freePorts(t testing.TB, n int) []port {
	t.Helper()
	holding.mu.Lock()
	defer holding.mu.Unlock()
	if holding.by == nil {
		holding.by = make(map[port]net.PacketConn)
	}
	ports := make([]port, 0, n)
	t.Cleanup(func() { releasePorts(ports) })
	for range 1000 {
		if len(ports) == n {
			return ports
		}
		p := port(portMin + rand.IntN(portMax-portMin))
		if hold, err := holdPort(p); err == nil {
			holding.by[p] = hold
			ports = append(ports, p)
		}
	}
	t.Fatalf("testenv: no %d free ports on 127.0.0.1", n)
	return nil
}

// Addr is an address for a server that the test starts itself, and may kill and
// start there again: nobody else is given it while the test runs.
func Addr(t testing.TB) string {
	t.Helper()
	return freePorts(t, 1)[0].addr()
}

func holdPort(p port) (net.PacketConn, error) {
	hold, err := net.ListenPacket("udp4", p.addr())
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp4", p.addr())
	if err != nil {
		_ = hold.Close()
		return nil, err
	}
	return hold, l.Close()
}

func releasePorts(ports []port) {
	holding.mu.Lock()
	defer holding.mu.Unlock()
	for _, p := range ports {
		if hold := holding.by[p]; hold != nil {
			_ = hold.Close()
			delete(holding.by, p)
		}
	}
}

// FreeAddr is an address of loopback that nobody listens at, held until the test is over,
// for a program that the test starts itself.
func FreeAddr(t testing.TB) string {
	t.Helper()
	return freePorts(t, 1)[0].addr()
}
