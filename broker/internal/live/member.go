package live

import (
	"maps"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"bellhop/broker/chat"
)

// member is one participant connected to this node, with all its devices here.
type member struct {
	who  string
	part *hubPart

	mu     sync.Mutex
	conns  []*Conn
	unread map[string]int64 // of each session it has a seat in
	apart  map[string]endedSession
	total  int64                // over both
	quiet  map[string]time.Time // when a session's typing was last passed on
	offers map[string]bool      // sessions whose offer it was shown
	pace   *rate.Limiter        // of commands; nil before the first
}

func (m *member) user() bool { return m.who[0] == 'u' }

func (m *member) add(c *Conn) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.conns = append(m.conns, c)
}

// remove tells whether that was the last connection.
func (m *member) remove(c *Conn) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.conns = slices.DeleteFunc(m.conns, func(o *Conn) bool { return o == c })
	return len(m.conns) == 0
}

func (m *member) all() []*Conn {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.conns)
}

func (m *member) sessions() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Collect(maps.Keys(m.unread))
}

// deliver gives an event to every connection but one, and tells how many.
func (m *member) deliver(line []byte, but string) (given int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range m.conns {
		if c.id != but {
			c.Deliver(line)
			given++
		}
	}
	return given
}

// message is deliver with the session's new unread beside it.
func (m *member) message(line []byte, but, session string, n int64) (given int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.total += n - m.unread[session]
	m.unread[session] = n
	both := make([]byte, 0, len(line)+128)
	both = append(append(both, line...), '\n')
	both = chat.AppendUnread(both, session, n, m.total)
	for _, c := range m.conns {
		if c.id != but {
			c.Deliver(both)
			given++
		}
	}
	return given
}

// count notes a session's unread, and tells the connections if asked to.
func (m *member) count(session string, n int64, tell bool, but string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.unite(session)
	m.total += n - m.unread[session]
	m.unread[session] = n
	if !tell {
		return
	}
	line := chat.AppendUnread(nil, session, n, m.total)
	for _, c := range m.conns {
		if c.id != but {
			c.Deliver(line)
		}
	}
}

// forget is for a session it has no seat in any more; alive tells whether
// somebody is still here to have one.
func (m *member) forget(session string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.total -= m.unread[session]
	delete(m.unread, session)
}

// offered notes which offers a member was shown last, or, of one, whether it is open still.
func (m *member) offered(session string, open bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.offers == nil {
		m.offers = map[string]bool{}
	}
	if open {
		m.offers[session] = true
	} else {
		delete(m.offers, session)
	}
}

// withdrawn gives the offers that were shown and are not among those open now.
func (m *member) withdrawn(open []string) []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []string
	for s := range m.offers {
		if !slices.Contains(open, s) {
			out = append(out, s)
		}
	}
	return out
}

func (m *member) alive() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.conns) > 0
}

// typed tells whether a session's typing may be passed on now.
func (m *member) typed(session string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	for s, at := range m.quiet {
		if now.Sub(at) >= time.Second {
			delete(m.quiet, s)
		}
	}
	if _, quiet := m.quiet[session]; quiet {
		return false
	}
	if m.quiet == nil {
		m.quiet = map[string]time.Time{}
	}
	m.quiet[session] = now
	return true
}
