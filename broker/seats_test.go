package broker

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"bellhop/broker/chat"
	"bellhop/broker/internal/archiving"
	"bellhop/broker/internal/hall"
	"bellhop/internal/testenv"
)

// count tells how many events of a kind came that fit.
func (p *party) count(what string, fits func(event) bool) int {
	p.wire.mu.Lock()
	defer p.wire.mu.Unlock()
	n := 0
	for _, e := range p.events {
		if e["event"] == what && fits(e) {
			n++
		}
	}
	return n
}

// body waits for the message with a text, and tells how many came.
func (p *party) body(text string) int {
	p.t.Helper()
	fits := func(e event) bool { return e["body"] == text }
	p.await("message", fits)
	return p.count("message", fits)
}

// A transfer may give a user a second session in a queue. Neither is lost.
func TestTwoSessionsInOneQueue(t *testing.T) {
	testenv.EachShared(t, func(t *testing.T, url string) {
		b := startNode(t, url)
		ctx, x, y := t.Context(), name("q"), name("q")
		uma, ann := user(t, b, name("uma")), agent(t, b, name("ann"), x, y)
		first, second := uma.open(x), uma.open(y)
		ann.grab(second.ID)
		for range 2 { // asked again, it stands
			moved, err := b.Transfer(ctx, ann.Actor, chat.TransferRequest{Session: second.ID, Queue: x, Note: "mine"})
			require.NoError(t, err)
			require.Equal(t, x, moved.Queue)
		}
		later := user(t, b, uma.ID)
		require.Len(t, later.await("hello", nil)["sessions"], 2)
		require.Equal(t, first.ID, uma.open(x).ID)
		_, err := b.End(ctx, uma.Actor, chat.EndRequest{Session: first.ID})
		require.NoError(t, err)
		require.Equal(t, second.ID, uma.open(x).ID)
		require.NotEqual(t, second.ID, uma.open(y).ID)
		require.EqualValues(t, 0, ann.grab(second.ID).Unread, "its own note does not count")
		clean(t, b)
	})
}

// A host application's transfer keeps its note, and its agents may read it.
func TestAHostsTransferNote(t *testing.T) {
	b := startNode(t, testenv.Shared(t, testenv.EngineRedis))
	q := name("q")
	uma, ann := user(t, b, name("uma")), agent(t, b, name("ann"), q)
	s := uma.open(name("q"))
	_, err := b.Transfer(t.Context(), host, chat.TransferRequest{Session: s.ID, Queue: q, Note: "a note"})
	require.NoError(t, err)
	require.EqualValues(t, 1, ann.grab(s.ID).Unread)
	all := history(t, b, ann.Actor, s.ID, 10)
	require.Equal(t, chat.RoleBot, all[1].From.Role)
	require.JSONEq(t, `"a note"`, string(all[1].Body))
}

// An offer made again by the same one to the same one stands.
func TestAnOfferMadeTwice(t *testing.T) {
	b := startNode(t, testenv.Shared(t, testenv.EngineRedis))
	ctx, q := t.Context(), name("q")
	uma, ann, bea := user(t, b, name("uma")), agent(t, b, name("ann"), q), agent(t, b, name("bea"), q)
	s := uma.open(q)
	ann.grab(s.ID)
	var rev [2]int64
	for i := range rev {
		got, err := b.Transfer(ctx, ann.Actor, chat.TransferRequest{Session: s.ID, Agent: bea.ID})
		require.NoError(t, err)
		rev[i] = got.Rev
	}
	require.Equal(t, rev[0], rev[1])
}

// Why an agent declined is for its colleagues.
func TestWhyAnOfferWasDeclined(t *testing.T) {
	testenv.EachShared(t, func(t *testing.T, url string) {
		b := startNode(t, url)
		ctx, q := t.Context(), name("q")
		uma, ann, bea := user(t, b, name("uma")), agent(t, b, name("ann"), q), agent(t, b, name("bea"), q)
		s := uma.open(q)
		ann.grab(s.ID)
		_, err := b.Transfer(ctx, ann.Actor, chat.TransferRequest{Session: s.ID, Agent: bea.ID})
		require.NoError(t, err)
		got, err := b.Decline(ctx, bea.Actor, s.ID, "he shouts")
		require.NoError(t, err)
		require.Equal(t, chat.Serving, got.State)
		again, err := b.Decline(ctx, bea.Actor, s.ID, "he shouts")
		require.NoError(t, err)
		require.Equal(t, got.ID, again.ID)
		require.Zero(t, again.Rev, "what became of it is not theirs any more")
		require.Equal(t, 1, ann.body("he shouts"))
		ann.await("unread", func(e event) bool { return e["session"] == s.ID && e["unread"] == 1.0 })
		for _, m := range history(t, b, uma.Actor, s.ID, 50) {
			require.NotContains(t, string(m.Body), "shouts")
		}
		clean(t, b)
	})
}

