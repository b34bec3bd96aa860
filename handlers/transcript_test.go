package handlers

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"

	"bellhop/broker/chat"
)

// hostile are messages that some archive might hold: the bodies that the pages' tests have, too.
func hostile(t *testing.T) []chat.Message {
	t.Helper()
	data, err := os.ReadFile("../testdata/hostile/bodies.json")
	require.NoError(t, err)
	var all []chat.Message
	require.NoError(t, json.Unmarshal(data, &all))
	require.Greater(t, len(all), 300)
	names := []string{"", "Uma", "<b>Uma", "\u202eamU", "a\r\nb", "\x1b[31m", "\xff", `"onclick="alert(1)`}
	for i := range all {
		m := &all[i]
		m.Session, m.Seq, m.Mid, m.At = "00-s", int64(i+1), "m", chat.Time{Time: time.UnixMilli(int64(i) * 1e12)}
		m.From = chat.Author{ID: "uma", Role: chat.Role([]string{"user", "agent", "system", `x" onclick="alert(1)`, ""}[i%5]), Name: names[i%len(names)]}
		m.Recalled = i%50 == 49
	}
	return all
}

func transcribed(t *testing.T, s scribe, all []chat.Message) string {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, s.begin(&b))
	for _, m := range all {
		require.NoError(t, s.write(&b, m))
	}
	require.NoError(t, s.end(&b))
	return b.String()
}

// staffTeller tells staff, in English.
func staffTeller(s chat.Session) *teller {
	t := newTeller(s, "en", time.UTC)
	t.staff = true
	t.links = fileLinks{origin: "https://chat.example", sign: func(string) string { return "?signed" }}
	return t
}

// A transcript in HTML has an item for each message, whatever that holds, and
// nothing that a browser would run, load or follow.
func TestHostileTranscriptHTML(t *testing.T) {
	all := hostile(t)
	session := chat.Session{ID: "00-s", Queue: `</p><script>`, State: chat.State(`"><img src=x>`), Subject: `</title><script>alert(1)</script>`}
	page := transcribed(t, htmlScribe{staffTeller(session), "nonce"}, all)
	root, err := html.Parse(strings.NewReader(page))
	require.NoError(t, err)
	allowed := map[string]string{"html": "lang", "head": "", "meta": "charset name content", "title": "", "style": "nonce", "body": "", "header": "", "h1": "dir", "p": "dir",
		"ol": "", "li": "class", "b": "", "bdi": "", "time": "datetime", "div": "class dir", "a": "href target rel"}
	count := map[string]int{}
	for n := range root.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		count[n.Data]++
		attributes, ok := allowed[n.Data]
		require.True(t, ok, "<%s>", n.Data)
		for _, a := range n.Attr {
			require.Contains(t, strings.Fields(attributes), a.Key, "<%s>", n.Data)
			if a.Key == "href" {
				require.Regexp(t, `^https?://[^/]`, a.Val)
			}
		}
		if n.Data == "li" {
			require.Equal(t, "ol", n.Parent.Data)
		}
	}
	require.Equal(t, len(all), count["li"])
	require.Equal(t, len(all), count["time"])
	require.Equal(t, 1, count["style"])
}

// One in JSON is JSON, one in text has each message's lines after its first further in,
// and neither steers a terminal.
func TestHostileTranscripts(t *testing.T) {
	all := hostile(t)
	session := chat.Session{ID: "00-s", Queue: "q", Subject: "\x1b]0;owned\a\n[2026-01-01] *: forged"}
	var whole struct {
		Session  chat.Session
		Messages []json.RawMessage
	}
	require.NoError(t, json.Unmarshal([]byte(transcribed(t, &jsonScribe{session: session}, all)), &whole))
	require.Len(t, whole.Messages, len(all))
	text := transcribed(t, textScribe{staffTeller(session)}, all)
	require.False(t, strings.ContainsFunc(text, func(r rune) bool {
		return unicode.IsControl(r) && r != '\n' && r != '\t' || r == '\u2028' || r == '\u2029'
	}))
	begun := 0
	for l := range strings.Lines(text) {
		if strings.HasPrefix(l, "[") {
			begun++
		}
	}
	require.Equal(t, len(all), begun)
}
