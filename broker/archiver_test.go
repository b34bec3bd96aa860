package broker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"bellhop/archive"
	"bellhop/archive/mongo"
	"bellhop/broker/chat"
	"bellhop/broker/internal/archiving"
	"bellhop/internal/testenv"
)

// saboteur is a store that a test breaks.
type saboteur struct {
	archive.Archive
	mu     sync.Mutex
	before func() error                    // of each write of messages
	after  func(m []archive.Message) error // of each, once it has taken effect
}

// PutMessages implements archive.Archive.
func (s *saboteur) PutMessages(ctx context.Context, m []archive.Message) ([]archive.Rejected, error) {
	s.mu.Lock()
	before, after := s.before, s.after
	s.mu.Unlock()
	if before != nil {
		if err := before(); err != nil {
			return nil, err
		}
	}
	r, err := s.Archive.PutMessages(ctx, m)
	if err == nil && after != nil {
		err = after(m)
	}
	return r, err
}

func (s *saboteur) set(before func() error, after func([]archive.Message) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.before, s.after = before, after
}

var errAway = errors.New("away")

// archived waits until the archive has everything of a session.
func archived(t testing.TB, b *Broker, session string) {
	t.Helper()
	p, _ := b.store.Of(session)
	require.Eventually(t, func() bool {
		_, err := b.store.Redis.ZScore(context.Background(), p.Dirty(), session).Result()
		return err != nil
	}, 60*time.Second, 20*time.Millisecond, "not archived: %s", session)
}

// shelve moves an ended session to the archive as soon as its node's time for that
// is over. The node's own next try, where it found it unarchived, is a minute later.
func shelve(t testing.TB, b *Broker, session string) {
	t.Helper()
	p, _ := b.store.Of(session)
	eventually(t, func() bool {
		require.NoError(t, b.archiver.Expire(t.Context(), p, session))
		st, err := b.sessions.LookLive(t.Context(), session)
		return err == nil && st == nil
	})
}

// history reads all of a session as somebody sees it, page by page.
func history(t testing.TB, b *Broker, a chat.Actor, session string, page int) []chat.Message {
	t.Helper()
	var all []chat.Message
	for after := int64(0); ; {
		r, err := b.History(t.Context(), a, chat.HistoryRequest{Session: session, After: after, Before: -1, Limit: page})
		require.NoError(t, err)
		all = append(all, r.Messages...)
		if !r.More {
			return all
		}
		after = all[len(all)-1].Seq
	}
}

func soon(o *Options) { o.ArchiveDelay = 20 * time.Millisecond }

// A long log is trimmed once archived, and reads as before: forwards, backwards,
// over the seam, with its recalls, for those who may see notes and those who may not.
func TestALogThatHasMovedReadsAsBefore(t *testing.T) {
	testenv.EachShared(t, func(t *testing.T, url string) {
		b := startNode(t, url, soon)
		q, ctx := name("q"), t.Context()
		uma, ann := user(t, b, name("uma")), agent(t, b, name("ann"), q)
		s := uma.open(q)
		ann.grab(s.ID)
		var recalled []int64
		for i := range 500 {
			r := uma.send(s.ID, fmt.Sprintf("message %d", i))
			if i%50 == 7 {
				_, err := b.Send(ctx, ann.Actor, chat.SendRequest{Session: s.ID, Type: chat.TypeNote, Body: json.RawMessage(`"note"`)})
				require.NoError(t, err)
			}
			if i%100 == 9 {
				require.NoError(t, b.Recall(ctx, uma.Actor, s.ID, r.Seq))
				recalled = append(recalled, r.Seq)
			}
		}
		first := uma.send(s.ID, "last").Seq
		archived(t, b, s.ID)
		p, _ := b.store.Of(s.ID)
		require.LessOrEqual(t, b.store.Redis.XLen(ctx, p.Log(s.ID)).Val(), int64(archiving.KeepLog))
		code(t, chat.CodeNotFound, b.Recall(ctx, uma.Actor, s.ID, 9999))
		require.NoError(t, b.Recall(ctx, uma.Actor, s.ID, 20), "it has left the log, but within two minutes")
		recalled = append(recalled, 20)
		require.NoError(t, b.Recall(ctx, uma.Actor, s.ID, 20), "again")
		last := first + 1

		all := history(t, b, ann.Actor, s.ID, 37)
		require.Len(t, all, int(last))
		for i, m := range all {
			require.EqualValues(t, i+1, m.Seq)
			require.Equal(t, slices.Contains(recalled, m.Seq), m.Recalled, "seq %d", m.Seq)
			require.Equal(t, m.Recalled, len(m.Body) == 0, "seq %d", m.Seq)
		}
		for _, m := range history(t, b, uma.Actor, s.ID, 200) {
			require.NotEqual(t, chat.TypeNote, m.Type)
		}
		back, err := b.History(ctx, uma.Actor, chat.HistoryRequest{Session: s.ID, After: -1, Before: last - 150, Limit: 100})
		require.NoError(t, err)
		require.Len(t, back.Messages, 100)
		require.True(t, back.More)
		require.Less(t, back.Messages[99].Seq, last-150)

		t.Log("a key is known as long as the session lives")
		again, err := b.Send(ctx, uma.Actor, chat.SendRequest{Session: s.ID, Body: json.RawMessage(`"k"`), Key: "k"})
		require.NoError(t, err)
		for range 210 {
			uma.send(s.ID, "more")
		}
		archived(t, b, s.ID)
		dup, err := b.Send(ctx, uma.Actor, chat.SendRequest{Session: s.ID, Body: json.RawMessage(`"k"`), Key: "k"})
		require.NoError(t, err)
		require.True(t, dup.Duplicate)
		require.Equal(t, again.Mid, dup.Mid)
		require.Eventually(t, func() bool {
			m, err := b.opt.Archive.Messages(ctx, s.ID, 20, 20)
			return err == nil && len(m) == 1 && m[0].Recalled && m[0].Body == ""
		}, 10*time.Second, 20*time.Millisecond, "the archive forgets it, too")
		clean(t, b)
	})
}

