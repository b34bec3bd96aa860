package broker

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"bellhop/broker/chat"
	"bellhop/internal/testenv"
)

// settledDown waits until no partition is being compared with what it was.
func settledDown(t testing.TB, b *Broker) {
	t.Helper()
	ctx := t.Context()
	eventually(t, func() bool {
		for _, p := range b.store.Parts {
			for _, timer := range b.store.Redis.ZRange(ctx, p.Timers(), 0, -1).Val() {
				if strings.HasPrefix(timer, "recover|") && !strings.HasSuffix(timer, "|again") {
					return false
				}
			}
			if b.store.Redis.Exists(ctx, p.Recovering()).Val() > 0 {
				return false
			}
		}
		return true
	})
}

// noticed waits until every node has seen so many partitions fall back, and all is compared.
// A node counts what it sees before it has told Redis to have it compared, and has done so when it asks again.
func noticed(t testing.TB, nodes []*Broker, before []int64, partitions int) {
	t.Helper()
	eventually(t, func() bool {
		for i, b := range nodes {
			if b.Fallbacks().Seen < before[i]+int64(partitions) {
				return false
			}
		}
		return true
	})
	beats(t, nodes, 1, nodes[0].store.Parts...)
	settledDown(t, nodes[0])
}

func seen(nodes []*Broker) []int64 {
	out := make([]int64, len(nodes))
	for i, b := range nodes {
		out[i] = b.Fallbacks().Seen
	}
	return out
}

func texts(t testing.TB, b *Broker, a chat.Actor, session string) []string {
	t.Helper()
	var out []string
	for after := int64(0); ; {
		page, err := b.History(t.Context(), a, chat.HistoryRequest{Session: session, After: after, Before: -1, Limit: 200})
		require.NoError(t, err)
		for _, m := range page.Messages {
			after = m.Seq
			var s string
			if json.Unmarshal(m.Body, &s) == nil {
				out = append(out, s)
			}
		}
		if !page.More {
			return out
		}
	}
}

// What was acknowledged and archived before Redis fell back comes back where Redis
// has not gone on: messages, the end, a new owner, read marks, whole sessions.
func TestTheArchiveIsAhead(t *testing.T) {
	t.Parallel()
	server := newFallible(t)
	nodes := []*Broker{startNode(t, server.URL()), startNode(t, server.URL())}
	a, ctx, q := nodes[0], t.Context(), name("q")
	ann, bea := agent(t, a, name("ann"), q), agent(t, nodes[1], name("bea"), q)
	var users []*party
	var sessions []chat.Session
	for range 5 {
		uma := user(t, a, name("uma"))
		s := uma.open(q)
		ann.grab(s.ID)
		uma.send(s.ID, "kept")
		users, sessions = append(users, uma), append(sessions, s)
		archived(t, a, s.ID)
	}
	server.save()
	_, err := a.End(ctx, users[0].Actor, chat.EndRequest{Session: sessions[0].ID, Reason: "done"})
	require.NoError(t, err)
	first, err := a.Send(ctx, users[1].Actor, chat.SendRequest{Session: sessions[1].ID, Body: json.RawMessage(`"lost?"`), Key: "again"})
	require.NoError(t, err)
	_, err = a.Transfer(ctx, ann.Actor, chat.TransferRequest{Session: sessions[2].ID, Agent: bea.ID})
	require.NoError(t, err)
	_, err = nodes[1].Accept(ctx, bea.Actor, sessions[2].ID)
	require.NoError(t, err)
	_, err = a.Read(ctx, ann.Actor, sessions[3].ID, 99)
	require.NoError(t, err)
	_, err = a.Label(ctx, ann.Actor, LabelRequest{Session: sessions[4].ID, Add: []string{"vip"}})
	require.NoError(t, err)
	newcomer := user(t, a, name("new"))
	opened := newcomer.open(q)
	bea.grab(opened.ID)
	for _, s := range append(sessions, opened) {
		archived(t, a, s.ID)
	}
	before := seen(nodes)
	server.fall()
	noticed(t, nodes, before, len(a.store.Parts))

	look := func(i int) *chat.Snapshot {
		st, err := a.sessions.Look(ctx, sessions[i].ID)
		require.NoError(t, err)
		return st
	}
	require.Equal(t, chat.Ended, look(0).State, "no ended session comes back to life")
	require.Equal(t, []string{"kept", "lost?"}, texts(t, a, ann.Actor, sessions[1].ID))
	again, err := a.Send(ctx, users[1].Actor, chat.SendRequest{Session: sessions[1].ID, Body: json.RawMessage(`"lost?"`), Key: "again"})
	require.NoError(t, err)
	require.True(t, again.Duplicate, "its key is known")
	require.Equal(t, first.Mid, again.Mid)
	require.Equal(t, bea.ID, look(2).Agent.ID)
	require.Equal(t, look(3).Seq, look(3).Marks["a:"+ann.ID])
	require.Equal(t, []string{"vip"}, look(4).Labels)
	st, err := a.sessions.Look(ctx, opened.ID)
	require.NoError(t, err)
	require.Equal(t, bea.ID, st.Agent.ID)
	require.ElementsMatch(t, []string{sessions[1].ID, sessions[3].ID, sessions[4].ID}, a.store.Redis.HKeys(ctx, a.store.Home(ann.ID).Load(ann.ID)).Val())
	require.ElementsMatch(t, []string{sessions[2].ID, opened.ID}, a.store.Redis.HKeys(ctx, a.store.Home(bea.ID).Load(bea.ID)).Val())
	require.Positive(t, nodes[0].Fallbacks().Recovered+nodes[1].Fallbacks().Recovered)
	newcomer.send(opened.ID, "still there")
	bea.await("message", func(e event) bool { return e["body"] == "still there" })
	clean(t, a)
}

