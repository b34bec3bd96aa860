package hooks

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"bellhop/broker/chat"
	"bellhop/broker/internal/store"
	"bellhop/internal/testenv"
)

func TestMain(m *testing.M) { os.Exit(testenv.Main(m)) }

// refuser takes nothing.
type refuser struct{}

func (refuser) Deliver(context.Context, string, []byte) error { return errors.New("no") }

// teller is one that does not run.
func teller(t *testing.T, url string) *Teller {
	t.Helper()
	s := store.NewStore(testenv.Client(t, url), slog.New(slog.DiscardHandler))
	require.NoError(t, s.Open(t.Context(), store.Numbering{Partitions: 16}, func(store.Partition) {}))
	t.Cleanup(func() { _ = s.Pipe.Close() })
	return New(s, nil, Options{Hook: refuser{}})
}

// letters are all dead letters of a session, the oldest first.
func letters(t *testing.T, h *Teller, session string) []chat.DeadLetter {
	t.Helper()
	var out []chat.DeadLetter
	for cursor := ""; ; {
		page, err := h.Dead(t.Context(), 3, cursor)
		require.NoError(t, err)
		for _, l := range page.Dead {
			if l.Session == session {
				out = append(out, l)
			}
		}
		if cursor = page.Cursor; cursor == "" {
			return out
		}
	}
}

// Only who holds a session says how far it was told, and that never goes back;
// said twice, it is as said once.
func TestOnlyTheHolderMarks(t *testing.T) {
	testenv.EachShared(t, func(t *testing.T, url string) {
		h := teller(t, url) // this test is the holder
		rdb, ctx := h.store.Redis, t.Context()
		s := h.store.NewSessionID("uma")
		p, _ := h.store.Of(s)
		// It was opened, and said hello in.
		require.NoError(t, rdb.HSet(ctx, p.Session(s), "state", string(chat.Waiting), "seq", 2, "hooked", 0).Err())
		const lease = 7_777_777_777_777
		keys := []string{p.Session(s), p.Hooks(), p.HooksLate(), p.Dead(), p.Dirty(), p.Log(s), p.Recalled(s)}
		said := func(m mark) string {
			t.Helper()
			m.Session, m.Keep = s, 1000
			r, err := h.store.RunJSON(ctx, "hooked", keys, m)
			require.NoError(t, err)
			return r.Str(0)
		}
		hooked := func() string { return rdb.HGet(ctx, p.Session(s), "hooked").Val() }
		require.NoError(t, rdb.ZAdd(ctx, p.Hooks(), redis.Z{Score: lease, Member: s}).Err())
		require.Equal(t, "0", hooked())
		letter := chat.Encode(letter{Event: "evt_" + ulid.Make().String(), Session: s})
		require.Equal(t, "lost", said(mark{Lease: "7777777777776", At: 4, Letter: letter}))
		require.Equal(t, "0", hooked())
		require.Empty(t, letters(t, h, s))
		for range 2 {
			require.Equal(t, "ok", said(mark{Lease: "7777777777777", At: 3, Tries: 2, Again: keepOn, Letter: letter}))
			require.Equal(t, "3", hooked())
			require.Len(t, letters(t, h, s), 1)
		}
		require.Equal(t, "ok", said(mark{Lease: "7777777777777", At: 1, Again: keepOn}))
		require.Equal(t, "3", hooked())
		require.Equal(t, "ok", said(mark{Lease: "7777777777777", At: 4}))
		require.Equal(t, "4", hooked())
		require.Error(t, rdb.ZScore(ctx, p.Hooks(), s).Err(), "nothing is left to tell")
		require.NoError(t, h.Discard(ctx, letters(t, h, s)[0].ID))
		require.Empty(t, letters(t, h, s))
	})
}

// Without a hook nothing runs, and what waits is nobody's to count; the letters of before can be seen and discarded.
func TestWithoutAHook(t *testing.T) {
	h := teller(t, testenv.Shared(t, testenv.EngineRedis))
	h.hook = nil
	s := h.store.NewSessionID("uma")
	p, _ := h.store.Of(s)
	require.NoError(t, h.store.Redis.XAdd(t.Context(), &redis.XAddArgs{Stream: p.Dead(), Values: []any{"letter", chat.Encode(letter{Session: s})}}).Err())
	h.Start()
	h.Close(t.Context())
	require.Zero(t, h.Stats())
	lag, err := h.Lag(t.Context())
	require.NoError(t, err)
	require.Zero(t, lag)
	require.NoError(t, h.Restore(t.Context(), nil, nil))
	all := letters(t, h, s)
	require.Len(t, all, 1)
	require.Equal(t, chat.CodeWrongState, chat.AsError(h.Replay(t.Context(), all[0].ID)).Code)
	require.NoError(t, h.Discard(t.Context(), all[0].ID))
	require.Equal(t, chat.CodeNotFound, chat.AsError(h.Discard(t.Context(), all[0].ID)).Code)
}

// A cursor or an id is one of ours, and then names the same letter again, or is refused.
func FuzzGraves(f *testing.F) {
	for _, seed := range []string{"", "00-1-1", "0f-1795738372802-0", "10-1-1", "00-01-1", "00-9223372036854775808-1", "-1-1-1", "00-1", "00-1-1-1"} {
		f.Add(seed)
	}
	h := &Teller{store: &store.Store{Parts: make([]store.Partition, 16)}}
	f.Fuzz(func(t *testing.T, id string) {
		g, ok := h.parseGrave(id)
		if ok && (g.String() != id || g.part > 15) {
			t.Fatalf("%q is taken for a letter's id, %v", id, g)
		}
	})
}

// Whatever is kept as a letter is read, or refused.
func FuzzLetters(f *testing.F) {
	for _, seed := range []string{"", "{}", "null", chat.Encode(letter{Event: "evt_1", Kind: unheardType, Session: "s", Seq: 7, At: 1, Step: 14, Tries: 3, Error: "no"}), `{"seq":"x"}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		l, err := parseLetter(text)
		if err != nil {
			return
		}
		again, err := parseLetter(chat.Encode(l))
		if err != nil || again != l {
			t.Fatalf("%q became %v, then %v: %v", text, l, again, err)
		}
	})
}

// What is short stays; what is cut is cut between characters.
func TestShort(t *testing.T) {
	require.Equal(t, "abc", short("abc", 3))
	require.Equal(t, "ab…", short("abc", 2))
	require.Equal(t, "客…", short("客服", 4))
}

// Pauses are spread upwards, by a tenth at most.
func TestSpread(t *testing.T) {
	for range 1000 {
		d := spread(time.Minute)
		require.GreaterOrEqual(t, d, time.Minute)
		require.LessOrEqual(t, d, longest(time.Minute))
	}
}