// Whatever fails around a write, each acknowledged message is in the archive once.
func TestWritesThatFailAtAnyPoint(t *testing.T) {
	url := testenv.Redis(t).URL()
	store := &saboteur{Archive: archiveOf(t, url)}
	b := startNode(t, url, soon, func(o *Options) { o.Archive = store })
	uma := user(t, b, name("uma"))
	s := uma.open(name("q"))
	tries := 0
	store.set(func() error {
		if tries++; tries%3 == 1 {
			return errAway
		}
		return nil
	}, func([]archive.Message) error {
		if tries%3 == 2 {
			return errAway // it is there, and nobody was told
		}
		return nil
	})
	for i := range 300 {
		uma.send(s.ID, fmt.Sprint(i))
	}
	archived(t, b, s.ID)
	list, err := b.opt.Archive.Messages(t.Context(), s.ID, 1, 1000)
	require.NoError(t, err)
	require.Len(t, list, 301)
	require.Positive(t, b.ArchiveStats().Failed)
	clean(t, b)
}

// A message that the archive will never take does not hold up the rest. It is set
// aside, shown, and stays in Redis.
func TestAPoisonedMessageIsSetAside(t *testing.T) {
	url := testenv.Redis(t).URL()
	b := startNode(t, url, soon)
	ctx := t.Context()
	uma := user(t, b, name("uma"))
	s := uma.open(name("q"))
	p, _ := b.store.Of(s.ID)
	uma.send(s.ID, "good")
	require.NoError(t, b.store.Redis.Eval(ctx, `redis.call('XADD', KEYS[1], '3-0', 'at', ARGV[1], 'by', ARGV[2], 'key', '', 'h', ARGV[3], 'b', '"\255\254"')
		redis.call('HSET', KEYS[2], 'seq', 3) redis.call('APPEND', KEYS[3], '\0\1') return 1`,
		[]string{p.Log(s.ID), p.Session(s.ID), p.Authors(s.ID)}, time.Now().UnixMilli(), "u:"+uma.ID,
		chat.Head("01J00000000000000000000000", chat.Author{ID: uma.ID, Role: chat.RoleUser, Name: ""}, chat.TypeText, 0)).Err())
	for i := range 300 {
		uma.send(s.ID, fmt.Sprint(i))
	}
	archived(t, b, s.ID)
	lag := chat.Lag{}
	require.Eventually(t, func() bool {
		lag, _ = b.Lag(ctx)
		return lag.Aside == 1 && lag.Messages == 0
	}, 10*time.Second, 100*time.Millisecond, "%+v", lag)
	list, err := b.opt.Archive.Messages(ctx, s.ID, 1, 1000)
	require.NoError(t, err)
	require.Len(t, list, 302)
	require.Equal(t, "3-0", b.store.Redis.XRangeN(ctx, p.Log(s.ID), "-", "+", 1).Val()[0].ID, "nothing of it is trimmed")
}

