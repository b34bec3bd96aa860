package broker

import (
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"bellhop/archive/sqlite"
	"bellhop/broker/chat"
	"bellhop/broker/internal/archiving"
	"bellhop/internal/testenv"
)

// An endpoint that was away while nodes came and went gets everything, in order:
// what has left the log meanwhile, and sessions that have ended and would have
// left Redis, had they nothing to tell. When they have been told of, they leave.
func TestABacklogOutlivesItsNodes(t *testing.T) {
	url, ctx, r := testenv.Redis(t).URL(), t.Context(), newReceiver(t)
	r.answers(func(told) int { return http.StatusServiceUnavailable })
	store := archiveOf(t, url)
	short := func(o *Options) { o.expire = 200 * time.Millisecond }
	start := func() *Broker { return startNode(t, url, tellsTo(t, r), soon, short) }
	b := start()
	uma, eve := user(t, b, name("uma")), user(t, b, name("eve"))
	long, over := uma.open(name("q")), eve.open(name("q"))
	for i := range 300 {
		uma.send(long.ID, fmt.Sprint(i))
	}
	eve.send(over.ID, "bye")
	_, err := b.End(ctx, eve.Actor, chat.EndRequest{Session: over.ID})
	require.NoError(t, err)
	archived(t, b, long.ID)
	archived(t, b, over.ID)
	p, _ := b.store.Of(over.ID)
	ended := func() bool { return b.store.Redis.Exists(ctx, p.Session(over.ID)).Val() == 0 }
	st, err := b.sessions.Look(ctx, over.ID)
	require.NoError(t, err)
	eventually(t, func() bool { return redisTime(t, b).Sub(st.Ended.Time) > 200*time.Millisecond })
	require.NoError(t, b.archiver.Expire(ctx, p, over.ID))
	require.False(t, ended(), "it has something to tell")
	require.NoError(t, b.Close(ctx))

	next := startNode(t, url, tellsTo(t, r), soon, short)
	pl, _ := b.store.Of(long.ID)
	require.LessOrEqual(t, next.store.Redis.XLen(ctx, pl.Log(long.ID)).Val(), int64(archiving.KeepLog))
	r.answers(nil)
	r.until("everything", func() bool { return last(r.taken, long.ID) == 301 && last(r.taken, over.ID) == 3 })
	r.mu.Lock()
	for _, s := range []string{long.ID, over.ID} {
		for i, e := range of(r.taken, s) {
			require.EqualValues(t, i+1, e.Data.Message.Seq)
		}
	}
	r.mu.Unlock()
	require.Eventually(t, func() bool {
		doc, err := store.Session(ctx, over.ID)
		if err != nil {
			return false
		}
		_, f, err := chat.ParseSnapshot(over.ID, doc.Snapshot)
		return err == nil && f.Num("hooked") == 6
	}, 10*time.Second, 20*time.Millisecond, "the archive knows that nothing is owed")
	b = next
	require.Eventually(t, func() bool { return next.archiver.Expire(ctx, p, over.ID) == nil && ended() }, 10*time.Second, 20*time.Millisecond)
}

// What a node without a hook, or before one, has made: the beginning of a session
// from before is not told; from its first event with a hook on, all of it is, also
// what a node without one makes then.
func TestNodesWithAndWithoutAHook(t *testing.T) {
	url, ctx, r := testenv.Redis(t).URL(), t.Context(), newReceiver(t)
	without := startNode(t, url)
	uma, eve := user(t, without, name("uma")), user(t, without, name("eve"))
	s, quiet := uma.open(name("q")), eve.open(name("q"))
	uma.send(s.ID, "before")
	with := startNode(t, url, tellsTo(t, r))
	send := func(b *Broker, text string) {
		_, err := b.Send(ctx, chat.Actor{Identity: uma.Identity}, chat.SendRequest{Session: s.ID, Body: []byte(chat.Quote(text))})
		require.NoError(t, err)
	}
	send(with, "the first one told")
	r.until("it", func() bool { return last(r.taken, s.ID) == 3 })
	p, _ := with.store.Of(s.ID)
	require.Eventually(t, func() bool { return with.store.Redis.ZScore(ctx, p.Hooks(), s.ID).Err() != nil }, 5*time.Second, time.Millisecond)
	send(without, "made without")
	require.NoError(t, with.Close(ctx))
	startNode(t, url, tellsTo(t, r)) // it looks once at its start
	r.until("what was made without", func() bool { return last(r.taken, s.ID) == 4 })
	r.mu.Lock()
	defer r.mu.Unlock()
	require.Len(t, of(r.taken, s.ID), 2)
	require.Empty(t, of(r.taken, quiet.ID))
}

