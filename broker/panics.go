package broker

import (
	"fmt"
	"runtime/debug"

	"bellhop/broker/chat"
)

// Panics is how many panics this node has outlived.
func (b *Broker) Panics() int64 { return b.panics.Load() }

// panicked counts a panic and tells where it was. The node goes on: what runs
// for one client or session must not end what runs for others.
func (b *Broker) panicked(where string, p any) {
	b.panics.Add(1)
	b.log.Error("panic", "in", where, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
}

// caught, deferred, is for what leaves nothing half done behind.
func (b *Broker) caught(where string) {
	if p := recover(); p != nil {
		b.panicked(where, p)
	}
}

// beside runs something for one client or session beside its commands.
func (b *Broker) beside(where string, f func()) {
	b.wg.Go(func() {
		defer b.caught(where)
		f()
	})
}

// ruined, deferred, makes a panic end the feed it was in: those who follow the
// session here are disconnected, and come back to one that is made anew.
func (f *feed) ruined(where string) {
	p := recover()
	if p == nil {
		return
	}
	f.h.b.panicked(where, p)
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
	m.part.h.b.panicked(where, p)
	for _, c := range m.all() {
		c.shut(chat.CloseInternal, "something went wrong on our side")
	}
}
