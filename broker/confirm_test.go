package broker

import (
	"testing"

	"github.com/stretchr/testify/require"

	"bellhop/broker/chat"
	"bellhop/internal/testenv"
)

// Whatever happened since, what is confirmed is what a look tells.
func TestWhatIsConfirmed(t *testing.T) {
	b := startNode(t, testenv.Redis(t).URL())
	boss := chat.Actor{Identity: chat.Identity{Role: chat.RoleSupervisor, ID: "boss"}}
	for what, change := range map[string]func(s string, uma, ann *party) error{
		"nothing": func(string, *party, *party) error { return nil },
		"read":    func(s string, uma, _ *party) error { _, err := b.Read(t.Context(), uma.Actor, s, 2); return err },
		"a message": func(s string, uma, _ *party) error {
			_, err := b.Send(t.Context(), uma.Actor, chat.SendRequest{Session: s, Body: []byte(`"hi"`)})
			return err
		},
		"a message that was taken back": func(s string, uma, _ *party) error {
			r, err := b.Send(t.Context(), uma.Actor, chat.SendRequest{Session: s, Body: []byte(`"hi"`)})
			if err != nil {
				return err
			}
			return b.Recall(t.Context(), uma.Actor, s, r.Seq)
		},
		"a transition": func(s string, _, ann *party) error {
			_, err := b.End(t.Context(), ann.Actor, chat.EndRequest{Session: s})
			return err
		},
		"somebody joined": func(s string, _, _ *party) error { _, err := b.Join(t.Context(), boss, s, false); return err },
	} {
		t.Run(what, func(t *testing.T) {
			uma := connect(t, b, chat.Identity{Role: chat.RoleUser, ID: name("uma")}, "d")
			ann := connect(t, b, chat.Identity{Role: chat.RoleAgent, ID: name("ann")}, "d")
			s, err := b.Open(t.Context(), uma.Actor, chat.OpenRequest{})
			require.NoError(t, err)
			_, err = b.Grab(t.Context(), ann.Actor, s.ID)
			require.NoError(t, err)
			st, err := b.sessions.Look(t.Context(), s.ID)
			require.NoError(t, err)
			require.NoError(t, change(s.ID, uma, ann))
			known := *st
			known.LastMid, known.Counts, known.Marks = "", nil, nil // as little as a transition's reply tells for sure
			confirmed, err := b.sessions.Confirm(t.Context(), &known)
			require.NoError(t, err)
			looked, err := b.sessions.Look(t.Context(), s.ID)
			require.NoError(t, err)
			require.Equal(t, looked, confirmed)
		})
	}
}