// Redis has gone on since it fell back: it wins, the archive takes its versions, and
// what the archive holds under a seq that is another message's now stays findable.
func TestRedisHasGoneOn(t *testing.T) {
	t.Parallel()
	server := newFallible(t)
	nodes := []*Broker{startNode(t, server.URL()), startNode(t, server.URL())}
	a, ctx, q := nodes[0], t.Context(), name("q")
	ann, uma := agent(t, a, name("ann"), q), user(t, a, name("uma"))
	s := uma.open(q)
	ann.grab(s.ID)
	uma.send(s.ID, "kept")
	archived(t, a, s.ID)
	for _, p := range a.store.Parts { // nobody compares before Redis has gone on
		require.NoError(t, a.store.Redis.Set(ctx, p.Recovering(), "somebody slow", time.Minute).Err())
	}
	server.save()
	for range 3 {
		uma.send(s.ID, "overtaken words")
	}
	_, err := a.End(ctx, uma.Actor, chat.EndRequest{Session: s.ID})
	require.NoError(t, err)
	archived(t, a, s.ID)
	before := seen(nodes)
	server.fall()
	eventually(t, func() bool {
		_, err := a.Send(ctx, ann.Actor, chat.SendRequest{Session: s.ID, Body: json.RawMessage(`"new words"`)})
		return err == nil
	})
	eventually(t, func() bool {
		return seen(nodes)[0] >= before[0]+int64(len(a.store.Parts)) && seen(nodes)[1] >= before[1]+int64(len(a.store.Parts))
	})
	for _, p := range a.store.Parts {
		require.NoError(t, a.store.Redis.Del(ctx, p.Recovering()).Err())
	}
	settledDown(t, a)
	require.Equal(t, []string{"kept", "new words"}, texts(t, a, ann.Actor, s.ID))
	require.EqualValues(t, 4, nodes[0].Fallbacks().Superseded+nodes[1].Fallbacks().Superseded, "three messages, and the end's")
	archived(t, a, s.ID)
	clean(t, a)
	found, err := a.sessions.Search(ctx, host, chat.SearchRequest{Query: "overtaken"})
	require.NoError(t, err)
	require.Len(t, found.Messages, 3)
	require.True(t, found.Messages[0].Superseded)
	found, err = a.sessions.Search(ctx, host, chat.SearchRequest{Query: "new words"})
	require.NoError(t, err)
	require.Len(t, found.Messages, 1)
	require.False(t, found.Messages[0].Superseded)

	// Its end is the archive's, too, once it has ended; and a restore believes that.
	_, err = a.End(ctx, uma.Actor, chat.EndRequest{Session: s.ID})
	require.NoError(t, err)
	archived(t, a, s.ID)
	doc, err := a.opt.Archive.Session(ctx, s.ID)
	require.NoError(t, err)
	require.Equal(t, string(chat.Ended), doc.State)
	p, _ := a.store.Of(s.ID)
	require.NoError(t, a.store.Redis.Del(ctx, p.Session(s.ID), p.Log(s.ID)).Err())
	require.Equal(t, []string{"kept", "new words"}, texts(t, a, ann.Actor, s.ID), "and so is its history")
}

