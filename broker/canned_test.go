package broker

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"bellhop/broker/chat"
	"bellhop/internal/testenv"
)

// ids are those of canned replies, of all pages.
func cannedIDs(t *testing.T, b *Broker, a chat.Actor, queue string) map[string]bool {
	t.Helper()
	ids, cursor := map[string]bool{}, ""
	for {
		r, err := b.CannedList(t.Context(), a, chat.CannedRequest{Queue: queue, Cursor: cursor, Limit: 2})
		require.NoError(t, err)
		for _, c := range r.Canned {
			require.False(t, ids[c.ID], "twice: %s", c.ID)
			ids[c.ID] = true
		}
		if cursor = r.Cursor; cursor == "" {
			return ids
		}
	}
}

func staffActor(role chat.Role, id string, queues ...string) chat.Actor {
	return chat.Actor{Identity: chat.Identity{Role: role, ID: id, Name: "Agent " + id, Queues: queues}}
}

// Agents see their queues' replies, their own and those for all, and write their own.
func TestWhoseCannedReplies(t *testing.T) {
	b := startNode(t, testenv.Shared(t, testenv.EngineRedis))
	ctx, q, other := t.Context(), name("q"), name("q")
	ann, bea := staffActor(chat.RoleAgent, name("ann"), q, q), staffActor(chat.RoleAgent, name("bea"), other)
	sue, uma := staffActor(chat.RoleSupervisor, name("sue")), chat.Actor{Identity: chat.Identity{Role: chat.RoleUser, ID: name("uma")}}
	ofAll, ofQueue, ofAnn := name("all"), name("queue"), name("ann")
	put := func(a chat.Actor, c chat.Canned) error {
		c.Text = "text"
		_, err := b.PutCanned(ctx, a, c)
		return err
	}
	require.NoError(t, put(host, chat.Canned{ID: ofAll, Shortcut: ofAll}))
	require.NoError(t, put(sue, chat.Canned{ID: ofQueue, Shortcut: "hi", Queue: q}))
	require.NoError(t, put(ann, chat.Canned{ID: ofAnn, Shortcut: "hi"}), "an agent's is its own unless it says so")

	code(t, chat.CodeForbidden, put(uma, chat.Canned{ID: name("c"), Shortcut: "x"}))
	code(t, chat.CodeForbidden, put(ann, chat.Canned{ID: name("c"), Shortcut: "x", Queue: q}))
	code(t, chat.CodeForbidden, put(bea, chat.Canned{ID: name("c"), Shortcut: "x", Agent: ann.ID}))
	for _, id := range []string{ofAll, ofQueue, ofAnn} {
		code(t, chat.CodeForbidden, put(bea, chat.Canned{ID: id, Shortcut: "mine"}))
		code(t, chat.CodeForbidden, b.DeleteCanned(ctx, bea, id))
		code(t, chat.CodeForbidden, b.DeleteCanned(ctx, uma, id))
	}

	for id, who := range map[string][]chat.Actor{ofAll: {host, sue, ann, bea}, ofQueue: {host, sue, ann}, ofAnn: {host, sue, ann}} {
		sees := map[string]bool{}
		for _, a := range who {
			sees[a.ID] = true
		}
		for _, a := range []chat.Actor{host, sue, ann, bea} {
			c, err := b.Canned(ctx, a, id)
			if !sees[a.ID] {
				code(t, chat.CodeForbidden, err)
			} else {
				require.NoError(t, err)
				require.Equal(t, id, c.ID)
			}
			require.Equal(t, sees[a.ID], cannedIDs(t, b, a, "")[id], "%s for %q", id, a.ID)
			require.Equal(t, sees[a.ID] && id == ofQueue, cannedIDs(t, b, a, q)[id])
		}
	}
	_, err := b.CannedList(ctx, uma, chat.CannedRequest{})
	code(t, chat.CodeForbidden, err)
	_, err = b.Canned(ctx, uma, ofAll)
	code(t, chat.CodeForbidden, err)

	t.Log("an own one becomes the queue's, and is the agent's no more")
	require.NoError(t, b.DeleteCanned(ctx, host, ofQueue))
	require.NoError(t, put(sue, chat.Canned{ID: ofAnn, Shortcut: "hi", Queue: q}))
	code(t, chat.CodeForbidden, put(ann, chat.Canned{ID: ofAnn, Shortcut: "hi"}))
	require.NoError(t, put(ann, chat.Canned{ID: name("c"), Shortcut: "hi"}), "its shortcut is free again")
	require.NoError(t, b.DeleteCanned(ctx, sue, ofAnn))
	code(t, chat.CodeNotFound, b.DeleteCanned(ctx, sue, ofAnn))
}

