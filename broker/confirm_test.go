package broker

import (
	"testing"

	"github.com/redis/go-redis/v9"
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

// What a node knew of a session before something happened there shows nobody more of it, and nobody less.
func TestHistoryByOldKnowledge(t *testing.T) {
	b, spoiler := sabotaged(t, testenv.Redis(t).URL())
	blind := func(cmd redis.Cmder) error {
		if running(b, "look", cmd) {
			return errSabotage
		}
		return nil
	}
	for what, change := range map[string]func(s string, uma, ann, bea *party) error{
		"nothing": func(string, *party, *party, *party) error { return nil },
		"a message": func(s string, uma, _, _ *party) error {
			_, err := b.Send(t.Context(), uma.Actor, chat.SendRequest{Session: s, Body: []byte(`"hi"`)})
			return err
		},
		"an assistant left": func(s string, _, _, bea *party) error { _, err := b.Leave(t.Context(), bea.Actor, s); return err },
		"transferred": func(s string, _, ann, _ *party) error {
			_, err := b.Transfer(t.Context(), ann.Actor, chat.TransferRequest{Session: s, Queue: "other"})
			return err
		},
		"ended": func(s string, _, ann, _ *party) error {
			_, err := b.End(t.Context(), ann.Actor, chat.EndRequest{Session: s, Force: true})
			return err
		},
	} {
		t.Run(what, func(t *testing.T) {
			uma := connect(t, b, chat.Identity{Role: chat.RoleUser, ID: name("uma")}, "d")
			ann := connect(t, b, chat.Identity{Role: chat.RoleAgent, ID: name("ann")}, "d")
			bea := connect(t, b, chat.Identity{Role: chat.RoleAgent, ID: name("bea")}, "d")
			s, err := b.Open(t.Context(), uma.Actor, chat.OpenRequest{})
			require.NoError(t, err)
			_, err = b.Grab(t.Context(), ann.Actor, s.ID)
			require.NoError(t, err)
			_, err = b.Join(t.Context(), bea.Actor, s.ID, false)
			require.NoError(t, err)
			known, err := b.sessions.Look(t.Context(), s.ID)
			require.NoError(t, err)
			require.NoError(t, change(s.ID, uma, ann, bea))
			for _, p := range []*party{uma, ann, bea} {
				all := chat.HistoryRequest{Session: s.ID, After: 0, Before: -1}
				want, refused := b.sessions.History(t.Context(), p.Actor, all, nil)
				if what == "nothing" || what == "a message" {
					spoiler.spoil(blind, nil) // who knows looks no more
				}
				got, err := b.sessions.History(t.Context(), p.Actor, all, known)
				spoiler.spoil(nil, nil)
				require.Equal(t, refused, err)
				require.Equal(t, want, got)
			}
		})
	}
}