// One partition falls back alone, an agent's or a session's: places are what the
// sessions say, and capacity holds.
func TestOnePartitionFallsBack(t *testing.T) {
	t.Parallel()
	server := testenv.Redis(t)
	parts := func(o *Options) { o.Archive, o.Partitions = nil, 2 }
	nodes := []*Broker{startNode(t, server.URL(), parts), startNode(t, server.URL(), parts)}
	b, ctx := nodes[0], t.Context()
	in := func(part int) string {
		for {
			if id := name("id"); b.store.Home(id).Index == part {
				return id
			}
		}
	}
	run := func(what string, part int, then func(t *testing.T, ann *party, s chat.Session, uma *party)) {
		t.Run(what, func(t *testing.T) {
			q := name("q")
			ann := connect(t, b, chat.Identity{Role: chat.RoleAgent, ID: in(1), Queues: []string{q}, Capacity: 1}, "")
			uma := user(t, nodes[1], in(0))
			s := uma.open(q)
			if part == 0 {
				ann.grab(s.ID)
			}
			eventually(t, func() bool { return b.store.Redis.ZCard(ctx, b.store.Parts[0].Outbox()).Val() == 0 })
			img := imageOf(t, b, b.store.Parts[part])
			then(t, ann, s, uma)
			beats(t, nodes, 2, b.store.Parts[part]) // the clock of ticks goes on
			before := seen(nodes)
			img.restore(t, b, b.store.Parts[part])
			noticed(t, nodes, before, 1)
			clean(t, b)
		})
	}
	run("an ended session is served again", 0, func(t *testing.T, ann *party, s chat.Session, uma *party) {
		_, err := b.End(ctx, uma.Actor, chat.EndRequest{Session: s.ID})
		require.NoError(t, err)
	})
	run("an owner has another meanwhile", 0, func(t *testing.T, ann *party, s chat.Session, uma *party) {
		_, err := b.End(ctx, uma.Actor, chat.EndRequest{Session: s.ID})
		require.NoError(t, err)
		other := user(t, b, in(1)).open(s.Queue)
		ann.grab(other.ID)
	})
	run("a grab is unknown to its agent", 1, func(t *testing.T, ann *party, s chat.Session, uma *party) {
		ann.grab(s.ID)
	})
	run("an agent is full for nothing", 1, func(t *testing.T, ann *party, s chat.Session, uma *party) {})
	run("a session is moved back to an agent that let it go", 0, func(t *testing.T, ann *party, s chat.Session, uma *party) {
		_, err := b.Transfer(ctx, ann.Actor, chat.TransferRequest{Session: s.ID, Queue: s.Queue})
		require.NoError(t, err)
	})
}

// A comparison goes on where its node dies, and does no harm twice.
func TestARecoveryIsTakenOver(t *testing.T) {
	t.Parallel()
	server := testenv.Redis(t)
	b := startNode(t, server.URL())
	ctx := t.Context()
	p := b.store.Parts[0]
	require.NoError(t, b.store.Redis.Set(ctx, p.Recovering(), "a node that died", time.Second).Err())
	_, err := b.store.Run(ctx, "renew", []string{p.Epoch(), p.Timers()}, "", 0)
	require.NoError(t, err)
	eventually(t, func() bool { return b.Fallbacks().Seen == 1 })
	settledDown(t, b)
	require.NoError(t, b.mend(context.WithoutCancel(ctx), p, "again"))
	clean(t, b)
}