// Without a hook there is not one command more, with one there is a bounded number.
func TestWhatAHookCostsASend(t *testing.T) {
	count := func(change ...func(*Options)) map[string]int {
		server := testenv.Redis(t)
		b := startNode(t, server.URL(), append(change, func(o *Options) { o.NoArchiver = true })...)
		b.hooks.Close(t.Context()) // only what sends cost
		uma := user(t, b, name("uma"))
		s := uma.open(name("q"))
		uma.send(s.ID, "first")
		require.NoError(t, server.Client().ConfigResetStat(t.Context()).Err())
		for range 100 {
			uma.send(s.ID, "x")
		}
		calls := testenv.Commands(t, server.Client())
		p, _ := b.store.Of(s.ID)
		require.Equal(t, b.opt.Hook != nil, b.store.Redis.Exists(t.Context(), p.Hooks()).Val() == 1)
		return calls
	}
	off, on := count(), count(func(o *Options) { o.Hook = refuser{} })
	for _, c := range []string{"xadd", "append", "hmget", "evalsha"} {
		require.InDelta(t, off[c], on[c], 60, c) // the loops' come in between
		require.GreaterOrEqual(t, off[c], 100, c)
	}
	require.InDelta(t, 100, on["zadd"]-off["zadd"], 60, "one more for each")
}

// A Redis that is lost, with what it had to tell: a restore brings that back,
// of sessions that have ended, too.
func TestARestoreOwesWhatWasNotTold(t *testing.T) {
	url, ctx, r := testenv.Redis(t).URL(), t.Context(), newReceiver(t)
	store, err := sqlite.Open(ctx, filepath.Join(t.TempDir(), "archive.db"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = store.Close() })
	mine := func(o *Options) { o.Archive = store }
	r.answers(func(e told) int {
		if string(e.Data.Message.Body) == `"told"` || e.Type == "session.opened" {
			return http.StatusOK
		}
		return http.StatusServiceUnavailable
	})
	b := startNode(t, url, tellsTo(t, r), soon, mine)
	var open, over *party
	var ids []string
	for _, who := range []**party{&open, &over} {
		*who = user(t, b, name("uma"))
		ids = append(ids, (*who).open(name("q")).ID)
		(*who).send(ids[len(ids)-1], "told")
	}
	r.until("the beginnings", func() bool { return last(r.taken, ids[0]) == 2 && last(r.taken, ids[1]) == 2 })
	open.send(ids[0], "open")
	over.send(ids[1], "over")
	_, err = b.End(ctx, over.Actor, chat.EndRequest{Session: ids[1]})
	require.NoError(t, err)
	require.Eventually(t, func() bool { return b.HookStats().Failed > 1 }, 10*time.Second, 5*time.Millisecond)
	require.NoError(t, b.Close(ctx))

	fresh := testenv.Redis(t).URL()
	rdb, err := Dial(fresh)
	require.NoError(t, err)
	t.Cleanup(func() { _ = rdb.Close() })
	o := Options{Redis: rdb, Archive: store, Log: slog.New(slog.DiscardHandler)}
	tellsTo(t, r)(&o)
	_, err = Restore(ctx, o, nil)
	require.NoError(t, err)
	r.answers(nil)
	startNode(t, fresh, tellsTo(t, r), soon, mine)
	r.until("what is owed", func() bool { return last(r.taken, ids[0]) == 3 && last(r.taken, ids[1]) == 4 })
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range ids {
		for i, e := range of(r.taken, s) {
			require.EqualValues(t, i+1, e.Data.Message.Seq, "each once and in order: the archive knew what had been told")
		}
	}
}
