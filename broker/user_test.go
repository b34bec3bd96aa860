package broker

import (
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"bellhop/broker/chat"
	"bellhop/internal/testenv"
)

func block(t *testing.T, b *Broker, id, reason string) chat.UserCard {
	t.Helper()
	card, err := b.PutUser(t.Context(), host, id, chat.UserSettings{Blocked: true, Reason: reason})
	require.NoError(t, err)
	return card
}

// A blocked user is out on every node within two seconds: its connections close,
// and nothing new is opened or sent by it or for it. What was sent stays sent.
func TestBlocking(t *testing.T) {
	testenv.EachShared(t, func(t *testing.T, url string) {
		a, b := startNode(t, url), startNode(t, url)
		ctx, q := t.Context(), name("q")
		uma, ann := user(t, a, name("uma")), agent(t, b, name("ann"), q)
		other := connect(t, b, chat.Identity{Role: chat.RoleUser, ID: uma.ID}, "")
		namesake := agent(t, a, uma.ID, q) // agents have ids of their own
		s := uma.open(q)
		ann.grab(s.ID)
		keyed := chat.SendRequest{Session: s.ID, Body: json.RawMessage(`"before"`), Key: "k"}
		sent, err := a.Send(ctx, uma.Actor, keyed)
		require.NoError(t, err)

		began := time.Now()
		card := block(t, a, uma.ID, "rude")
		require.True(t, card.Blocked)
		require.Equal(t, "rude", *card.Reason)
		for _, p := range []*party{uma, other} {
			p.awaitClose(chat.CloseRemoved)
		}
		within(t, began, 0, 2*time.Second)
		bare := chat.Actor{Identity: uma.Identity} // by HTTP
		for what, do := range map[string]func(b *Broker) error{
			"send": func(b *Broker) error {
				_, err := b.Send(ctx, bare, chat.SendRequest{Session: s.ID, Body: json.RawMessage(`"x"`)})
				return err
			},
			"send as user": func(b *Broker) error {
				_, err := b.Send(ctx, host, chat.SendRequest{Session: s.ID, Body: json.RawMessage(`"x"`), As: chat.RoleUser})
				return err
			},
			"open": func(b *Broker) error { _, err := b.Open(ctx, bare, chat.OpenRequest{Queue: name("q")}); return err },
			"open as host": func(b *Broker) error {
				_, err := b.Open(ctx, host, chat.OpenRequest{User: chat.Person{ID: uma.ID}, Queue: name("q")})
				return err
			},
			"connect": func(b *Broker) error {
				_, err := b.Connect(ctx, uma.Identity, "d", &wire{more: make(chan struct{})})
				return err
			},
		} {
			for _, n := range []*Broker{a, b} {
				err := do(n)
				require.Error(t, err, what)
				require.Equal(t, chat.CodeBlocked, chat.AsError(err).Code, "%s: %v", what, err)
			}
		}
		again, err := b.Send(ctx, bare, keyed)
		require.NoError(t, err, "what was acknowledged is")
		require.True(t, again.Duplicate)
		require.Equal(t, sent.Seq, again.Seq)
		_, err = a.Send(ctx, bare, chat.SendRequest{Session: user(t, a, name("ben")).open(q).ID, Body: json.RawMessage(`"x"`)})
		code(t, chat.CodeForbidden, err)
		_, err = a.sessions.Session(ctx, bare, s.ID)
		require.NoError(t, err, "it may still read")
		ann.send(s.ID, "are you there?")
		_, err = a.Send(ctx, host, chat.SendRequest{Session: s.ID, Body: json.RawMessage(`"x"`), As: chat.RoleBot})
		require.NoError(t, err)
		require.True(t, a.hub.Probe().Here("a:"+namesake.ID))
		_, err = b.End(ctx, ann.Actor, chat.EndRequest{Session: s.ID, Force: true})
		require.NoError(t, err)
		_, err = b.Reopen(ctx, bare, s.ID)
		code(t, chat.CodeBlocked, err)

		t.Log("and in again")
		card, err = b.PutUser(ctx, host, uma.ID, chat.UserSettings{Reason: "of no meaning"})
		require.NoError(t, err)
		require.False(t, card.Blocked)
		require.Empty(t, *card.Reason)
		back := user(t, b, uma.ID)
		back.send(back.open(q).ID, "sorry")
		late := back.open(name("q"))
		block(t, a, uma.ID, "again")
		_, err = b.Send(ctx, bare, chat.SendRequest{Session: late.ID, Body: json.RawMessage(`"x"`)})
		code(t, chat.CodeBlocked, err)
		_, err = b.End(ctx, host, chat.EndRequest{Session: late.ID})
		require.NoError(t, err)
		_, err = b.PutUser(ctx, host, uma.ID, chat.UserSettings{})
		require.NoError(t, err)
		_, err = b.Reopen(ctx, bare, late.ID)
		require.NoError(t, err)
		_, err = a.Send(ctx, bare, chat.SendRequest{Session: late.ID, Body: json.RawMessage(`"x"`)})
		require.NoError(t, err, "ended while its user was blocked, and open again")
		clean(t, a)
	})
}

