package store_test

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"bellhop/broker/chat"
	"bellhop/broker/internal/store"
	"bellhop/broker/internal/store/storetest"
	"bellhop/internal/testenv"
)

// mailbox are sessions of one partition, in which one user and one agent write.
type mailbox struct {
	t     *testing.T
	s     *store.Store
	p     store.Partition
	sends *store.Together
	n     int
}

func newMailbox(t *testing.T, url string, sessions int) *mailbox {
	s := storetest.Open(t, url, 4)
	s.Begin(t.Context())
	t.Cleanup(s.Tasks.Wait)
	t.Cleanup(s.Stop)
	m := &mailbox{t: t, s: s, p: s.Parts[1], n: sessions, sends: store.NewTogether(s, "send", func(p store.Partition) []string {
		return []string{p.Timers(), p.Dirty(), p.States(), p.Stats()}
	})}
	for i := range sessions {
		id := m.id(i)
		require.NoError(t, s.Redis.HSet(t.Context(), m.p.Session(id), "state", "serving", "seq", 0, "ops", "op1,", "queue", "q", "created", 1, "c:u:uma", 1,
			"c:a:ann", 16).Err())
		require.NoError(t, s.Redis.HSet(t.Context(), m.p.Unread(id), "u:uma", 0, "a:ann", 0).Err())
	}
	return m
}

func (m *mailbox) id(i int) string { return fmt.Sprintf("01-%026d", i) }

// send gives the seq that a message got.
func (m *mailbox) send(ctx context.Context, session, by, key, op, other string) (store.Reply, error) {
	p := m.p
	keys := []string{p.Session(session), p.Log(session), p.Unread(session), p.Read(session), p.Authors(session), p.Keys(session), p.Rate("send", by)}
	return m.sends.Run(ctx, p, keys, session, by, store.KeyHash(by, key, key), key, `"mid":"`+key+`"`, `"x"`, "m", "", 0, 0, 0, "", op, other)
}

func (m *mailbox) unread(session, who string) int {
	n, err := m.s.Redis.HGet(m.t.Context(), m.p.Unread(session), who).Int()
	require.NoError(m.t, err)
	return n
}

// Calls of many callers at once each get their own answer, and cost fewer runs than there are.
func TestManyCallsTogether(t *testing.T) {
	redis := testenv.Redis(t)
	m := newMailbox(t, redis.URL(), 20)
	const each = 40
	require.NoError(t, redis.Client().ConfigResetStat(t.Context()).Err())
	var wg sync.WaitGroup
	for i := range m.n {
		for k := range each {
			wg.Go(func() {
				by, other := "u:uma", "a:ann"
				if k%2 == 1 {
					by, other = other, by
				}
				op := []string{"", "op1", "op0"}[k%3] // not known, known, and known otherwise
				r, err := m.send(t.Context(), m.id(i), by, "k"+strconv.Itoa(k), op, other)
				if err != nil || r.Str(0) != "ok" {
					t.Errorf("send: %v %v", r, err)
				}
			})
		}
	}
	wg.Wait()
	for i := range m.n {
		entries, err := m.s.Redis.XRange(t.Context(), m.p.Log(m.id(i)), "-", "+").Result()
		require.NoError(t, err)
		require.Len(t, entries, each)
		for n, e := range entries {
			require.Equal(t, strconv.Itoa(n+1)+"-0", e.ID)
		}
		require.Equal(t, each/2, m.unread(m.id(i), "u:uma"))
		require.Equal(t, each/2, m.unread(m.id(i), "a:ann"))
	}
	dirty, err := m.s.Redis.ZCard(t.Context(), m.p.Dirty()).Result()
	require.NoError(t, err)
	require.EqualValues(t, m.n, dirty)
	require.Less(t, testenv.Commands(t, redis.Client())["evalsha"], m.n*each/2)
}

