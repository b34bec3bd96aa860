package canned

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"bellhop/broker/chat"
	"bellhop/broker/internal/store"
	"bellhop/broker/internal/store/storetest"
	"bellhop/internal/testenv"
)

func TestBadReplies(t *testing.T) {
	r := New(storetest.Open(t, testenv.Shared(t, testenv.EngineRedis), 2))
	ctx, q := t.Context(), name("q")
	for _, c := range []struct {
		change func(*chat.Canned)
		want   chat.Code
	}{
		{func(c *chat.Canned) { c.ID = "" }, chat.CodeBadRequest},
		{func(c *chat.Canned) { c.ID = strings.Repeat("x", 65) }, chat.CodeBadRequest},
		{func(c *chat.Canned) { c.ID = "a\x00" }, chat.CodeBadRequest},
		{func(c *chat.Canned) { c.Agent = "ann" }, chat.CodeBadRequest},
		{func(c *chat.Canned) { c.Queue = strings.Repeat("x", 65) }, chat.CodeTooLarge},
		{func(c *chat.Canned) { c.Queue = "a\n" }, chat.CodeBadRequest},
		{func(c *chat.Canned) { c.Shortcut = "" }, chat.CodeBadRequest},
		{func(c *chat.Canned) { c.Shortcut = "a b" }, chat.CodeBadRequest},
		{func(c *chat.Canned) { c.Shortcut = "a\u3000b" }, chat.CodeBadRequest},
		{func(c *chat.Canned) { c.Shortcut = strings.Repeat("x", 65) }, chat.CodeTooLarge},
		{func(c *chat.Canned) { c.Title = "a\nb" }, chat.CodeBadRequest},
		{func(c *chat.Canned) { c.Title = strings.Repeat("x", chat.MaxTitle+1) }, chat.CodeTooLarge},
		{func(c *chat.Canned) { c.Text = "" }, chat.CodeBadRequest},
		{func(c *chat.Canned) { c.Text = "\x1b[2J" }, chat.CodeBadRequest},
		{func(c *chat.Canned) { c.Text = "\xff" }, chat.CodeBadRequest},
		{func(c *chat.Canned) { c.Text = strings.Repeat("x", chat.MaxText+1) }, chat.CodeTooLarge},
		{func(c *chat.Canned) { c.Text = "x" + strings.Repeat("\n", chat.MaxText) }, chat.CodeTooLarge},
	} {
		reply := chat.Canned{ID: name("c"), Queue: q, Shortcut: "s", Title: "t", Text: "x"}
		c.change(&reply)
		_, err := r.Put(ctx, "", reply)
		code(t, c.want, err)
	}
	require.Empty(t, idsOf(t, r, q))

	t.Log("lines, any script and quotes are kept as they are")
	text := strings.Repeat("客", 5000) + "\r\n\t\"'</script>\u2028"
	got, err := r.Put(ctx, "", chat.Canned{ID: `a"b'\{}:/` + q, Queue: q, Shortcut: `/"您好"`, Title: `"`, Text: text})
	require.NoError(t, err)
	again, err := r.Get(ctx, got.ID)
	require.NoError(t, err)
	require.Equal(t, got, again)
	require.Equal(t, text, got.Text)
	require.WithinDuration(t, time.Now(), got.Updated.Time, time.Minute)
}

// A shortcut is one reply's in its scope, whichever node is asked, and a scope is full at its limit.
func TestShortcuts(t *testing.T) {
	testenv.EachShared(t, func(t *testing.T, url string) {
		nodes := []*Replies{New(storetest.Open(t, url, 2)), New(storetest.Open(t, url, 2))}
		ctx, q, q2 := t.Context(), name("q"), name("q")
		p := nodes[0].store.Parts[0]
		put := func(i int, id, shortcut, queue string) error {
			_, err := nodes[i%2].Put(ctx, "", chat.Canned{ID: id, Shortcut: shortcut, Queue: queue, Text: fmt.Sprint(i)})
			return err
		}
		var wg sync.WaitGroup
		var mu sync.Mutex
		won, lost := "", map[string]bool{}
		for i := range 16 {
			wg.Go(func() {
				id := fmt.Sprintf("%s-%d", q, i)
				err := put(i, id, "hi", q)
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil:
					won += id
				case errors.Is(err, &chat.Error{Code: chat.CodeTaken}):
					lost[chat.AsError(err).By] = true
				default:
					t.Error(err)
				}
			})
		}
		wg.Wait()
		require.Equal(t, map[string]bool{won: true}, lost, "one has it, and the others are told which")
		require.Equal(t, map[string]bool{won: true}, idsOf(t, nodes[0], q))

		t.Log("moved to and fro on both nodes, it is in one scope")
		for i := range 16 {
			wg.Go(func() {
				err := put(i, won, fmt.Sprintf("s%d", i), []string{q, q2}[i/2%2])
				if err != nil && !errors.Is(err, errMoves) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		c, err := nodes[1].Get(ctx, won)
		require.NoError(t, err)
		for _, scope := range []string{q, q2} {
			want := map[string]string{}
			if scope == c.Queue {
				want[c.Shortcut] = won
			}
			got, err := nodes[0].store.Redis.HGetAll(ctx, p.Shortcuts(queueScope(scope))).Result()
			require.NoError(t, err)
			require.Equal(t, want, got)
		}

		t.Log("what is written twice, as the client library may, is as written once")
		s := step{won, c.Shortcut, scopeOf(&c), scopeOf(&c), "", begin(&c), chat.MaxCanned}
		keys := []string{p.Canned(), p.Shortcuts(scopeOf(&c)), p.Shortcuts(scopeOf(&c)), p.Dirty()}
		r, err := nodes[0].store.RunJSON(ctx, "canned", keys, s)
		require.NoError(t, err)
		again, err := Parse(r.Str(1))
		require.NoError(t, err)
		require.Equal(t, c, again)
		for range 2 {
			r, err = nodes[0].store.RunJSON(ctx, "uncanned", []string{keys[0], keys[1], keys[3]}, step{ID: won, Was: scopeOf(&c)})
			require.NoError(t, err)
			require.NoError(t, store.Refused(r))
		}
		require.Empty(t, idsOf(t, nodes[0], c.Queue))

		t.Log("a full scope takes no new one; those it has can change")
		fill := map[string]any{}
		for i := range chat.MaxCanned - 1 {
			fill[fmt.Sprint("s", i)] = fmt.Sprint(q, i)
		}
		require.NoError(t, nodes[0].store.Redis.HSet(ctx, p.Shortcuts(queueScope(q)), fill).Err())
		require.NoError(t, put(0, q+"-last", "last", q))
		err = put(1, q+"-more", "more", q)
		code(t, chat.CodeFull, err)
		require.Equal(t, []int{chat.MaxCanned, chat.MaxCanned}, []int{chat.AsError(err).Load, chat.AsError(err).Capacity})
		require.NoError(t, put(1, q+"-last", "newest", q))
		require.NoError(t, put(1, q+"-elsewhere", "more", q2))
		code(t, chat.CodeFull, put(0, q+"-elsewhere", "more", q))
	})
}
