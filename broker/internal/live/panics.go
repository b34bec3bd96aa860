package live

import (
	"bellhop/broker/chat"
)

// ruined, deferred, makes a panic end the feed it was in: those who follow the
// session here are disconnected, and come back to one that is made anew.
func (f *feed) ruined(where string) {
	p := recover()
	if p == nil {
		return
	}
	f.h.store.Panicked(where, p)
	f.part.mu.Lock()
	if f.part.feeds[f.id] == f {
		delete(f.part.feeds, f.id)
	}
	f.part.mu.Unlock()
	for _, c := range f.vacate() {
		c.shut(chat.CloseInternal, "something went wrong on our side")
	}
}

// vacate takes everybody's seat and hold, and gives their connections.
func (f *feed) vacate() []*Conn {
	f.mu.Lock()
	defer f.unlock()
	conns := f.silent
	f.freed += len(f.silent)
	f.silent, f.backlog, f.came = nil, nil, nil
	for _, m := range f.seats {
		conns = append(conns, m.all()...)
		f.remove(m)
	}
	return conns
}

// ruined is the same for what is shown to one participant.
func (m *member) ruined(where string) {
	p := recover()
	if p == nil {
		return
	}
	m.part.h.store.Panicked(where, p)
	for _, c := range m.all() {
		c.shut(chat.CloseInternal, "something went wrong on our side")
	}
}