// An ended session leaves Redis an hour after its end, and is found all the same.
func TestAnEndedSessionMovesToTheArchive(t *testing.T) {
	testenv.EachShared(t, func(t *testing.T, url string) {
		b := startNode(t, url, soon, func(o *Options) { o.expire = 300 * time.Millisecond })
		q, ctx := name("q"), t.Context()
		uma, ann, eve := user(t, b, name("uma")), agent(t, b, name("ann"), q), user(t, b, name("eve"))
		s := uma.open(q)
		ann.grab(s.ID)
		uma.send(s.ID, "one")
		live := uma.open(name("q"))
		ended, err := b.End(ctx, uma.Actor, chat.EndRequest{Session: s.ID, Reason: "done"})
		require.NoError(t, err)
		p, _ := b.store.Of(s.ID)
		require.Eventually(t, func() bool { return b.store.Redis.Exists(ctx, p.Session(s.ID), p.Log(s.ID), p.Keys(s.ID)).Val() == 0 },
			20*time.Second, 20*time.Millisecond)

		got, err := b.sessions.Session(ctx, uma.Actor, s.ID)
		require.NoError(t, err)
		require.Equal(t, ended, got)
		_, err = b.sessions.Session(ctx, eve.Actor, s.ID)
		code(t, chat.CodeForbidden, err)
		require.Len(t, history(t, b, ann.Actor, s.ID, 2), int(ended.Seq))
		for _, a := range []chat.Actor{uma.Actor, ann.Actor} {
			list, err := b.sessions.Sessions(ctx, a, chat.SessionsRequest{States: []chat.State{chat.Ended}})
			require.NoError(t, err)
			require.Len(t, list.Sessions, 1)
			require.Equal(t, s.ID, list.Sessions[0].ID)
		}
		list, err := b.sessions.Sessions(ctx, uma.Actor, chat.SessionsRequest{Limit: 1})
		require.NoError(t, err)
		require.Equal(t, live.ID, list.Sessions[0].ID)
		list, err = b.sessions.Sessions(ctx, uma.Actor, chat.SessionsRequest{Limit: 1, Cursor: list.Cursor})
		require.NoError(t, err)
		require.Equal(t, s.ID, list.Sessions[0].ID)
		require.Empty(t, list.Cursor)

		_, err = b.Send(ctx, uma.Actor, chat.SendRequest{Session: s.ID, Body: json.RawMessage(`"late"`)})
		code(t, chat.CodeEnded, err)
		_, err = b.Grab(ctx, ann.Actor, s.ID)
		code(t, chat.CodeEnded, err)
		again, err := b.End(ctx, uma.Actor, chat.EndRequest{Session: s.ID})
		require.NoError(t, err)
		require.Equal(t, ended.ID, again.ID)
		_, err = b.End(ctx, eve.Actor, chat.EndRequest{Session: s.ID})
		code(t, chat.CodeForbidden, err)

		t.Log("a read mark brings it back, and goes to the archive")
		r, err := b.Read(ctx, ann.Actor, s.ID, 99)
		require.NoError(t, err)
		require.Equal(t, chat.ReadReply{Unread: 0, ReadSeq: ended.Seq}, r)
		require.Eventually(t, func() bool {
			d, err := b.opt.Archive.Session(ctx, s.ID)
			return err == nil && d.Read["a:"+ann.ID] == ended.Seq
		}, 10*time.Second, 20*time.Millisecond)
	})
}

// An ended session stays in Redis as long as the archive lacks anything of it.
func TestNothingUnarchivedExpires(t *testing.T) {
	testenv.EachShared(t, func(t *testing.T, url string) {
		b := startNode(t, url, func(o *Options) { o.NoArchiver, o.expire = true, time.Nanosecond })
		ctx, uma := t.Context(), user(t, b, name("uma"))
		s := uma.open(name("q"))
		ended, err := b.End(ctx, uma.Actor, chat.EndRequest{Session: s.ID})
		require.NoError(t, err)
		p, _ := b.store.Of(s.ID)
		expires := func(fields ...any) bool {
			require.NoError(t, b.store.Redis.HSet(ctx, p.Session(s.ID), fields...).Err())
			require.NoError(t, b.archiver.Expire(ctx, p, s.ID))
			return b.store.Redis.Exists(ctx, p.Session(s.ID), p.Log(s.ID)).Val() == 0
		}
		require.False(t, expires("archived", ended.Seq), "what is dirty has changed since")
		require.NoError(t, b.store.Redis.ZRem(ctx, p.Dirty(), s.ID).Err())
		require.False(t, expires("archived", ended.Seq-1), "a message")
		require.False(t, expires("archived", ended.Seq, "aside", "1"), "one that was refused")
		require.False(t, expires("aside", "", "recalls", "1,"), "a recall")
		require.False(t, expires("recalls", "", "state", string(chat.Serving)), "one that has not ended")
		require.True(t, expires("state", string(chat.Ended)))
	})
}

