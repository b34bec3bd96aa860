package demo

import (
	"log/slog"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"bellhop/client"
)

// listed asks for sessions by the API.
func listed(t *testing.T, n *node, query string) []client.Session {
	t.Helper()
	var out struct {
		Sessions []client.Session `json:"sessions"`
	}
	require.NoError(t, n.api().Do(t.Context(), http.MethodGet, "/sessions?limit=200&"+query, nil, &out))
	return out.Sessions
}

// Bots of both sides chat for real: they tell their stories to the end, and some rate.
func TestBotsChat(t *testing.T) {
	n := startNode(t, "127.0.0.1:0", t.TempDir())
	bots := Start(t.Context(), Options{API: n.api(), Pace: 0.02, Log: slog.New(slog.DiscardHandler)})
	t.Cleanup(bots.Stop)

	seen := map[string]bool{}
	told, rated, handed := 0, 0, 0
	for deadline := time.Now().Add(4 * time.Minute); told < 3 || rated < 1 || handed < 1; time.Sleep(200 * time.Millisecond) {
		require.True(t, time.Now().Before(deadline), "%d stories, %d ratings, %d of several agents", told, rated, handed)
		rated = 0
		for _, s := range listed(t, n, "state=ended") {
			if s.Rating != nil {
				rated++
			}
			if seen[s.ID] {
				continue
			}
			seen[s.ID] = true
			st, ok := storyOf(s)
			require.True(t, ok, "%+v", s)
			user, agents := lines(t, n, s)
			if len(user) >= len(st.user) && st.agent[len(st.agent)-1] == agents.last {
				told++
			}
			if len(agents.ids) > 1 {
				handed++
			}
		}
	}
	require.LessOrEqual(t, len(listed(t, n, "state=waiting,serving,transferring,ending")), len(botUsers), "one for each user at most")
	canned, err := n.api().Canned(t.Context(), "")
	require.NoError(t, err)
	require.Len(t, canned, len(botReplies))
}

type spoken struct {
	ids  map[string]bool
	last string
}

// lines are what both sides wrote.
func lines(t *testing.T, n *node, s client.Session) (user []string, agents spoken) {
	t.Helper()
	var out client.HistoryReply
	require.NoError(t, n.api().Do(t.Context(), http.MethodGet, "/sessions/"+s.ID+"/messages?limit=200", nil, &out))
	agents.ids = map[string]bool{}
	for _, m := range out.Messages {
		switch {
		case m.From.Role == "user":
			user = append(user, m.Text())
		case m.From.Role == "agent" && m.Type == "text":
			agents.ids[m.From.ID], agents.last = true, m.Text()
		}
	}
	return user, agents
}

// A person whom nobody serves is served by a bot, which says that it is one, and a person who serves a bot is answered.
func TestBotsAndPeople(t *testing.T) {
	n := startNode(t, "127.0.0.1:0", t.TempDir())
	bots := Start(t.Context(), Options{API: n.api(), Pace: 0.02, Log: slog.New(slog.DiscardHandler)})
	t.Cleanup(bots.Stop)

	uma := join(t, n, client.TokenRequest{Role: "user", ID: "uma", Name: "Uma"})
	s, err := uma.Open(t.Context(), client.OpenRequest{Queue: "default"})
	require.NoError(t, err)
	uma.say(s.ID, "你好")
	hello := uma.await(func(e *client.MessageEvent) bool { return e.From.Role == "agent" })
	require.True(t, isBot(hello.From.ID))
	require.Contains(t, []string{botHelloZh, botHelloEn}, hello.Text(), "at this pace it may not have heard yet in which language")
	uma.say(s.ID, "好的")
	uma.await(func(e *client.MessageEvent) bool { return slices.Contains(botChatZh, e.Text()) })

	ann := join(t, n, client.TokenRequest{Role: "agent", ID: "ann", Name: "Ann", Queues: Queues})
	var grabbed client.Session
	require.Eventually(t, func() bool {
		for _, q := range Queues {
			var err error
			if grabbed, err = ann.GrabQueue(t.Context(), q); err == nil && isBot(grabbed.User.ID) {
				return true
			}
		}
		return false
	}, time.Minute, 20*time.Millisecond)
	ann.say(grabbed.ID, "Could you tell me more?")
	ann.await(func(e *client.MessageEvent) bool { return e.Session == grabbed.ID && e.From.Role == "user" })
}

// written counts the lines of a log.
type written struct{ atomic.Int64 }

func (w *written) Write(line []byte) (int, error) {
	w.Add(1)
	return len(line), nil
}

// Bots go on after errors, and none of them is left when they are told to stop.
func TestBotsOutliveErrors(t *testing.T) {
	addr := freeAddr(t)
	var failed written
	log := slog.New(slog.NewTextHandler(&failed, &slog.HandlerOptions{Level: slog.LevelDebug}))
	bots := Start(t.Context(), Options{API: client.API{BaseURL: "http://" + addr, Key: key}, Pace: 0.02, Log: log})
	t.Cleanup(bots.Stop)
	require.Eventually(t, func() bool { return failed.Load() >= 3 }, 10*time.Second, 10*time.Millisecond, "nobody is there")
	same := t.TempDir()
	for range 2 {
		n := startNode(t, addr, same)
		before := len(listed(t, n, "state=ended"))
		require.Eventually(t, func() bool { return len(listed(t, n, "state=ended")) > before }, time.Minute, 200*time.Millisecond)
		n.stop()
	}
	bots.Stop()
}
