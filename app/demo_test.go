package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"bellhop/client"
	"bellhop/handlers"
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
	n := startNode(t, "")
	bots := startBots(t.Context(), botOptions{url: n.url(), key: key, pace: 0.02, log: n.log})
	t.Cleanup(bots.stop)

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
	n := startNode(t, "")
	bots := startBots(t.Context(), botOptions{url: n.url(), key: key, pace: 0.02, log: n.log})
	t.Cleanup(bots.stop)

	uma := user(t, n)
	s := uma.open("default")
	uma.say(s.ID, "你好")
	hello := await(uma, func(e *client.MessageEvent) bool { return e.From.Role == "agent" })
	require.True(t, isBot(hello.From.ID))
	require.Contains(t, []string{botHelloZh, botHelloEn}, hello.Text(), "at this pace it may not have heard yet in which language")
	uma.say(s.ID, "好的")
	await(uma, func(e *client.MessageEvent) bool { return slices.Contains(botChatZh, e.Text()) })

	ann := agent(t, n, botQueues...)
	var grabbed client.Session
	require.Eventually(t, func() bool {
		for _, q := range botQueues {
			var err error
			if grabbed, err = ann.GrabQueue(t.Context(), q); err == nil && isBot(grabbed.User.ID) {
				return true
			}
		}
		return false
	}, time.Minute, 20*time.Millisecond)
	ann.say(grabbed.ID, "Could you tell me more?")
	await(ann, func(e *client.MessageEvent) bool { return e.Session == grabbed.ID && e.From.Role == "user" })
}

// Bots go on after errors, and none of them is left when they are told to stop.
func TestBotsOutliveErrors(t *testing.T) {
	addr := freeAddr(t)
	bots := startBots(t.Context(), botOptions{url: "http://" + addr, key: key, pace: 0.02, log: newLog(&Stores{LogLevel: "error", LogFormat: "text"})})
	t.Cleanup(bots.stop)
	time.Sleep(200 * time.Millisecond) // nobody is there
	same := t.TempDir()
	for range 2 {
		n := startNode(t, "", func(s *Settings) { s.Addr, s.DataDir = addr, same })
		before := len(listed(t, n, "state=ended"))
		require.Eventually(t, func() bool { return len(listed(t, n, "state=ended")) > before }, time.Minute, 200*time.Millisecond)
		n.stop()
	}
	bots.stop()
}

// openDemo are the settings as they are when nobody sets any: no key, and people to log in as.
func openDemo(s *Settings) { s.APIKey, s.DemoPeople = nil, true }

// A whole node with --demo has bots in it, and the page that offers people says so.
func TestDemo(t *testing.T) {
	dir := t.TempDir()
	n := startNode(t, "", openDemo, func(s *Settings) { s.Demo, s.DataDir = true, dir })
	require.DirExists(t, dir+"/demo", "bots are kept apart")
	var told struct {
		People []handlers.DemoPerson
		Bots   bool
		Shop   string
	}
	res := fetch(t, n.url()+"/demo/people")
	require.NoError(t, json.Unmarshal([]byte(res.body), &told))
	require.True(t, told.Bots)
	require.NotEmpty(t, told.People)
	require.Equal(t, n.shop.origin()+"/", told.Shop)
	page := fetch(t, n.url()+"/")
	require.Contains(t, page.body, `<div id="root">`)
	require.Contains(t, page.header.Get("Content-Security-Policy"), "script-src 'self'")
	api := client.API{BaseURL: n.url(), Key: wellKnownKey}
	require.Eventually(t, func() bool {
		var out struct{ Sessions []client.Session }
		require.NoError(t, api.Do(t.Context(), http.MethodGet, "/sessions", nil, &out))
		return len(out.Sessions) > 0
	}, 75*time.Second, 200*time.Millisecond)
}

// Bots chat nowhere but in a demo.
func TestDemoIsRefused(t *testing.T) {
	for _, args := range [][]string{
		{"--demo", "--redis-url", "redis://127.0.0.1:1", "--api-key", "k"}, {"--demo", "--mongo-url", "mongodb://127.0.0.1/x"},
		{"--demo", "--addr", "0.0.0.0:0", "--api-key", "k"},
	} {
		var out, errs bytes.Buffer
		require.Equal(t, exitSettings, run(t.Context(), append(args, "--data-dir", t.TempDir()), &out, &errs), args)
		require.Contains(t, errs.String(), "--demo", args)
		require.Equal(t, 1, strings.Count(errs.String(), "\n"), errs.String())
	}
	t.Setenv("BELLHOP_DEMO", "true")
	var out, errs bytes.Buffer
	require.Equal(t, exitSettings, run(t.Context(), []string{"--redis-url", "redis://127.0.0.1:1", "--api-key", "k"}, &out, &errs))
	require.Contains(t, errs.String(), "--redis-url")
}

// The shop is another site: its own origin and policy, a token of its own server's, and the widget may connect from there.
func TestShop(t *testing.T) {
	n := startNode(t, "", openDemo)
	shop, chat := n.shop.origin(), n.url()
	require.NotEqual(t, chat, shop)
	for lang, text := range map[string]string{"en": "Copper kettle", "zh-CN": "铜水壶"} {
		page := fetch(t, shop+"/?lang="+lang)
		require.Contains(t, page.body, text)
		require.Contains(t, page.body, `<script src="`+chat+`/widget.js" defer`)
		require.NotContains(t, page.body, "style=")
		require.NotContains(t, page.body, "<style")
		policy := page.header.Get("Content-Security-Policy")
		require.Contains(t, policy, "script-src "+chat+";")
		require.Contains(t, policy, "frame-src "+chat+";")
		require.NotContains(t, policy, "unsafe")
	}
	require.Contains(t, fetch(t, shop+"/shop.css").header.Get("Content-Type"), "text/css")
	require.Contains(t, fetch(t, chat+"/chat").header.Get("Content-Security-Policy"), "frame-ancestors 'self' "+shop)
	require.Contains(t, fetch(t, chat+"/widget.js").body, "bellhop-widget")

	res, err := http.Post(shop+"/token", "", nil)
	require.NoError(t, err)
	var got struct{ Token string }
	require.NoError(t, json.NewDecoder(res.Body).Decode(&got))
	require.NoError(t, res.Body.Close())
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, chat+"/api/v1/sessions", nil)
	require.NoError(t, err)
	req.Header.Set("Origin", shop)
	req.Header.Set("Authorization", "Bearer "+got.Token)
	res, err = http.DefaultClient.Do(req)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, http.StatusOK, res.StatusCode)
	require.Equal(t, shop, res.Header.Get("Access-Control-Allow-Origin"))

	req, err = http.NewRequestWithContext(t.Context(), http.MethodPost, shop+"/token", nil)
	require.NoError(t, err)
	req.Header.Set("Origin", "https://evil.example") // a foreign page
	res, err = http.DefaultClient.Do(req)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, http.StatusForbidden, res.StatusCode)

	req, err = http.NewRequestWithContext(t.Context(), http.MethodPost, shop+"/token", nil)
	require.NoError(t, err)
	req.Host = "evil.example" // a foreign name that points here
	res, err = http.DefaultClient.Do(req)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, http.StatusMisdirectedRequest, res.StatusCode)
}

type fetched struct {
	header http.Header
	body   string
}

func fetch(t *testing.T, url string) fetched {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	require.NoError(t, err)
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer func() { _ = res.Body.Close() }()
	data, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, res.StatusCode, "%s: %s", url, data)
	return fetched{res.Header, string(data)}
}