// Whoever is blocked while it connects is out all the same, on whichever node.
func TestBlockingMeetsConnecting(t *testing.T) {
	url := testenv.Shared(t, testenv.EngineCluster)
	a, b := startNode(t, url), startNode(t, url)
	for range 20 {
		id := chat.Identity{Role: chat.RoleUser, ID: name("uma"), Issued: time.Now()}
		sinks := make([]*wire, 6)
		var wg sync.WaitGroup
		for i := range sinks {
			sinks[i] = &wire{more: make(chan struct{})}
			n := []*Broker{a, b}[i%2]
			wg.Go(func() {
				c, err := n.Connect(context.WithoutCancel(t.Context()), id, "", sinks[i])
				if err == nil {
					t.Cleanup(func() { c.Close(context.Background()) })
				} else if chat.AsError(err).Code != chat.CodeBlocked {
					t.Error(err)
				} else {
					sinks[i].Close(chat.CloseRemoved, "refused")
				}
			})
		}
		wg.Go(func() { block(t, a, id.ID, "") })
		wg.Wait()
		for _, w := range sinks {
			(&party{t: t, wire: w}).awaitClose(chat.CloseRemoved)
		}
	}
}

// A user who opens one session after the other is blocked all the same: no
// session escapes.
func TestBlockingMeetsOpening(t *testing.T) {
	testenv.EachShared(t, func(t *testing.T, url string) {
		a, b := startNode(t, url), startNode(t, url)
		ctx, id := t.Context(), name("uma")
		as := chat.Actor{Identity: chat.Identity{Role: chat.RoleUser, ID: id}}
		opened := make(chan string, 1000)
		var wg sync.WaitGroup
		wg.Go(func() {
			defer close(opened)
			for range cap(opened) {
				s, err := b.Open(ctx, as, chat.OpenRequest{Queue: name("q")})
				if err != nil {
					if chat.AsError(err).Code != chat.CodeBlocked {
						t.Error(err)
					}
					return
				}
				opened <- s.ID
			}
		})
		eventually(t, func() bool { return len(opened) > 5 })
		block(t, a, id, "")
		for s := range opened {
			_, err := a.Send(ctx, as, chat.SendRequest{Session: s, Body: json.RawMessage(`"x"`)})
			code(t, chat.CodeBlocked, err)
		}
		wg.Wait()
		clean(t, a)
	})
}

