package routing

import (
	"fmt"
	"log/slog"
	"maps"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"bellhop/broker/chat"
	"bellhop/broker/internal/store"
)

// slowPlan is plan, done by looking at everybody for each session.
func slowPlan(all map[string]mate, waiting []*chat.Snapshot, bot string, tried func(string) bool) (botted []string, jobs map[string][]job) {
	all, jobs = maps.Clone(all), map[string][]job{}
	for _, st := range waiting {
		if st.BotFirst && bot != "" && !tried(st.ID) {
			botted = append(botted, st.ID)
			continue
		}
		var best *mate
		for id := range all {
			m := all[id]
			if id != bot && m.room() && (best == nil || m.compare(best) < 0) {
				best = &m
			}
		}
		if m, ok := all[st.Sticky]; ok && m.room() && st.Sticky != bot {
			best = &m
		}
		if best == nil {
			continue
		}
		jobs[best.id] = append(jobs[best.id], job{session: st.ID, load: best.load})
		best.load++
		best.idle = math.MaxInt64
		all[best.id] = *best
	}
	return botted, jobs
}

// Whatever changes, a plan gives each session to its user's last agent, or to the least load, then to the longest
// idle, to nobody beyond its capacity, and changes nothing by itself.
func TestPlansAreThoseOfAllAgents(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := &dispatcher{crew: newCrew()}
		all, bot := map[string]mate{}, rapid.SampledFrom([]string{"", "a3"}).Draw(t, "bot")
		agent := rapid.Map(rapid.IntRange(0, 12), func(n int) string { return fmt.Sprint("a", n) })
		same := func() {
			rooms, free := 0, 0
			for id, m := range all {
				is := d.crew.by[id]
				require.NotNil(t, is, id)
				require.Equal(t, []any{m.load, m.idle, m.capacity, m.online}, []any{is.load, is.idle, is.capacity, is.online})
				if m.room() {
					rooms, free = rooms+m.capacity-m.load, free+1
					require.Same(t, is, d.crew.free[is.at])
				}
			}
			require.Len(t, d.crew.by, len(all))
			require.Len(t, d.crew.free, free)
			require.Equal(t, rooms, d.crew.rooms)
		}
		t.Repeat(map[string]func(*rapid.T){
			"comes": func(t *rapid.T) {
				m := mate{id: agent.Draw(t, "agent"), online: rapid.IntRange(0, 4).Draw(t, "online") > 0, load: rapid.IntRange(0, 5).Draw(t, "load"),
					capacity: rapid.IntRange(0, 5).Draw(t, "capacity"), idle: rapid.Int64Range(0, 3).Draw(t, "idle")}
				d.crew.set(m)
				all[m.id] = m
				same()
			},
			"goes": func(t *rapid.T) {
				id := agent.Draw(t, "agent")
				d.crew.remove(id)
				delete(all, id)
				same()
			},
			"plans": func(t *rapid.T) {
				var waiting []*chat.Snapshot
				for i := range rapid.IntRange(0, 30).Draw(t, "sessions") {
					st := &chat.Snapshot{Session: chat.Session{ID: fmt.Sprint(i)}, BotFirst: rapid.IntRange(0, 5).Draw(t, "first") == 0}
					if rapid.IntRange(0, 3).Draw(t, "known") == 0 {
						st.Sticky = agent.Draw(t, "sticky")
					}
					waiting = append(waiting, st)
				}
				wantBot, want := slowPlan(all, waiting, bot, func(string) bool { return false })
				gotBot, got := d.plan(waiting, bot)
				require.Equal(t, want, got)
				require.Equal(t, wantBot, slices.Collect(func(yield func(string) bool) {
					for _, j := range gotBot {
						yield(j.session)
					}
				}))
				for id, list := range got {
					require.LessOrEqual(t, all[id].load+len(list), all[id].capacity)
				}
				same()
			},
		})
	})
}

// What an event told after a job was planned is not undone by what came of the job, since nothing would put it right again.
func TestAnEventIsNewerThanAnAnswer(t *testing.T) {
	for what, err := range map[string]error{"assigned": nil, "full": &chat.Error{Code: chat.CodeFull, Load: 2, Capacity: 2},
		"offline": chat.Errorf(chat.CodeNoAgent, ""), "disabled": chat.Errorf(chat.CodeForbidden, "")} {
		st := store.NewStore(nil, slog.New(slog.DiscardHandler))
		st.Parts = make([]store.Partition, 1)
		d := newDispatcher(NewDispatchers(st, nil, nil, nil), "q", nil)
		tell := func() { d.Present(1, `{"agent":"ann","status":"online","load":0,"capacity":2}`, "1") }
		tell()
		_, jobs := d.plan([]*chat.Snapshot{{Session: chat.Session{ID: "s"}}}, "")
		j := jobs["ann"][0]
		tell() // it is as it was again
		require.True(t, d.learn("ann", chat.RoleAgent, j, err), what)
		require.Equal(t, 2, d.crew.rooms, what)

		j.event = d.events
		require.True(t, d.learn("ann", chat.RoleAgent, j, err), what)
		require.Less(t, d.crew.rooms, 2, what)
	}
}

// A plan for one order costs no look at all agents.
func BenchmarkPlanOfOneOrder(b *testing.B) {
	for _, n := range []int{50, 5000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			d := &dispatcher{crew: newCrew()}
			for i := range n {
				d.crew.set(mate{id: fmt.Sprint(i), online: true, capacity: 1 << 30, idle: int64(i)})
			}
			waiting := []*chat.Snapshot{{Session: chat.Session{ID: "s"}}}
			b.ReportAllocs()
			for b.Loop() {
				d.plan(waiting, "")
			}
		})
	}
}
