package testenv

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/Shopify/toxiproxy/v2/stream"
)

// ProxyServer stands between a client and a server and spoils their
// connection. All methods may be called from any goroutine; what goes wrong in
// them is an error of the test, which goes on.
//
// Toxiproxy's links carry the bytes. Its listener is not used: when a
// connection dies with bytes on their way, it leaves goroutines behind that
// wait for ever to write them.
type ProxyServer struct {
	t        testing.TB
	port     port
	upstream string
	toxics   *toxiproxy.ToxicCollection

	change   sync.Mutex   // held by one fault at a time, and before mu
	listener net.Listener // nil while cut
	accepts  sync.WaitGroup
	links    sync.WaitGroup

	mu    sync.Mutex // guards what follows
	conns map[net.Conn]bool
	count int // of connections, to name links
}

// frozen is how long bytes are held back that should not arrive at all.
const frozen = 24 * time.Hour

// Proxy starts a proxy to an address, "host:port", closed at the test's end.
func Proxy(t testing.TB, upstream string) *ProxyServer {
	t.Helper()
	p := &ProxyServer{
		t: t, port: freePorts(t, 1)[0], upstream: upstream,
		toxics: toxiproxy.NewToxicCollection(&toxiproxy.Proxy{Name: "proxy", Upstream: upstream}),
		conns:  make(map[net.Conn]bool),
	}
	if err := p.listen(); err != nil {
		t.Fatalf("testenv: proxy: %v", err)
	}
	t.Cleanup(p.Cut)
	return p
}

// Addr is where it listens, host and port.
func (p *ProxyServer) Addr() string { return p.port.addr() }

// Cut ends all connections and refuses new ones. It also ends Freeze and Latency.
func (p *ProxyServer) Cut() {
	p.t.Helper()
	p.change.Lock()
	defer p.change.Unlock()
	if p.listener != nil {
		_ = p.listener.Close()
		p.listener = nil
		p.accepts.Wait()
	}
	p.mu.Lock()
	for c := range p.conns {
		_ = c.Close()
	}
	p.mu.Unlock()
	p.cure("freeze") // or what hangs would never end
	p.cure("latency")
	p.links.Wait()
}

// Freeze lets bytes hang in both directions, also those of new connections,
// which are accepted.
func (p *ProxyServer) Freeze() {
	p.t.Helper()
	p.delay("freeze", frozen)
}

// Latency makes bytes arrive later by d, in each direction; 0 ends that.
func (p *ProxyServer) Latency(d time.Duration) {
	p.t.Helper()
	p.delay("latency", d)
}

// Restore undoes Cut, Freeze and Latency. What hung arrives: it waits for an
// end that does not read.
func (p *ProxyServer) Restore() {
	p.t.Helper()
	p.change.Lock()
	defer p.change.Unlock()
	p.cure("freeze")
	p.cure("latency")
	if p.listener == nil {
		if err := p.listen(); err != nil {
			p.t.Errorf("testenv: proxy: %v", err)
		}
	}
}

func (p *ProxyServer) delay(name string, d time.Duration) {
	p.t.Helper()
	p.change.Lock()
	defer p.change.Unlock()
	p.cure(name)
	if d <= 0 {
		return
	}
	for _, direction := range []string{"upstream", "downstream"} {
		_, err := p.toxics.AddToxicJson(strings.NewReader(fmt.Sprintf(
			`{"name":%q,"type":"latency","stream":%q,"attributes":{"latency":%d}}`,
			name+direction, direction, d.Milliseconds())))
		if err != nil {
			p.t.Errorf("testenv: proxy: %v", err)
		}
	}
}

// cure takes a delay away, if it is there.
func (p *ProxyServer) cure(name string) {
	for _, direction := range []string{"upstream", "downstream"} {
		if p.toxics.GetToxic(name+direction) == nil {
			continue
		}
		if err := p.toxics.RemoveToxic(context.Background(), name+direction); err != nil {
			p.t.Errorf("testenv: proxy: %v", err)
		}
	}
}

func (p *ProxyServer) listen() error {
	l, err := net.Listen("tcp", p.Addr())
	if err != nil {
		return err
	}
	p.listener = l
	p.accepts.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return // cut
			}
			server, err := net.DialTimeout("tcp", p.upstream, 5*time.Second)
			if err != nil {
				_ = client.Close()
				continue
			}
			p.join(client, server)
		}
	})
	return nil
}

// join carries bytes both ways until either end closes.
func (p *ProxyServer) join(client, server net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conns[client], p.conns[server] = true, true
	p.count++
	p.links.Add(2)
	unmeasured := &toxiproxy.ApiServer{Metrics: toxiproxy.NewMetricsContainer(nil)}
	p.toxics.StartLink(unmeasured, fmt.Sprint(p.count, "up"), client, &sink{p: p, to: server}, stream.Upstream)
	p.toxics.StartLink(unmeasured, fmt.Sprint(p.count, "down"), server, &sink{p: p, to: client}, stream.Downstream)
}

// sink is where a link writes. When that cannot be written to any more it
// swallows what comes, for a link ends only when all of it was taken.
type sink struct {
	p    *ProxyServer
	to   net.Conn
	dead bool
}

func (s *sink) Write(b []byte) (int, error) {
	if !s.dead {
		if _, err := s.to.Write(b); err != nil {
			s.dead = true
			_ = s.to.Close() // its other direction ends too
		}
	}
	return len(b), nil
}

func (s *sink) Close() error {
	err := s.to.Close()
	s.p.mu.Lock()
	delete(s.p.conns, s.to)
	s.p.mu.Unlock()
	s.p.links.Done()
	return err
}