// Who may block, what is refused, and what is known of whom nobody has seen.
func TestUserRules(t *testing.T) {
	b := startNode(t, testenv.Shared(t, testenv.EngineRedis))
	ctx := t.Context()
	uma, ann := user(t, b, name("uma")), agent(t, b, name("ann"))
	sue := connect(t, b, chat.Identity{Role: chat.RoleSupervisor, ID: name("sue")}, "")
	for _, who := range []*party{uma, ann} {
		_, err := b.PutUser(ctx, who.Actor, uma.ID, chat.UserSettings{Blocked: true})
		code(t, chat.CodeForbidden, err)
		_, err = b.User(ctx, who.Actor, uma.ID)
		code(t, chat.CodeForbidden, err)
		_, err = b.User(ctx, who.Actor, name("nobody"))
		code(t, chat.CodeForbidden, err)
	}
	_, err := b.PutUser(ctx, sue.Actor, uma.ID, chat.UserSettings{Blocked: true, Reason: strings.Repeat("x", chat.MaxNote+1)})
	code(t, chat.CodeTooLarge, err)
	for _, bad := range []string{"", "a\nb", strings.Repeat("x", 65)} {
		_, err = b.PutUser(ctx, sue.Actor, bad, chat.UserSettings{Blocked: true})
		code(t, chat.CodeBadRequest, err)
		_, err = b.User(ctx, sue.Actor, bad)
		code(t, chat.CodeBadRequest, err)
	}
	require.Equal(t, uma.Name, cardOf(t, b, sue.Actor, uma.ID).Name)
	uma.open(name("q")) // as if after it was asked which are open
	p := b.store.Home(uma.ID)
	r := b.mustRun(t, "block", []string{p.Profile("u:" + uma.ID), p.Open(uma.ID), p.Dirty()}, map[string]any{"who": "u:" + uma.ID,
		"info": "{}", "blocked": false, "reason": "", "sessions": []string{}})
	require.Equal(t, "moved", r.Str(0))
	never := name("never")
	_, err = b.User(ctx, sue.Actor, never)
	code(t, chat.CodeNotFound, err)
	_, err = b.PutUser(ctx, sue.Actor, never, chat.UserSettings{Blocked: true, Reason: "in advance"})
	require.NoError(t, err)
	card := cardOf(t, b, host, never)
	require.Equal(t, never, card.ID)
	require.Equal(t, "in advance", *card.Reason)
	require.NotNil(t, card.Sessions)
	_, err = b.Connect(ctx, chat.Identity{Role: chat.RoleUser, ID: never, Issued: time.Now()}, "", &wire{more: make(chan struct{})})
	code(t, chat.CodeBlocked, err)
	_, err = b.PutUser(ctx, sue.Actor, never, chat.UserSettings{})
	require.NoError(t, err)
	require.False(t, cardOf(t, b, host, never).Blocked, "it is known from then on")
}

func cardOf(t *testing.T, b *Broker, a chat.Actor, id string) chat.UserCard {
	t.Helper()
	card, err := b.User(t.Context(), a, id)
	require.NoError(t, err)
	return card
}

