package broker

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"bellhop/broker/chat"
	"bellhop/broker/internal/store"
	"bellhop/internal/testenv"
)

func label(t *testing.T, b *Broker, a chat.Actor, session string, add, remove []string) chat.Session {
	t.Helper()
	s, err := b.Label(t.Context(), a, LabelRequest{Session: session, Add: add, Remove: remove})
	require.NoError(t, err)
	return s
}

// labelled tells whether an event shows a session with exactly these labels.
func labelled(labels ...any) func(event) bool {
	return func(e event) bool {
		s, _ := e["session"].(map[string]any)
		got, _ := s["labels"].([]any)
		return s != nil && slices.Equal(got, labels)
	}
}

// Labels are staff's: those in a session set them and see them at once, its
// user neither, wherever it looks; the log does not tell.
func TestLabels(t *testing.T) {
	testenv.EachShared(t, func(t *testing.T, url string) {
		a, b := startNode(t, url), startNode(t, url)
		ctx, q := t.Context(), name("q")
		uma, ann, bea := user(t, a, name("uma")), agent(t, b, name("ann"), q), agent(t, a, name("bea"), q)
		sue := connect(t, a, chat.Identity{Role: chat.RoleSupervisor, ID: name("sue")}, "")
		_, err := b.Watch(ctx, ann.Actor, nil)
		require.NoError(t, err)
		s := uma.open(q)
		for _, who := range []*party{uma, user(t, a, name("eve")), ann, bea} {
			_, err := a.Label(ctx, who.Actor, LabelRequest{Session: s.ID, Add: []string{"vip"}})
			code(t, chat.CodeForbidden, err)
		}
		require.Equal(t, []string{"投诉"}, label(t, a, host, s.ID, []string{"投诉"}, nil).Labels, "while it waits")
		ann.await("queue", func(e event) bool {
			added, _ := e["added"].(map[string]any)
			return added != nil && labelled("投诉")(event{"session": added})
		})

		ann.grab(s.ID)
		got := label(t, b, ann.Actor, s.ID, []string{"vip", "a b", "vip"}, []string{"投诉", "none"})
		require.Equal(t, []string{"a b", "vip"}, got.Labels)
		require.EqualValues(t, 2, got.Seq, "opened, grabbed")
		again := label(t, a, ann.Actor, s.ID, []string{"vip"}, []string{"投诉"})
		require.Equal(t, got.Rev, again.Rev, "nothing has changed")
		require.Equal(t, got.Labels, again.Labels)
		ann.await("session", labelled("a b", "vip"))

		t.Log("who may")
		_, err = a.Label(ctx, bea.Actor, LabelRequest{Session: s.ID, Add: []string{"x"}})
		code(t, chat.CodeForbidden, err)
		_, err = a.Label(ctx, uma.Actor, LabelRequest{Session: s.ID, Remove: []string{"vip"}})
		code(t, chat.CodeForbidden, err)
		require.Equal(t, []string{"a b", "sue", "vip"}, label(t, a, sue.Actor, s.ID, []string{"sue"}, nil).Labels)
		for _, none := range []string{"x", a.store.NewSessionID(uma.ID)} {
			_, err = a.Label(ctx, host, LabelRequest{Session: none, Add: []string{"x"}})
			code(t, chat.CodeNotFound, err)
		}

		p, _ := a.store.Of(s.ID)
		r := a.mustRun(t, "label", p.Transition(s.ID, p.Waiting("other"), p.Labelled()), labelArgs{caller: caller{call: newCall(s.ID), Boss: true}, Queue: "other", Add: []string{"x"}, Max: MaxLabels})
		require.Equal(t, store.Reply{"moved", q, uma.ID}, r, "it was thought to be elsewhere")

		t.Log("what a label is")
		twenty := make([]string, MaxLabels)
		for i := range twenty {
			twenty[i] = fmt.Sprintf("%02d", i)
		}
		for _, bad := range []LabelRequest{{}, {Add: []string{""}}, {Add: []string{strings.Repeat("x", 65)}}, {Add: []string{"a\nb"}},
			{Remove: []string{"\xff"}}, {Add: []string{"a", "b"}, Remove: []string{"b"}}} {
			bad.Session = s.ID
			_, err = a.Label(ctx, ann.Actor, bad)
			code(t, chat.CodeBadRequest, err)
		}
		for _, many := range [][]string{append([]string{"x"}, twenty...), twenty} {
			_, err = a.Label(ctx, ann.Actor, LabelRequest{Session: s.ID, Add: many})
			code(t, chat.CodeTooLarge, err)
		}
		require.Equal(t, twenty, label(t, a, ann.Actor, s.ID, twenty, []string{"a b", "sue", "vip"}).Labels)

		t.Log("its user sees nothing of it")
		_, err = a.sessions.Sessions(ctx, uma.Actor, chat.SessionsRequest{Label: "00"})
		code(t, chat.CodeForbidden, err)
		list, err := a.sessions.Sessions(ctx, uma.Actor, chat.SessionsRequest{})
		require.NoError(t, err)
		shown, err := a.sessions.Session(ctx, uma.Actor, s.ID)
		require.NoError(t, err)
		require.Nil(t, shown.Labels)
		require.Nil(t, list.Sessions[0].Labels)
		require.Equal(t, shown, user(t, b, uma.ID).open(q), "nor by opening it again")
		uma.send(s.ID, "hello")
		ann.await("message", inSession(s.ID))
		uma.wire.mu.Lock()
		defer uma.wire.mu.Unlock()
		for _, e := range uma.events {
			require.NotContains(t, fmt.Sprint(e), "labels")
		}
		clean(t, a)
	})
}

