package broker

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"bellhop/internal/testenv"
)

func parseHours(t *testing.T, text string) *Hours {
	t.Helper()
	var h Hours
	require.NoError(t, json.Unmarshal([]byte(text), &h))
	return &h
}

// Open or closed, and when next, over weeks, exceptions, midnight and the change of clocks.
func TestHours(t *testing.T) {
	shanghai := `{"timeZone":"Asia/Shanghai","weekly":{"mon":["09:00-12:00","13:00-18:00"],"tue":["09:00-18:00"],"fri":["22:00-02:00"],"sun":["00:00-24:00"]},
		"exceptions":{"2026-11-24":[],"2026-11-25":["10:00-11:00"]}}`
	berlin := `{"timeZone":"Europe/Berlin","weekly":{"sun":["01:00-04:00"]}}`
	for _, c := range []struct {
		hours, at string
		open      bool
		next      string
	}{
		{shanghai, "2026-11-23T09:00:00+08:00", true, ""},
		{shanghai, "2026-11-23T08:59:59+08:00", false, "2026-11-23T09:00:00+08:00"},
		{shanghai, "2026-11-23T01:30:00Z", true, ""}, // 09:30 there
		{shanghai, "2026-11-23T12:00:00+08:00", false, "2026-11-23T13:00:00+08:00"},
		{shanghai, "2026-11-23T18:00:00+08:00", false, "2026-11-25T10:00:00+08:00"}, // Tuesday is an exception
		{shanghai, "2026-11-24T10:00:00+08:00", false, "2026-11-25T10:00:00+08:00"},
		{shanghai, "2026-11-25T10:30:00+08:00", true, ""}, // a Wednesday, an exception
		{shanghai, "2026-11-28T01:59:00+08:00", true, ""}, // Friday's night
		{shanghai, "2026-11-28T02:00:00+08:00", false, "2026-11-29T00:00:00+08:00"},
		{shanghai, "2026-11-29T23:59:59+08:00", true, ""},
		{berlin, "2026-03-29T00:30:00Z", true, ""}, // 01:30, before the clocks go on
		{berlin, "2026-03-29T01:30:00Z", true, ""}, // 03:30 then
		{berlin, "2026-03-29T02:00:00Z", false, "2026-04-04T23:00:00Z"},
		{berlin, "2026-10-25T02:59:00Z", true, ""}, // 03:59, after they went back
		{berlin, "2026-10-25T03:00:00Z", false, "2026-11-01T00:00:00Z"},
		{`{"timeZone":"UTC","weekly":{}}`, "2026-11-23T09:00:00Z", false, ""},
	} {
		h := parseHours(t, c.hours)
		at, err := time.Parse(time.RFC3339, c.at)
		require.NoError(t, err)
		require.Equal(t, c.open, h.open(at), c.at)
		if c.open {
			require.Equal(t, "null", string(h.opens(at)))
			continue
		}
		next, ok := h.next(at)
		require.Equal(t, c.next != "", ok, c.at)
		if ok {
			want, err := time.Parse(time.RFC3339, c.next)
			require.NoError(t, err)
			require.True(t, want.Equal(next), "%s: next is %s", c.at, next)
		}
	}
	var none *Hours
	require.True(t, none.open(time.Now()))
}

// Out of its hours a queue says when it opens instead of greeting, offers nobody
// anything, and keeps what is left there.
func TestAClosedQueue(t *testing.T) {
	url := testenv.Shared(t, testenv.EngineRedis)
	a, b := startNode(t, url), startNode(t, url)
	ctx, q := t.Context(), name("q")
	hours := parseHours(t, `{"timeZone":"UTC","weekly":{},"exceptions":{"`+time.Now().UTC().AddDate(0, 0, 2).Format(time.DateOnly)+`":["09:00-10:00"]}}`)
	for _, n := range []*Broker{a, b} {
		n.set(t, q, func(s *QueueSettings) {
			s.Hours, s.Greeting, s.Offline, s.AbandonTimeout, s.Routing = hours, "hello", "closed", 1, "auto"
		})
	}
	ann, uma := agent(t, a, name("ann"), q), user(t, b, name("uma"))
	s := uma.open(q)
	second := func(session string) (body map[string]any) { // what follows `opened`
		entries, err := a.readLog(ctx, session, 2, 2)
		require.NoError(t, err)
		require.Len(t, entries, 1)
		require.NoError(t, json.Unmarshal([]byte(entries[0].body), &body))
		return body
	}
	body := second(s.ID)
	require.Equal(t, []any{"offline", "closed"}, []any{body["what"], body["text"]})
	opens, err := time.Parse(time.RFC3339, body["opens"].(string))
	require.NoError(t, err)
	require.Equal(t, 9, opens.Hour())
	uma.send(s.ID, "call me")
	silent := user(t, b, name("ben"))
	empty := silent.open(q)
	uma.Conn.Close(ctx)
	silent.Conn.Close(ctx)
	eventually(t, func() bool { st, err := b.look(ctx, empty.ID); return err == nil && st.Reason == "abandoned" })
	st, err := b.look(ctx, s.ID)
	require.NoError(t, err)
	require.Equal(t, Waiting, st.State, "what was left is kept, and nobody got it")
	b.set(t, q, func(s *QueueSettings) { s.Greeting = "hello" })
	next := user(t, b, name("uma"))
	require.Equal(t, map[string]any{"what": "greeting", "text": "hello"}, second(next.open(q).ID))
	require.Equal(t, s.ID, ann.grab(s.ID).ID)
	clean(t, a)
}
