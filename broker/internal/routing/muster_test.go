package routing

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"bellhop/broker/chat"
	"bellhop/broker/internal/store"
)

// staff is what a Redis of one partition knows of a queue's agents.
type staff struct {
	mu    sync.Mutex
	told  int64
	loads map[string]int
	reads int
	fail  error
	begun func() // called when a reading has read `told` and no agent yet; may change something
	ended func() // called when it has read all
}

func (s *staff) Crew(_ context.Context, _ store.Partition, queue string, f func(a chat.Profile, load int)) (int64, error) {
	s.mu.Lock()
	s.reads++
	told, fail, begun, ended := s.told, s.fail, s.begun, s.ended
	s.mu.Unlock()
	if fail != nil {
		return 0, fail
	}
	if begun != nil {
		begun()
	}
	s.mu.Lock()
	for id, load := range s.loads {
		a := chat.Profile{Person: chat.Person{ID: id}, Status: chat.Online}
		a.Queues, a.Capacity = []string{queue}, 9
		f(a, load)
	}
	s.mu.Unlock()
	if ended != nil {
		ended()
	}
	return told, nil
}

func (s *staff) Told(context.Context, []string) [][]int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return [][]int64{{s.told}}
}

func (s *staff) Recount(context.Context) error { return nil }

// change makes an agent's load another; the answer tells d of it.
func (s *staff) change(d *dispatcher, id string, load int) (tell func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.told++
	s.loads[id] = load
	told := s.told
	return func() {
		d.Present(told, fmt.Sprintf(`{"agent":%q,"status":"online","load":%d,"capacity":9}`, id, load), "1")
	}
}

// listening makes a dispatcher that has read its agents.
func listening(t *testing.T, s *staff) *dispatcher {
	t.Helper()
	st := store.NewStore(nil, slog.New(slog.DiscardHandler))
	st.Parts = make([]store.Partition, 1)
	st.Begin(t.Context())
	t.Cleanup(func() { st.Stop(); st.Tasks.Wait() })
	ds := NewDispatchers(st, nil, s, nil)
	d := newDispatcher(ds, "q", nil)
	ds.by["q"] = d
	d.mustered(t)
	return d
}

// mustered lets it read what it thinks that it must.
func (d *dispatcher) mustered(t *testing.T) {
	t.Helper()
	require.Eventually(t, func() bool {
		d.mu.Lock()
		d.failed = time.Time{}
		d.mu.Unlock()
		if !d.muster(t.Context()) {
			return false
		}
		d.mu.Lock()
		defer d.mu.Unlock()
		return !d.reading && d.ears[0].need == 0
	}, 5*time.Second, time.Millisecond)
}

func (d *dispatcher) knows(t *testing.T, s *staff) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	got := map[string]int{}
	for id, m := range d.crew.by {
		got[id] = m.load
	}
	require.Equal(t, s.loads, got)
}

// An event that did not come is noticed by the next one's number, or by what Redis counts, at the second look; only
// then are agents read again.
func TestALostPresenceIsNoticed(t *testing.T) {
	s := &staff{loads: map[string]int{"ann": 0, "bea": 0}, told: 7}
	d := listening(t, s)
	d.knows(t, s)
	look := func() {
		d.Dispatchers.when = time.Time{} // as if toldPause had gone by
		d.listen(t.Context())
	}
	for range 20 {
		s.change(d, "ann", 1)()
		look()
		look()
		d.mustered(t)
	}
	require.Equal(t, 1, s.reads, "nothing was lost")

	s.change(d, "ann", 2) // lost
	s.change(d, "bea", 1)()
	d.mustered(t)
	d.knows(t, s)
	require.Equal(t, 2, s.reads)

	s.change(d, "ann", 3) // lost, and the last one
	look()
	require.Zero(t, d.ears[0].need, "it may be on its way")
	look()
	d.mustered(t)
	d.knows(t, s)
	require.Equal(t, 3, s.reads)

	t.Log("one that is late is no loss")
	tell := s.change(d, "bea", 2)
	look()
	tell()
	look()
	require.Zero(t, d.ears[0].need)
	d.knows(t, s)

	t.Log("what a node of a version before tells has no number")
	d.Present(0, `{"agent":"ann","status":"online","load":5,"capacity":9}`, "1")
	s.loads["ann"] = 5
	d.knows(t, s)
	require.Zero(t, d.ears[0].need)

	t.Log("Redis fell back, and counts anew")
	s.told, s.loads = 2, map[string]int{"ann": 1, "cleo": 0}
	look()
	look()
	d.mustered(t)
	d.knows(t, s)
	s.change(d, "cleo", 1)()
	d.knows(t, s)
	require.Equal(t, 4, s.reads)
	require.Zero(t, d.ears[0].need)
}

// What comes while agents are read counts, whether it was published before or after; what is lost meanwhile is read once more.
func TestWhatComesWhileAgentsAreRead(t *testing.T) {
	s := &staff{loads: map[string]int{"ann": 0, "bea": 0}}
	d := listening(t, s)
	again := func() {
		t.Helper()
		s.change(d, "ann", 4) // lost
		s.change(d, "bea", 4)()
		d.mustered(t)
		s.begun, s.ended = nil, nil
		d.knows(t, s)
	}
	s.begun = func() { s.change(d, "ann", 5)() }
	again()
	s.ended = func() { s.change(d, "ann", 6)() } // the reading has an older one
	again()
	s.ended = func() { s.change(d, "cleo", 1)() } // whom it did not see
	again()
	before := s.reads
	var once sync.Once
	s.ended = func() {
		once.Do(func() {
			s.change(d, "ann", 7) // lost
			s.change(d, "bea", 8)()
		})
	}
	again()
	require.Equal(t, before+2, s.reads)

	t.Log("a partition that does not answer is asked again, and the others' agents get sessions meanwhile")
	s.fail = errors.New("away")
	s.change(d, "ann", 1)
	s.change(d, "bea", 1)()
	require.True(t, d.muster(t.Context()))
	require.Eventually(t, func() bool { d.mu.Lock(); defer d.mu.Unlock(); return !d.failed.IsZero() }, 5*time.Second, time.Millisecond)
	s.mu.Lock()
	s.fail = nil
	s.mu.Unlock()
	d.mustered(t)
	d.knows(t, s)

	t.Log("who left the queue is forgotten")
	delete(s.loads, "cleo")
	s.change(d, "ann", 2)
	s.change(d, "bea", 2)()
	d.mustered(t)
	d.knows(t, s)
}