// The archive is cut off under load and comes back: nothing is lost or doubled,
// the chat does not notice.
func TestTheArchiveIsCutOff(t *testing.T) {
	server := testenv.MongoOnPostgres(t) // four times as fast as over SQLite, at what was kept
	proxy := testenv.Proxy(t, server.Addr())
	ctx := t.Context()
	store, err := mongo.Open(ctx, "mongodb://"+proxy.Addr()+"/cut?serverSelectionTimeoutMS=10000")
	require.NoError(t, err)
	t.Cleanup(func() { _ = store.Close() })
	url := testenv.Redis(t).URL()
	b := startNode(t, url, func(o *Options) { o.Archive = store })
	const sessions, perSecond, length = 20, 500, 30 * time.Second
	var parties [sessions]*party
	var ids [sessions]string
	for i := range parties {
		parties[i] = user(t, b, name("uma"))
		ids[i] = parties[i].open(name("q")).ID
	}
	proxy.Cut()
	sent, slowest := 0, time.Duration(0)
	tick := time.NewTicker(time.Second / perSecond)
	defer tick.Stop()
	for end := time.Now().Add(length); time.Now().Before(end); sent++ {
		<-tick.C
		began := time.Now()
		parties[sent%sessions].send(ids[sent%sessions], fmt.Sprint(sent))
		slowest = max(slowest, time.Since(began))
	}
	lag, err := b.Lag(ctx)
	require.NoError(t, err)
	require.Greater(t, lag.Seconds, int64(20))
	require.Greater(t, lag.Messages, int64(sent/2))
	require.Less(t, slowest, 2*time.Second, "the chat waits for nothing of this")
	proxy.Restore()
	require.Eventually(t, func() bool {
		lag, err = b.Lag(ctx)
		return err == nil && lag.Messages == 0 && lag.Sessions == 0
	}, 3*time.Minute, 500*time.Millisecond, "%+v", lag)
	t.Logf("%d messages, slowest acknowledgement %s", sent, slowest)
	for i, id := range ids {
		want := sent / sessions
		if i < sent%sessions {
			want++
		}
		list, err := store.Messages(ctx, id, 1, int64(want)+10)
		require.NoError(t, err)
		texts := 0 // a system message tells those who wait for long
		for k, m := range list {
			require.EqualValues(t, k+1, m.Seq)
			if m.Type == chat.TypeText {
				texts++
			}
		}
		require.Equal(t, want, texts)
	}
	clean(t, b)
}

// Redis out of memory: sends are refused whole, and taken again once the archive has caught up.
func TestRedisIsFull(t *testing.T) {
	server := testenv.Redis(t, "--maxmemory", "12mb", "--maxmemory-policy", "noeviction")
	store := &saboteur{Archive: archiveOf(t, server.URL())}
	b := startNode(t, server.URL(), soon, func(o *Options) { o.Archive = store })
	ctx := t.Context()
	store.set(func() error { return errAway }, nil)
	uma := user(t, b, name("uma"))
	s := uma.open(name("q"))
	body, sent := json.RawMessage(chat.Quote(strings.Repeat("x", 4000))), int64(1)
	var err error
	for range 10000 {
		if _, err = b.Send(ctx, uma.Actor, chat.SendRequest{Session: s.ID, Body: body}); err != nil {
			break
		}
		sent++
	}
	code(t, chat.CodeOverloaded, err)
	st, err := b.sessions.Look(ctx, s.ID)
	require.NoError(t, err)
	require.Equal(t, sent, st.Seq)
	require.Empty(t, auditSession(ctx, t, b, b.store.Parts[b.store.Home(uma.ID).Index], st))
	store.set(nil, nil)
	require.Eventually(t, func() bool {
		_, err := b.Send(ctx, uma.Actor, chat.SendRequest{Session: s.ID, Body: body})
		return err == nil
	}, time.Minute, 100*time.Millisecond)
	clean(t, b)
}
