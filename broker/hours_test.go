package broker

import (
	"bellhop/broker/chat"

	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"bellhop/internal/testenv"
)

// Out of its hours a queue says when it opens instead of greeting, offers nobody
// anything, and keeps what is left there.
func TestAClosedQueue(t *testing.T) {
	url := testenv.Shared(t, testenv.EngineRedis)
	a, b := startNode(t, url), startNode(t, url)
	ctx, q := t.Context(), name("q")
	hours := parseHours(t, `{"timeZone":"UTC","weekly":{},"exceptions":{"`+time.Now().UTC().AddDate(0, 0, 2).Format(time.DateOnly)+`":["09:00-10:00"]}}`)
	for _, n := range []*Broker{a, b} {
		n.set(t, q, func(s *chat.QueueSettings) {
			s.Hours, s.Greeting, s.Offline, s.AbandonTimeout, s.Routing = hours, "hello", "closed", 1, "auto"
		})
	}
	ann, uma := agent(t, a, name("ann"), q), user(t, b, name("uma"))
	s := uma.open(q)
	second := func(session string) (body map[string]any) { // what follows `opened`
		entries, err := a.sessions.ReadLog(ctx, session, 2, 2)
		require.NoError(t, err)
		require.Len(t, entries, 1)
		require.NoError(t, json.Unmarshal([]byte(entries[0].Body), &body))
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
	eventually(t, func() bool { st, err := b.sessions.Look(ctx, empty.ID); return err == nil && st.Reason == "abandoned" })
	st, err := b.sessions.Look(ctx, s.ID)
	require.NoError(t, err)
	require.Equal(t, chat.Waiting, st.State, "what was left is kept, and nobody got it")
	b.set(t, q, func(s *chat.QueueSettings) { s.Greeting = "hello" })
	next := user(t, b, name("uma"))
	require.Equal(t, map[string]any{"what": "greeting", "text": "hello"}, second(next.open(q).ID))
	require.Equal(t, s.ID, ann.grab(s.ID).ID)
	clean(t, a)
}

func parseHours(t *testing.T, text string) *chat.Hours {
	t.Helper()
	var h chat.Hours
	require.NoError(t, json.Unmarshal([]byte(text), &h))
	return &h
}