// A user's card shows its newest sessions, live and archived alike, to those
// who serve it, without what is not theirs.
func TestUserCard(t *testing.T) {
	testenv.EachShared(t, func(t *testing.T, url string) {
		b := startNode(t, url, soon, func(o *Options) { o.expire = 200 * time.Millisecond })
		ctx, q, id := t.Context(), name("q"), name("uma")
		ann, bea := agent(t, b, name("ann"), q), agent(t, b, name("bea"), q)
		b.set(t, q, func(s *chat.QueueSettings) { s.Sticky = 0 }) // agents grab at will here
		as := chat.Actor{Identity: chat.Identity{Role: chat.RoleUser, ID: id, Name: "Uma"}}
		var opened []string
		for i := range cardSessions + 2 {
			s, err := b.Open(ctx, host, chat.OpenRequest{User: as.Person(), Queue: q, Subject: "again", Meta: json.RawMessage(`{"n":1}`)})
			require.NoError(t, err)
			opened = append([]string{s.ID}, opened...)
			if i == 0 {
				bea.grab(s.ID)
			} else {
				ann.grab(s.ID)
			}
			if i <= cardSessions {
				_, err = b.End(ctx, host, chat.EndRequest{Session: s.ID, Reason: "done"})
				require.NoError(t, err)
			}
		}
		label(t, b, ann.Actor, opened[1], []string{"vip"}, nil)
		_, err := b.Rate(ctx, as, RateRequest{Session: opened[1], Score: 4, Comment: "fine"})
		require.NoError(t, err)
		shelve(t, b, opened[1])
		block(t, b, id, "rude")
		for _, who := range []chat.Actor{host, ann.Actor, bea.Actor} {
			card := cardOf(t, b, who, id)
			require.Equal(t, as.Person(), card.Person, "by its sessions: it has never been connected")
			require.True(t, card.Blocked)
			require.Equal(t, who.Host, card.Reason != nil)
			var ids []string
			for _, s := range card.Sessions {
				ids = append(ids, s.ID)
			}
			require.Equal(t, opened[:cardSessions], ids)
			live, old := card.Sessions[0], card.Sessions[1]
			require.Equal(t, chat.Serving, live.State)
			require.Nil(t, live.Ended)
			require.Equal(t, []string{}, live.Labels)
			require.Equal(t, chat.Ended, old.State)
			require.Equal(t, []string{"vip"}, old.Labels)
			require.Equal(t, 4, old.Rating.Score)
			require.Equal(t, ann.ID, old.Agent.ID)
			require.Equal(t, "again", old.Subject)
			require.NotNil(t, old.Ended)
		}
		_, err = b.User(ctx, agent(t, b, name("cay"), q).Actor, id)
		code(t, chat.CodeForbidden, err)
	})
}

// Who was blocked is so after a restore, and why.
func TestBlockedAfterRestore(t *testing.T) {
	url := testenv.Redis(t).URL()
	store := archiveOf(t, url)
	b := startNode(t, url, soon)
	ctx, id, free := t.Context(), name("uma"), name("ben")
	sessions := map[string]string{}
	for _, user := range []string{id, free} {
		s, err := b.Open(ctx, host, chat.OpenRequest{User: chat.Person{ID: user}})
		require.NoError(t, err)
		sessions[user] = s.ID
	}
	block(t, b, free, "rude")
	for _, s := range sessions {
		_, err := b.Send(ctx, host, chat.SendRequest{Session: s, Body: json.RawMessage(`"x"`), As: chat.RoleBot})
		require.NoError(t, err)
		archived(t, b, s)
	}
	// The archive learns of these as of profiles only: its sessions say the opposite.
	block(t, b, id, "rude")
	_, err := b.PutUser(ctx, host, free, chat.UserSettings{})
	require.NoError(t, err)
	require.NoError(t, b.archiver.Flush(ctx))

	rdb, err := Dial(testenv.Redis(t).URL())
	require.NoError(t, err)
	t.Cleanup(func() { _ = rdb.Close() })
	o := Options{Redis: rdb, Archive: store, Log: slog.New(slog.DiscardHandler)}
	_, err = Restore(ctx, o, nil)
	require.NoError(t, err)
	c, err := New(ctx, o)
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close(context.Background()) })
	card := cardOf(t, c, host, id)
	require.True(t, card.Blocked)
	require.Equal(t, "rude", *card.Reason)
	require.False(t, cardOf(t, c, host, free).Blocked)
	_, err = c.Open(ctx, host, chat.OpenRequest{User: chat.Person{ID: id}, Queue: name("q")})
	code(t, chat.CodeBlocked, err)
	_, err = c.Open(ctx, host, chat.OpenRequest{User: chat.Person{ID: free}, Queue: name("q")})
	require.NoError(t, err)
	for user, s := range sessions {
		_, err = c.Send(ctx, host, chat.SendRequest{Session: s, Body: json.RawMessage(`"x"`), As: chat.RoleUser})
		require.Equal(t, user == id, err != nil, "%v", err)
	}
}