// Users never hear of a note, nor of its recall; agents do.
func TestARecalledNoteIsNoUsersBusiness(t *testing.T) {
	b := startNode(t, testenv.Shared(t, testenv.EngineRedis), soon)
	ctx, q := t.Context(), name("q")
	uma, ann, bea := user(t, b, name("uma")), agent(t, b, name("ann"), q), agent(t, b, name("bea"), q)
	s := uma.open(q)
	ann.grab(s.ID)
	_, err := b.Join(ctx, bea.Actor, s.ID, false)
	require.NoError(t, err)
	note, err := b.Send(ctx, ann.Actor, chat.SendRequest{Session: s.ID, Type: chat.TypeNote, Body: json.RawMessage(`"between us"`)})
	require.NoError(t, err)
	require.NoError(t, b.Recall(ctx, ann.Actor, s.ID, note.Seq))
	bea.await("recalled", inSession(s.ID))
	last := ann.send(s.ID, "for all").Seq
	uma.body("for all")
	require.Zero(t, uma.count("recalled", inSession(s.ID)))
	seen := func(messages []chat.Message) (out []int64) {
		for _, m := range messages {
			if m.Seq >= note.Seq {
				out = append(out, m.Seq)
			}
		}
		return out
	}
	require.Equal(t, []int64{last}, seen(history(t, b, uma.Actor, s.ID, 50)))
	require.Equal(t, []int64{note.Seq, note.Seq + 1, last}, seen(history(t, b, ann.Actor, s.ID, 50)))
	require.Zero(t, uma.count("message", func(e event) bool { return e["seq"] == float64(note.Seq+1) }))
	for range archiving.KeepLog + 20 {
		uma.send(s.ID, "x")
	}
	archived(t, b, s.ID)
	require.Equal(t, []int64{last}, seen(history(t, b, uma.Actor, s.ID, 50))[:1], "nor once they have moved to the archive")
	clean(t, b)
}

// A supervisor who watched unseen and joins gets each event once.
func TestASilentWatcherWhoJoins(t *testing.T) {
	b := startNode(t, testenv.Shared(t, testenv.EngineRedis))
	ctx, q := t.Context(), name("q")
	uma, ann := user(t, b, name("uma")), agent(t, b, name("ann"), q)
	boss := connect(t, b, chat.Identity{Role: chat.RoleSupervisor, ID: name("sue")}, "")
	s := uma.open(q)
	ann.grab(s.ID)
	_, err := b.Join(ctx, boss.Actor, s.ID, true)
	require.NoError(t, err)
	uma.send(s.ID, "one")
	require.Equal(t, 1, boss.body("one"))
	require.NoError(t, b.Typing(ctx, uma.Actor, s.ID, "thinking"))
	boss.await("typing", func(e event) bool { return e["text"] == "thinking" })
	_, err = b.Join(ctx, boss.Actor, s.ID, false)
	require.NoError(t, err)
	uma.send(s.ID, "two")
	uma.send(s.ID, "three")
	boss.body("three")
	require.Equal(t, 1, boss.body("two"))
	uma.await("session", func(e event) bool { return len(e["session"].(map[string]any)["assistants"].([]any)) == 1 })
	_, err = b.Leave(ctx, boss.Actor, s.ID)
	require.NoError(t, err)
	require.Empty(t, boss.await("unread", func(e event) bool { return e["unread"] == 0.0 })["total"], "who leaves has nothing to read there")
	uma.send(s.ID, "four")
	ann.body("four")
	require.Zero(t, boss.count("message", func(e event) bool { return e["body"] == "four" }))
}

// What has to be read from the log goes to the sender's other devices only.
func TestAResyncDoesNotEcho(t *testing.T) {
	b := startNode(t, testenv.Shared(t, testenv.EngineRedis))
	uma := user(t, b, name("uma"))
	s := uma.open(name("q"))
	phone := user(t, b, uma.ID)
	phone.await("hello", nil)
	for range 5 {
		loseSubscriber(b, s.ID)
		for range 20 {
			uma.send(s.ID, "x")
		}
	}
	uma.send(s.ID, "last")
	phone.body("last")
	require.Zero(t, uma.count("message", func(e event) bool { return e["body"] == "x" || e["body"] == "last" }))
	require.Equal(t, 100, phone.count("message", func(e event) bool { return e["body"] == "x" }))
}