func TestBadCannedRequests(t *testing.T) {
	b := startNode(t, testenv.Shared(t, testenv.EngineRedis))
	ctx := t.Context()
	_, err := b.PutCanned(ctx, host, chat.Canned{ID: "", Shortcut: "s", Text: "x"})
	code(t, chat.CodeBadRequest, err)
	_, err = b.CannedList(ctx, host, chat.CannedRequest{Limit: 201})
	code(t, chat.CodeBadRequest, err)
	_, err = b.CannedList(ctx, host, chat.CannedRequest{Cursor: strings.Repeat("x", 65)})
	code(t, chat.CodeTooLarge, err)
	_, err = b.Canned(ctx, host, "\xff")
	code(t, chat.CodeBadRequest, err)
	code(t, chat.CodeBadRequest, b.DeleteCanned(ctx, host, ""))
}

// A canned reply is rendered for those who may read the session, with what is theirs first.
func TestRenderCanned(t *testing.T) {
	b := startNode(t, testenv.Shared(t, testenv.EngineRedis), soon, func(o *Options) { o.expire = 100 * time.Millisecond })
	ctx, q := t.Context(), name("q")
	b.set(t, q, func(s *chat.QueueSettings) { s.Name = "Returns" })
	s, err := b.Open(ctx, host, chat.OpenRequest{User: chat.Person{ID: name("uma"), Name: "Uma"}, Queue: q, Subject: "a parcel",
		Meta: []byte(`{"order":7}`)})
	require.NoError(t, err)
	ann, bea := agent(t, b, name("ann"), q), agent(t, b, name("bea"), q)
	eve := agent(t, b, name("eve"), name("q"))
	short := name("s")
	put := func(a chat.Actor, c chat.Canned) string {
		c.ID, c.Shortcut = name("c"), short
		_, err := b.PutCanned(ctx, a, c)
		require.NoError(t, err)
		return c.ID
	}
	text := "{{user.name}}, {{agent.name}} of {{queue.name}}: {{session.subject}}, {{meta.order}}, {{meta.none}}, {{session.id}}"
	rest := " of Returns: a parcel, 7, {{meta.none}}, " + s.ID
	all := put(host, chat.Canned{Text: text})
	is := func(a chat.Actor, named, want string) {
		t.Helper()
		got, err := b.RenderCanned(ctx, a, s.ID, named)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	is(host, all, "Uma, {{agent.name}}"+rest)
	ann.grab(s.ID)
	is(host, all, "Uma, "+ann.Name+rest)
	is(ann.Actor, short, "Uma, "+ann.Name+rest)
	queues := put(host, chat.Canned{Queue: q, Text: "queue's"})
	is(ann.Actor, short, "queue's")
	is(host, short, "queue's")
	annes := put(ann.Actor, chat.Canned{Text: "mine, {{user.name}}"})
	is(ann.Actor, short, "mine, Uma")
	is(ann.Actor, queues, "queue's")
	is(staffActor(chat.RoleSupervisor, name("sue")), annes, "mine, Uma")

	refused := func(want chat.Code, a chat.Actor, session, named string) {
		t.Helper()
		_, err := b.RenderCanned(ctx, a, session, named)
		code(t, want, err)
	}
	refused(chat.CodeForbidden, eve.Actor, s.ID, all)
	refused(chat.CodeForbidden, bea.Actor, s.ID, all) // it is ann's now
	refused(chat.CodeForbidden, chat.Actor{Identity: chat.Identity{Role: chat.RoleUser, ID: s.User.ID}}, s.ID, all)
	refused(chat.CodeNotFound, ann.Actor, s.ID, name("c"))
	refused(chat.CodeNotFound, ann.Actor, "nope", all)
	refused(chat.CodeBadRequest, ann.Actor, s.ID, "")
	beas := put(bea.Actor, chat.Canned{Text: "bea's"})
	refused(chat.CodeNotFound, ann.Actor, s.ID, beas)
	_, err = b.PutCanned(ctx, host, chat.Canned{ID: all, Shortcut: short, Text: "{{user.name}}" + strings.Repeat("x", chat.MaxText-13)})
	require.NoError(t, err)
	is(host, all, "Uma"+strings.Repeat("x", chat.MaxText-13))
	_, err = b.PutCanned(ctx, host, chat.Canned{ID: all, Shortcut: short, Text: "{{session.id}}" + strings.Repeat("x", chat.MaxText-14)})
	require.NoError(t, err)
	refused(chat.CodeTooLarge, host, s.ID, all)

	t.Log("after the end, from the archive, it is rendered just so")
	_, err = b.End(ctx, host, chat.EndRequest{Session: s.ID})
	require.NoError(t, err)
	shelve(t, b, s.ID)
	is(ann.Actor, short, "mine, Uma")
}

// Canned replies outlive Redis; those that were removed do not come back.
func TestRestoreCanned(t *testing.T) {
	url := testenv.Redis(t).URL()
	b := startNode(t, url, soon)
	ctx, q, ann := t.Context(), name("q"), name("ann")
	for _, c := range []chat.Canned{{ID: "1", Queue: q}, {ID: "2", Agent: ann}, {ID: "3"}, {ID: "4"}, {ID: "5|x", Title: "t"}} {
		c.Shortcut, c.Text = "s"+c.ID, "text "+c.ID
		_, err := b.PutCanned(ctx, host, c)
		require.NoError(t, err)
	}
	require.NoError(t, b.archiver.Flush(ctx))
	require.NoError(t, b.DeleteCanned(ctx, host, "4"))
	_, err := b.PutCanned(ctx, host, chat.Canned{ID: "1", Shortcut: "new", Queue: q, Text: "new"})
	require.NoError(t, err)
	require.NoError(t, b.archiver.Flush(ctx))
	before, err := b.CannedList(ctx, host, chat.CannedRequest{})
	require.NoError(t, err)
	require.Len(t, before.Canned, 4)

	rdb, err := Dial(testenv.Redis(t).URL())
	require.NoError(t, err)
	t.Cleanup(func() { _ = rdb.Close() })
	o := Options{Redis: rdb, Archive: archiveOf(t, url), Log: slog.New(slog.DiscardHandler)}
	_, err = Restore(ctx, o, nil)
	require.NoError(t, err)
	c, err := New(ctx, o)
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close(context.Background()) })
	after, err := c.CannedList(ctx, host, chat.CannedRequest{})
	require.NoError(t, err)
	require.Equal(t, before, after)
	require.Equal(t, map[string]bool{"2": true, "3": true, "5|x": true}, cannedIDs(t, c, staffActor(chat.RoleAgent, ann), ""))
	_, err = c.PutCanned(ctx, host, chat.Canned{ID: "6", Shortcut: "new", Queue: q, Text: "x"})
	code(t, chat.CodeTaken, err)
	_, err = c.PutCanned(ctx, host, chat.Canned{ID: "6", Shortcut: "s1", Queue: q, Text: "x"})
	require.NoError(t, err)
}