// What is set through many nodes at one moment all stays, and no more than fits.
func TestLabelsAtOneMoment(t *testing.T) {
	testenv.EachShared(t, func(t *testing.T, url string) {
		nodes := []*Broker{startNode(t, url), startNode(t, url)}
		s := user(t, nodes[0], name("uma")).open(name("q"))
		label(t, nodes[0], host, s.ID, []string{"old", "older"}, nil)
		var wg sync.WaitGroup
		for i := range MaxLabels {
			wg.Go(func() {
				_, err := nodes[i%2].Label(t.Context(), host, LabelRequest{Session: s.ID, Add: []string{fmt.Sprintf("%02d", i)},
					Remove: []string{"old", "older"}})
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		got, err := nodes[1].sessions.Session(t.Context(), host, s.ID)
		require.NoError(t, err)
		require.Len(t, got.Labels, MaxLabels)
		require.Equal(t, s.Rev+1+MaxLabels, got.Rev)
		for i := range 4 {
			wg.Go(func() {
				_, err := nodes[i%2].Label(t.Context(), host, LabelRequest{Session: s.ID, Add: []string{fmt.Sprint("x", i)},
					Remove: []string{fmt.Sprintf("%02d", i/2)}})
				if err != nil && chat.AsError(err).Code != chat.CodeTooLarge {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		got, err = nodes[0].sessions.Session(t.Context(), host, s.ID)
		require.NoError(t, err)
		require.Len(t, got.Labels, MaxLabels)
		clean(t, nodes[0])
	})
}

// Sessions are found by their labels, live and archived, and those in the
// archive can be labelled by whoever took part.
func TestLabelsInTheArchive(t *testing.T) {
	testenv.EachShared(t, func(t *testing.T, url string) {
		b := startNode(t, url, soon, func(o *Options) { o.expire = 300 * time.Millisecond })
		ctx, q := t.Context(), name("q")
		ann, bea := agent(t, b, name("ann"), q), agent(t, b, name("bea"), q)
		vip, other := name("vip"), name("other")
		found := func(a chat.Actor, label string) (ids []string) {
			t.Helper()
			r, err := b.sessions.Sessions(ctx, a, chat.SessionsRequest{Label: label})
			require.NoError(t, err)
			for i := range r.Sessions {
				require.Contains(t, r.Sessions[i].Labels, label)
				ids = append(ids, r.Sessions[i].ID)
			}
			return ids
		}
		gone := func(s chat.Session) {
			t.Helper()
			shelve(t, b, s.ID)
		}
		old := user(t, b, name("uma")).open(q)
		ann.grab(old.ID)
		label(t, b, ann.Actor, old.ID, []string{vip}, nil)
		_, err := b.End(ctx, ann.Actor, chat.EndRequest{Session: old.ID, Force: true})
		require.NoError(t, err)
		gone(old)
		live := user(t, b, name("ben")).open(q)
		ann.grab(live.ID)
		label(t, b, ann.Actor, live.ID, []string{vip, other}, nil)
		for _, who := range []chat.Actor{host, ann.Actor} {
			require.Equal(t, []string{live.ID, old.ID}, found(who, vip))
			require.Equal(t, []string{live.ID}, found(who, other))
		}
		require.Empty(t, found(bea.Actor, vip))
		require.Empty(t, found(host, name("none")))

		t.Log("changed where it lies")
		_, err = b.Label(ctx, bea.Actor, LabelRequest{Session: old.ID, Add: []string{other}})
		code(t, chat.CodeForbidden, err)
		st, err := b.sessions.LookLive(ctx, old.ID)
		require.NoError(t, err)
		require.Nil(t, st, "a stranger brings nothing back")
		require.Equal(t, []string{other}, label(t, b, ann.Actor, old.ID, []string{other}, []string{vip}).Labels)
		require.Equal(t, []string{live.ID, old.ID}, found(host, other), "at once")
		require.Equal(t, []string{live.ID}, found(host, vip), "whatever the archive still says")
		gone(old)
		require.Equal(t, []string{live.ID, old.ID}, found(ann.Actor, other))
		require.Equal(t, []string{live.ID}, found(ann.Actor, vip))

		t.Log("after the end, by one who has left, while it is in Redis")
		_, err = b.Join(ctx, bea.Actor, live.ID, false)
		require.NoError(t, err)
		_, err = b.Leave(ctx, bea.Actor, live.ID)
		require.NoError(t, err)
		_, err = b.Label(ctx, bea.Actor, LabelRequest{Session: live.ID, Add: []string{"late"}})
		code(t, chat.CodeForbidden, err)
		_, err = b.End(ctx, host, chat.EndRequest{Session: live.ID})
		require.NoError(t, err)
		require.Contains(t, label(t, b, bea.Actor, live.ID, []string{"late"}, nil).Labels, "late")
		clean(t, b)
	})
}
