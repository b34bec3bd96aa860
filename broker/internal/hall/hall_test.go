package hall

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"bellhop/broker/chat"
)

// A queue's reset, and the answer of watch for all queues together, fit.
func TestResetsAndViewsFit(t *testing.T) {
	v := &View{queue: strings.Repeat(`"`, chat.MaxID), sessions: map[string]*chat.Snapshot{}}
	for i := range Shown {
		s := &chat.Snapshot{Session: chat.Session{ID: fmt.Sprintf("00-%d", i), Queue: v.queue, Subject: strings.Repeat(`"`, chat.MaxSubject),
			Meta: json.RawMessage(`{"x":"` + strings.Repeat("y", 4000) + `"}`)}}
		v.list, v.sessions[s.ID] = append(v.list, waiter{id: s.ID, score: float64(i)}), s
	}
	var e struct {
		Reset []chat.Session
		Size  int
		More  bool
	}
	line := v.reset()
	require.LessOrEqual(t, len(line), chat.PageBytes)
	require.Greater(t, len(line), chat.PageBytes-10000)
	require.NoError(t, json.Unmarshal(line, &e))
	require.True(t, e.More)
	require.Equal(t, Shown, e.Size)

	queues := make([]chat.QueueView, chat.MaxQueuesOfOne)
	for i := range queues {
		queues[i] = v.shot()
	}
	chat.Fill(queues)
	require.LessOrEqual(t, chat.Sized(queues), chat.PageBytes)
	require.NotEmpty(t, queues[0].Waiting)
	one := []chat.QueueView{{Waiting: []chat.Session{{Subject: strings.Repeat("x", 2*chat.PageBytes)}}, Size: 1}}
	chat.Fill(one)
	require.Len(t, one[0].Waiting, 1)
	require.False(t, one[0].More)
}

// listener is a watcher that keeps what it is told, and when.
type listener struct {
	batches []string
	at      []time.Time
}

func (l *listener) Deliver(b []byte) {
	l.batches, l.at = append(l.batches, string(b)), append(l.at, time.Now())
}

func (l *listener) Behind() int { return 0 }

// Where few events come a watcher has each at once; where many do, at most five batches a
// second, with all of them, in order, the last one within the pause.
func TestManyEventsAreToldTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &listener{}
		v := &View{queue: "q", sessions: map[string]*chat.Snapshot{}}
		_, fresh := v.join(w)
		require.True(t, fresh)
		event := func(n int) {
			v.mu.Lock()
			defer v.mu.Unlock()
			v.tell(fmt.Append(nil, n))
		}
		for n := range 3 {
			time.Sleep(time.Second)
			event(n)
			require.Equal(t, fmt.Sprint(n), w.batches[n], "at once")
		}
		*w = listener{}
		began := time.Now()
		var all []string
		for n := range 3000 { // a thousand a second
			event(n)
			all = append(all, fmt.Sprint(n))
			time.Sleep(time.Millisecond)
		}
		late := &listener{} // who comes now has the list, and none of what made it
		event(3000)
		v.join(late)
		time.Sleep(time.Second)
		require.Empty(t, late.batches)
		require.Equal(t, append(all, "3000"), strings.Split(strings.Join(w.batches, "\n"), "\n"))
		require.LessOrEqual(t, len(w.batches), 3*5+2)
		require.LessOrEqual(t, w.at[len(w.at)-1].Sub(began), 3*time.Second+tellPause)
		v.leave(w)
		n := len(w.batches)
		event(3001)
		time.Sleep(time.Second)
		require.Len(t, w.batches, n)
		require.Equal(t, []string{"3001"}, late.batches)
	})
}

// A beat that had to wait for its turn, while an event that came was told at once, tells nothing of what came after.
func TestABeatThatIsLateTellsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &listener{}
		v := &View{queue: "q", sessions: map[string]*chat.Snapshot{}}
		v.join(w)
		v.mu.Lock()
		v.tell([]byte("0"))
		v.tell([]byte("1"))
		time.Sleep(time.Until(v.telling.next)) // the beat is due, and waits
		v.tell([]byte("2"))
		v.tell([]byte("3"))
		v.mu.Unlock()
		synctest.Wait()
		told := func() []string {
			v.mu.Lock()
			defer v.mu.Unlock()
			return slices.Clone(w.batches)
		}
		require.Equal(t, []string{"0", "1\n2"}, told())
		time.Sleep(tellPause)
		synctest.Wait()
		require.Equal(t, []string{"0", "1\n2", "3"}, told())
	})
}

// The look for those who had no room for a list tells the others nothing early.
func TestALookForRoomBreaksNoBeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &listener{}
		v := &View{queue: "q", sessions: map[string]*chat.Snapshot{}}
		h := &Hall{byQueue: map[string]*View{"q": v}}
		v.join(w)
		for n := range 2 {
			v.mu.Lock()
			v.tell(fmt.Append(nil, n))
			v.mu.Unlock()
		}
		h.show()
		require.Equal(t, []string{"0"}, w.batches)
		v.mu.Lock()
		v.owed = append(v.owed, w)
		v.mu.Unlock()
		h.show()
		require.Len(t, w.batches, 3, "what came before the list, and the list")
		require.Equal(t, "1", w.batches[1])
		require.Contains(t, w.batches[2], "reset")
	})
}

// follower hears of agents.
type follower struct {
	told           int64
	presence, idle string
}

func (f *follower) Present(told int64, presence, idle string) {
	f.told, f.presence, f.idle = told, presence, idle
}
func (f *follower) Stir(string) {}
func (f *follower) Anew()       {}

// A presence's number is for who assigns; watchers are shown the same whether it has one or a version before told it.
func TestWatchersAreShownNoNumber(t *testing.T) {
	const shown = `"agent":"ann","status":"online","load":1,"capacity":2}`
	for told, payload := range map[int64]string{7: `P{"n":7,` + shown, 0: "P{" + shown} {
		f, w := &follower{}, &listener{}
		v := &View{h: &Hall{}, watchers: []chat.QueueWatcher{w}, follower: f}
		v.handle(payload + chat.SepField + "99")
		require.Equal(t, follower{told, "{" + shown, "99"}, *f)
		require.Equal(t, []string{`{"event":"presence",` + shown}, w.batches)
	}
}
