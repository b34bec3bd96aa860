package broker

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"bellhop/broker/chat"
	"bellhop/internal/testenv"
)

// plainTally counts beside the broker what its answers say that happened.
type plainTally map[string]*chat.StatsCounts

func (p plainTally) of(ids ...string) (out []*chat.StatsCounts) {
	for _, id := range ids {
		if id == "" {
			continue
		}
		if p[id] == nil {
			p[id] = &chat.StatsCounts{}
		}
		out = append(out, p[id])
	}
	return out
}

// both counts for a queue and an agent.
func (p plainTally) both(f func(c *chat.StatsCounts), ids ...string) {
	for _, c := range p.of(ids...) {
		f(c)
	}
}

// talk is a random course of many sessions over two nodes.
type talk struct {
	t      *testing.T
	nodes  [2]*Broker
	rnd    *rand.Rand
	queues []string
	staff  []chat.Actor
	counts plainTally
	open   []string
	heard  map[string]bool // sessions whose user an agent has answered
	served map[string]bool // sessions that ever had an owner
}

func (k *talk) node() *Broker { return k.nodes[k.rnd.IntN(2)] }

func (k *talk) step() {
	t, ctx, b := k.t, k.t.Context(), k.node()
	if len(k.open) == 0 || k.rnd.IntN(8) == 0 {
		q := k.queues[k.rnd.IntN(2)]
		s, err := b.Open(ctx, host, chat.OpenRequest{User: chat.Person{ID: name("uma")}, Queue: q})
		require.NoError(t, err)
		k.open = append(k.open, s.ID)
		k.counts.both(func(c *chat.StatsCounts) { c.Opened++ }, q)
		return
	}
	i := k.rnd.IntN(len(k.open))
	id := k.open[i]
	before, err := b.sessions.Look(ctx, id)
	require.NoError(t, err)
	if before.State == chat.Ended && k.rnd.IntN(4) > 0 { // enough of it
		k.open = slices.Delete(k.open, i, i+1)
		return
	}
	owner := ""
	if before.Agent != nil {
		owner = before.Agent.ID
	}
	a := k.staff[k.rnd.IntN(len(k.staff))]
	if owner != "" && k.rnd.IntN(4) > 0 {
		for _, x := range k.staff {
			if x.ID == owner {
				a = x
			}
		}
	}
	k.act(b, a, before, owner)
}

// handled is a stretch that is over; an agent's are counted each.
func (k *talk) handled(owner string) {
	k.counts.both(func(c *chat.StatsCounts) { c.Handling.Count++ }, owner)
}

func (k *talk) act(b *Broker, a chat.Actor, before *chat.Snapshot, owner string) {
	ctx, id, q := k.t.Context(), before.ID, before.Queue
	switch k.rnd.IntN(9) {
	case 0, 1:
		if _, err := b.Grab(ctx, a, id); err == nil && before.State == chat.Waiting {
			k.served[id] = true
			k.counts.both(func(c *chat.StatsCounts) { c.Grabbed++; c.WaitingTime.Count++ }, q, a.ID)
		}
	case 2:
		kind := []string{chat.TypeText, chat.TypeNote}[k.rnd.IntN(2)]
		_, err := b.Send(ctx, a, chat.SendRequest{Session: id, Type: kind, Body: []byte(`"x"`)})
		if err == nil && kind == chat.TypeText && !k.heard[id] {
			k.heard[id] = true
			k.counts.both(func(c *chat.StatsCounts) { c.FirstResponse.Count++ }, q, a.ID)
		}
	case 3, 4:
		_, _ = b.Transfer(ctx, a, chat.TransferRequest{Session: id, Agent: k.staff[k.rnd.IntN(len(k.staff))].ID})
	case 5, 6:
		if before.Target != nil {
			a.ID = before.Target.ID
		}
		if _, err := b.Accept(ctx, a, id); err == nil && before.Target != nil {
			k.handled(owner)
			k.counts.both(func(c *chat.StatsCounts) { c.Transferred++ }, q, owner)
			k.counts.of(a.ID)[0].Accepted++
			k.counts.of(q)[0].Accepted++
		}
	case 7:
		by, to := a, k.queues[k.rnd.IntN(2)]
		if k.rnd.IntN(3) == 0 {
			by = host
		}
		if _, err := b.Transfer(ctx, by, chat.TransferRequest{Session: id, Queue: to}); err == nil && (owner != "" || to != q) && (by.ID == owner || by.ID == "") {
			k.handled(owner)
			k.counts.both(func(c *chat.StatsCounts) { c.Transferred++ }, q, owner)
		}
	case 8:
		_, err := b.End(ctx, a, chat.EndRequest{Session: id, Force: k.rnd.IntN(2) == 0})
		after, err2 := b.sessions.Look(ctx, id)
		require.NoError(k.t, err2)
		if err == nil && before.State != chat.Ended && after.State == chat.Ended {
			k.over(id, q, owner)
		}
	}
	if k.rnd.IntN(12) == 0 {
		now, err := b.sessions.Look(ctx, id)
		require.NoError(k.t, err)
		if now.State != chat.Ended {
			_, err = b.End(ctx, host, chat.EndRequest{Session: id})
			require.NoError(k.t, err)
			owner = ""
			if now.Agent != nil {
				owner = now.Agent.ID
			}
			if now.State == chat.Waiting {
				k.counts.of(now.Queue)[0].Unanswered++
			}
			k.over(id, now.Queue, owner)
		}
	}
}