// An agent who is taken out of a queue sees nothing more of it.
func TestWatchingEndsWithTheQueue(t *testing.T) {
	b := startNode(t, testenv.Shared(t, testenv.EngineRedis))
	ctx, x, y := t.Context(), name("q"), name("q")
	ann := agent(t, b, name("ann"), x, y)
	_, err := b.Watch(ctx, ann.Actor, nil)
	require.NoError(t, err)
	_, err = b.PutAgent(ctx, host, ann.ID, chat.AgentSettings{Queues: []string{y}})
	require.NoError(t, err)
	eventually(t, func() bool { return len(ann.Conn.Identity().Queues) == 1 })
	uma := user(t, b, name("uma"))
	uma.open(x)
	uma.open(y)
	added := func(q string) func(event) bool {
		return func(e event) bool { return e["queue"] == q && e["added"] != nil }
	}
	ann.await("queue", added(y))
	require.Zero(t, ann.count("queue", added(x)))
	list, err := b.QueueList(ctx, ann.Actor)
	require.NoError(t, err)
	found := false
	for _, q := range list {
		found = found || q.ID == y
	}
	require.True(t, found, "a queue exists as soon as an agent names it")
}

// Watchers see the first 200 of a longer list, also after the first have gone.
func TestALongList(t *testing.T) {
	b := startNode(t, testenv.Shared(t, testenv.EngineRedis))
	ctx, q := t.Context(), name("q")
	ids := make([]string, hall.Shown+20)
	for i := range ids {
		s, err := b.Open(ctx, host, chat.OpenRequest{User: chat.Person{ID: name("uma")}, Queue: q})
		require.NoError(t, err)
		ids[i] = s.ID
		time.Sleep(2 * time.Millisecond) // no two of the same age
	}
	ann := agent(t, b, name("ann"), q)
	_, err := b.Watch(ctx, ann.Actor, nil)
	require.NoError(t, err)
	for _, id := range ids[:10] {
		_, err := b.End(ctx, host, chat.EndRequest{Session: id})
		require.NoError(t, err)
		ann.await("queue", func(e event) bool { return e["removed"] == id })
	}
	views, err := b.Watch(ctx, ann.Actor, nil)
	require.NoError(t, err)
	require.Equal(t, hall.Shown+10, views[0].Size)
	require.Len(t, views[0].Waiting, hall.Shown)
	require.Equal(t, ids[10], views[0].Waiting[0].ID)
	require.Equal(t, ids[hall.Shown+9], views[0].Waiting[hall.Shown-1].ID)
}

// A connection that ends while Redis is away is not thought alive afterwards.
func TestGoodbyeWhileRedisIsAway(t *testing.T) {
	server := testenv.Redis(t)
	proxy := testenv.Proxy(t, server.Addr())
	b := startNode(t, server.Through(proxy.Addr()))
	uma := user(t, b, name("uma"))
	p, w := b.store.Home(uma.ID), "u:"+uma.ID
	require.EqualValues(t, 1, b.store.Redis.HLen(t.Context(), p.Conns(w)).Val())
	proxy.Cut()
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	uma.Conn.Close(ctx)
	proxy.Restore()
	eventually(t, func() bool {
		n, err := b.store.Redis.HLen(t.Context(), p.Conns(w)).Result()
		return err == nil && n == 0
	})
}

// A token's revocation that nobody heard of shows as soon as channels are heard again.
func TestARevocationNobodyHeard(t *testing.T) {
	b := startNode(t, testenv.Shared(t, testenv.EngineRedis))
	ctx := t.Context()
	token, _, err := b.IssueToken(ctx, chat.Identity{Role: chat.RoleUser, ID: name("uma")}, 0)
	require.NoError(t, err)
	id, err := b.Authenticate(ctx, token)
	require.NoError(t, err)
	uma := connect(t, b, id, "")
	require.NoError(t, b.store.Redis.Del(ctx, b.store.Home(id.TokenID).Token(id.TokenID)).Err())
	b.hub.Probe().Resync(context.WithoutCancel(ctx), uma.ID)
	uma.awaitClose(chat.CloseRevoked)
	_, err = b.Connect(ctx, id, "", &wire{more: make(chan struct{})})
	code(t, chat.CodeUnauthorized, err)
}