// Who is thought to see a message, by a node that does not know of the last transition, is looked up.
func TestOldKnowledgeOfWhoTakesPart(t *testing.T) {
	m := newMailbox(t, testenv.Redis(t).URL(), 1)
	id := m.id(0)
	require.NoError(t, m.s.Redis.HSet(t.Context(), m.p.Session(id), "ops", "op2,op1,").Err())
	require.NoError(t, m.s.Redis.HDel(t.Context(), m.p.Unread(id), "a:ann").Err())
	require.NoError(t, m.s.Redis.HSet(t.Context(), m.p.Unread(id), "a:bea", 0).Err())
	for n, op := range []string{"op1", "op", "op2,op", ""} {
		_, err := m.send(t.Context(), id, "u:uma", "k"+strconv.Itoa(n), op, "a:ann")
		require.NoError(t, err)
	}
	all, err := m.s.Redis.HGetAll(t.Context(), m.p.Unread(id)).Result()
	require.NoError(t, err)
	require.Equal(t, map[string]string{"u:uma": "0", "a:bea": "4"}, all)
	r, err := m.send(t.Context(), id, "a:ann", "gone", "op1", "u:uma")
	require.NoError(t, err)
	require.Equal(t, "dup", m.again(id, "u:uma", "k0").Str(0))
	require.Equal(t, "forbidden", r.Str(0))
}

func (m *mailbox) again(session, by, key string) store.Reply {
	r, err := m.send(m.t.Context(), session, by, key, "", "")
	require.NoError(m.t, err)
	return r
}

// A call that fails in the middle fails alone.
func TestOneOfManyCallsFails(t *testing.T) {
	m := newMailbox(t, testenv.Redis(t).URL(), 30)
	require.NoError(t, m.s.Redis.Set(t.Context(), m.p.Unread(m.id(7)), "no hash", 0).Err())
	require.NoError(t, m.s.Redis.Del(t.Context(), m.p.Session(m.id(8))).Err())
	var wg sync.WaitGroup
	for i := range m.n {
		for k := range 10 {
			wg.Go(func() {
				r, err := m.send(t.Context(), m.id(i), "u:uma", "k"+strconv.Itoa(k), "", "")
				switch i {
				case 7:
					if err == nil || chat.AsError(err).Code != chat.CodeInternal {
						t.Errorf("of a session that is broken: %v %v", r, err)
					}
				case 8:
					if err != nil || r.Str(0) != "not_found" {
						t.Errorf("of a session that is not there: %v %v", r, err)
					}
				default:
					if err != nil || r.Str(0) != "ok" {
						t.Errorf("send: %v %v", r, err)
					}
				}
			})
		}
	}
	wg.Wait()
	require.Equal(t, 10, m.unread(m.id(9), "a:ann"))
}

// A caller that does not wait any longer goes, and the others' answers come.
func TestACallerGoesAway(t *testing.T) {
	redis := testenv.Redis(t)
	m := newMailbox(t, redis.URL(), 2)
	gone, cancel := context.WithCancel(t.Context())
	require.NoError(t, redis.Client().Do(t.Context(), "CLIENT", "PAUSE", 400, "ALL").Err())
	impatient := make(chan error, 1)
	go func() {
		_, err := m.send(gone, m.id(0), "u:uma", "k", "", "")
		impatient <- err
	}()
	patient := make(chan error, 1)
	go func() {
		_, err := m.send(t.Context(), m.id(1), "u:uma", "k", "", "")
		patient <- err
	}()
	cancel()
	storetest.Code(t, chat.CodeUnavailable, <-impatient)
	require.NoError(t, <-patient)
	require.Eventually(t, func() bool {
		r, err := m.send(t.Context(), m.id(0), "u:uma", "k", "", "")
		return err == nil && (r.Str(0) == "dup" || r.Str(0) == "ok")
	}, 5*time.Second, 10*time.Millisecond)
	require.Equal(t, 1, m.unread(m.id(0), "a:ann"), "once, whether its caller waited or not")
}

// A wrong number of keys or arguments is the caller's mistake alone.
func TestACallThatDoesNotFit(t *testing.T) {
	m := newMailbox(t, testenv.Redis(t).URL(), 1)
	_, err := m.sends.Run(t.Context(), m.p, []string{m.p.Session(m.id(0))}, "x")
	require.ErrorContains(t, err, "each call brings 7 and 15")
	r, err := m.send(t.Context(), m.id(0), "u:uma", "k", "", "")
	require.NoError(t, err)
	require.Equal(t, "ok", r.Str(0))
}