// over: a session has ended.
func (k *talk) over(id, q, owner string) {
	if k.served[id] {
		k.counts.of(q)[0].Handling.Count++
	}
	k.counts.both(func(c *chat.StatsCounts) { c.Ended++ }, q, owner)
	k.handled(owner)
}

// A random course of transitions over two nodes, some refused and some repeated:
// the statistics are what a plain tally of what took effect says.
func TestStatsAgainstAPlainTally(t *testing.T) {
	for e, steps := range map[testenv.Engine]int{testenv.EngineEmbedded: 150, testenv.EngineCluster: 1200} {
		t.Run(string(e), func(t *testing.T) {
			url := testenv.Shared(t, e)
			k := &talk{t: t, nodes: [2]*Broker{startNode(t, url), startNode(t, url)}, rnd: rand.New(rand.NewPCG(1, 2)),
				queues: []string{name("q"), name("q")}, counts: plainTally{}, heard: map[string]bool{}, served: map[string]bool{}}
			for range 3 {
				id := chat.Identity{Role: chat.RoleAgent, ID: name("ann"), Queues: k.queues, Capacity: 20}
				require.NoError(t, k.nodes[0].people.Introduce(t.Context(), id))
				_, err := k.nodes[0].people.SetStatus(t.Context(), id.ID, chat.Online)
				require.NoError(t, err)
				k.staff = append(k.staff, chat.Actor{Identity: id})
			}
			for range steps {
				k.step()
			}
			seen := k.counts.of(k.queues[0])[0]
			require.True(t, steps < 1000 || min(seen.Grabbed, seen.Accepted, seen.Transferred, seen.Ended, seen.Unanswered,
				seen.FirstResponse.Count, seen.Handling.Count) > 5, "%+v", seen)
			waiting, serving := map[string]int64{}, map[string]int64{}
			for _, id := range k.open {
				s, err := k.nodes[0].sessions.Look(t.Context(), id)
				require.NoError(t, err)
				if s.State == chat.Waiting {
					waiting[s.Queue]++
				} else if s.State != chat.Ended {
					serving[s.Queue]++
					serving[s.Agent.ID]++
				}
			}
			for i, q := range k.queues {
				r := k.nodes[i].stats(t, chat.StatsRequest{Queue: q})
				require.Equal(t, *k.counts.of(q)[0], only(r.Totals), "queue %d", i)
				require.Equal(t, waiting[q], r.Waiting)
				require.Equal(t, serving[q], r.Serving)
			}
			for _, a := range k.staff {
				r := k.nodes[0].stats(t, chat.StatsRequest{Agent: a.ID})
				require.Equal(t, *k.counts.of(a.ID)[0], only(r.Totals), fmt.Sprint(k.counts.of(a.ID)))
				require.Equal(t, serving[a.ID], r.Serving)
			}
		})
	}
}
