package main

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"bellhop/client"
	"bellhop/handlers"
	"bellhop/handlers/openapitest"
	"bellhop/internal/testenv"
)

func wordList(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "words.txt")
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	return file
}

// A node with a word list blanks its words in what it passes on, one that refuses
// says so without telling which, and one without a list leaves them alone.
func TestWordList(t *testing.T) {
	list := wordList(t, "# not allowed\n笨蛋\ndamn\n")
	url := testenv.Shared(t, testenv.EngineRedis)
	replaces := startNode(t, url, func(s *Settings) { s.FilterWords = list })
	refuses := startNode(t, url, func(s *Settings) { s.FilterWords, s.FilterAction = list, "refuse" })
	plain := startNode(t, url)
	ctx, q := t.Context(), name("q")
	uma, ann := user(t, replaces), agent(t, plain, q)
	s, err := uma.Open(ctx, client.OpenRequest{Queue: q, Subject: "Ｄａｍｎ parcel"})
	require.NoError(t, err)
	require.Equal(t, "**** parcel", s.Subject)
	_, err = ann.Grab(ctx, s.ID)
	require.NoError(t, err)

	first, err := uma.Send(ctx, client.SendRequest{Session: s.ID, Body: "你这个笨\u200b蛋, DAMN it; damned", Key: "k"})
	require.NoError(t, err)
	require.Equal(t, "你这个**, **** it; damned", await(ann, func(e *client.MessageEvent) bool { return e.Seq == first.Seq }).Text())
	again, err := uma.Send(ctx, client.SendRequest{Session: s.ID, Body: "你这个笨\u200b蛋, DAMN it; damned", Key: "k"})
	require.NoError(t, err)
	require.True(t, again.Duplicate)
	require.Equal(t, first.Mid, again.Mid)
	require.NoError(t, uma.Typing(s.ID, "oh damn"))
	require.Equal(t, "oh ****", await(ann, func(*client.Typing) bool { return true }).Text)

	web := &http.Client{Transport: openapitest.Transport(t, handlers.Description())}
	strict := client.API{BaseURL: refuses.url(), Key: token(t, refuses, client.TokenRequest{Role: "user", ID: uma.id}), HTTP: web}
	err = strict.Do(ctx, "POST", "/sessions/"+s.ID+"/messages", obj{"body": "damn"}, nil)
	e := code(t, "bad_request", err)
	require.NotContains(t, e.Message, "damn")
	require.False(t, e.Retry)
	require.NoError(t, strict.Do(ctx, "POST", "/sessions/"+s.ID+"/messages", obj{"body": "darn"}, nil))
	ann.say(s.ID, "damn, says one at a node without a list")
	await(uma, func(e *client.MessageEvent) bool { return strings.HasPrefix(e.Text(), "damn,") })
}

// Settings of the filter that cannot work are refused at start, with one line.
func TestUnusableWordLists(t *testing.T) {
	for args, names := range map[string]string{
		"--filter-words " + filepath.Join(t.TempDir(), "none"):         "--filter-words",
		"--filter-words " + t.TempDir():                                "--filter-words",
		"--filter-words " + wordList(t, "# nothing\n"):                 "no words",
		"--filter-words " + wordList(t, "fine\n\xff\n"):                "line 2: not UTF-8",
		"--filter-words " + wordList(t, "x") + " --filter-action hide": "--filter-action",
	} {
		var out, err bytes.Buffer
		status := run(t.Context(), append(strings.Fields(args), "--data-dir", t.TempDir()), &out, &err)
		require.Equal(t, 2, status, "%s: %s", args, err.String())
		require.Equal(t, 1, strings.Count(err.String(), "\n"), "%s: %s", args, err.String())
		require.Contains(t, err.String(), names, args)
	}
}

// Who sends too fast is told when to come back, over HTTP and the WebSocket.
func TestTooFast(t *testing.T) {
	n := startNode(t, testenv.Shared(t, testenv.EngineRedis), func(s *Settings) { s.SendRate = 0.1 }) // a burst of one
	ctx := t.Context()
	uma := user(t, n)
	s := uma.open(name("q"))
	uma.say(s.ID, "one")
	web := &http.Client{Transport: openapitest.Transport(t, handlers.Description())}
	api := client.API{BaseURL: n.url(), Key: token(t, n, client.TokenRequest{Role: "user", ID: uma.id}), HTTP: web}
	e := code(t, "rate_limited", api.Do(ctx, "POST", "/sessions/"+s.ID+"/messages", obj{"body": "two"}, nil))
	require.True(t, e.Retry)
	require.InDelta(t, 10_000, e.RetryAfter, 2000)
	var late error
	for range 200 { // 60 a minute, and what comes free meanwhile
		if late = api.Do(ctx, "POST", "/sessions", obj{"queue": name("q")}, nil); late != nil {
			break
		}
	}
	code(t, "rate_limited", late)
	require.NoError(t, api.Do(ctx, "POST", "/sessions", obj{"queue": s.Queue}, nil), "the open one")

	// A host application has no limit.
	host := n.api()
	require.NoError(t, host.Do(ctx, "POST", "/sessions/"+s.ID+"/messages", obj{"as": "user", "body": "by the host"}, nil))
}
