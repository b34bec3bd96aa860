package uploads

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"bellhop/broker/chat"
	"bellhop/broker/internal/store"
)

// shelf is a Files that keeps what it was told.
type shelf struct {
	told []string
	err  error
}

func (f *shelf) note(what string, m Message) error {
	f.told = append(f.told, what+" "+m.URL)
	return f.err
}

func (f *shelf) Sent(_ context.Context, _ chat.Actor, m Message) error { return f.note("sent", m) }
func (f *shelf) Unsent(_ context.Context, m Message) error             { return f.note("unsent", m) }
func (f *shelf) Recalled(_ context.Context, m Message, back bool) error {
	return f.note(fmt.Sprint("recalled, back: ", back), m)
}

// room is one session: who may not send to it, and its log.
type room struct {
	refused map[string]error
	log     []chat.Entry
}

func (r room) Participant(_ context.Context, _, who string) error { return r.refused[who] }

func (r room) ReadLog(_ context.Context, _ string, from, to int64) (out []chat.Entry, err error) {
	for _, e := range r.log {
		if from <= e.Seq && e.Seq <= to {
			out = append(out, e)
		}
	}
	return out, nil
}

func quiet(files Files, r room) *Uploads {
	return New(store.NewStore(nil, slog.New(slog.DiscardHandler)), r, Options{Files: files})
}

const picture = `{"url":"/files/1"}`

// Only a message with a file is asked about, and only who takes part shares one. That the session
// has ended is for the script to say; a host application is no participant.
func TestWhoShares(t *testing.T) {
	ended, out := chat.Errorf(chat.CodeEnded, "over"), chat.Errorf(chat.CodeForbidden, "out")
	for _, c := range []struct {
		kind, by, body string
		told           []string
		code           chat.Code
	}{
		{chat.TypeImage, "u:in", picture, []string{"sent /files/1"}, ""},
		{chat.TypeVoice, "u:late", picture, []string{"sent /files/1"}, ""},
		{chat.TypeVideo, "h:bot", picture, []string{"sent /files/1"}, ""},
		{chat.TypeFile, "u:out", picture, nil, chat.CodeForbidden},
		{chat.TypeText, "u:out", `"/files/1"`, nil, ""},
		{chat.TypeCard, "u:in", picture, nil, ""},
		{chat.TypeImage, "u:in", `{"name":"without"}`, nil, ""},
	} {
		f := &shelf{}
		u := quiet(f, room{refused: map[string]error{"u:out": out, "h:bot": out, "u:late": ended}})
		m, err := u.Share(t.Context(), chat.Actor{}, chat.SendRequest{Session: "s", Type: c.kind}, c.by, "mid", c.body)
		if c.code != "" {
			code(t, c.code, err)
		} else {
			require.NoError(t, err)
		}
		require.Equal(t, c.told, f.told, "%v", c)
		require.Equal(t, c.told != nil, m != nil)
	}
	m, err := quiet(nil, room{}).Share(t.Context(), chat.Actor{}, chat.SendRequest{Type: chat.TypeImage}, "u:in", "mid", picture)
	require.NoError(t, err)
	require.Nil(t, m, "nobody keeps any")
}

// A message has the same name each time it is sent with its key, and another one else.
func TestAMessageHasItsName(t *testing.T) {
	one := NewMessage("s", "u:x", "k", "mid1", picture)
	require.Equal(t, one, NewMessage("s", "u:x", "k", "mid2", picture))
	require.NotEqual(t, one.Ref, NewMessage("s", "u:y", "k", "mid1", picture).Ref)
	require.NotEqual(t, NewMessage("s", "u:x", "", "mid1", picture).Ref, NewMessage("s", "u:x", "", "mid2", picture).Ref)
	require.Nil(t, NewMessage("s", "u:x", "k", "mid", `"text"`))
}

// What was refused is taken back, unless the message may still be stored.
func TestWhatWasRefusedIsTakenBack(t *testing.T) {
	f := &shelf{err: errors.New("it is only logged")}
	u, m := quiet(f, room{}), &Message{URL: "x"}
	refused, away := chat.Errorf(chat.CodeEnded, "over"), chat.Errorf(chat.CodeUnavailable, "away")
	u.Unshare(t.Context(), chat.SendRequest{}, nil, refused)
	u.Unshare(t.Context(), chat.SendRequest{Key: "k"}, m, refused)
	u.Unshare(t.Context(), chat.SendRequest{}, m, away)
	require.Empty(t, f.told)
	u.Unshare(t.Context(), chat.SendRequest{}, m, refused)
	require.Equal(t, []string{"unsent x"}, f.told)
}

// Only one's own file is withdrawn, while the message can be recalled.
func TestWhatIsWithdrawn(t *testing.T) {
	now := time.Now().UnixMilli()
	entry := func(seq, at int64, by, kind, body string) chat.Entry {
		return chat.Entry{Seq: seq, At: at, By: by, Head: chat.Head("mid", chat.Author{Name: `"},"type":"image"`}, kind, 0), Body: body}
	}
	f := &shelf{}
	u := quiet(f, room{log: []chat.Entry{
		entry(1, now, "u:x", chat.TypeImage, picture), entry(2, now, "u:y", chat.TypeImage, picture),
		entry(3, now, "u:x", chat.TypeText, `"hello"`), entry(4, now-5*60_000, "u:x", chat.TypeImage, picture), entry(5, now, "u:x", chat.TypeFile, ""),
	}})
	for seq := int64(1); seq <= 6; seq++ {
		m, err := u.Withdraw(t.Context(), "s", "u:x", seq)
		require.NoError(t, err)
		require.Equal(t, seq == 1, m != nil, "seq %d", seq)
		u.PutBack(t.Context(), m)
	}
	require.Equal(t, []string{"recalled, back: false /files/1", "recalled, back: true /files/1"}, f.told)
	m, err := quiet(nil, room{}).Withdraw(t.Context(), "s", "u:x", 1)
	require.NoError(t, err)
	require.Nil(t, m)
}
