package broker

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"bellhop/archive"
	"bellhop/broker/chat"
	"bellhop/broker/internal/sessions"
	"bellhop/internal/testenv"
)

// readers is a session with one of each: who takes or took part, and bea and eve, who never did.
type readers struct {
	*testing.T
	b                            *Broker
	session                      string
	word                         string // in one message, said after bea declined
	uma, ann, bea, cay, dan, eve *party
}

func newReaders(t *testing.T, b *Broker) *readers {
	ctx, q := t.Context(), name("q")
	r := &readers{T: t, b: b, word: "w" + strings.ReplaceAll(name("word"), "-", "x"), uma: user(t, b, name("uma")), ann: agent(t, b, name("ann"), q),
		bea: agent(t, b, name("bea"), q), cay: agent(t, b, name("cay"), q), dan: agent(t, b, name("dan"), q), eve: agent(t, b, name("eve"), q)}
	r.session = r.uma.open(q).ID
	r.ann.grab(r.session)
	must := func(_ chat.Session, err error) { t.Helper(); require.NoError(t, err) }
	must(b.Join(ctx, r.cay.Actor, r.session, false))
	must(b.Leave(ctx, r.cay.Actor, r.session))
	must(b.Transfer(ctx, r.ann.Actor, chat.TransferRequest{Session: r.session, Agent: r.eve.ID}))
	must(b.Decline(ctx, r.eve.Actor, r.session, ""))
	must(b.Transfer(ctx, r.ann.Actor, chat.TransferRequest{Session: r.session, Agent: r.bea.ID}))
	require.NoError(t, b.sessions.Readable(ctx, r.bea.Actor, r.session), "the target may")
	must(b.Decline(ctx, r.bea.Actor, r.session, "he shouts"))
	r.uma.send(r.session, r.word)
	must(b.Transfer(ctx, r.ann.Actor, chat.TransferRequest{Session: r.session, Agent: r.dan.ID}))
	must(b.Accept(ctx, r.dan.Actor, r.session))
	return r
}

// asBefore makes the session's data what an earlier version left.
func (r *readers) asBefore() {
	r.Helper()
	p, _ := r.b.store.Of(r.session)
	fields, err := r.b.store.Redis.HKeys(r.Context(), p.Session(r.session)).Result()
	require.NoError(r, err)
	fields = slices.DeleteFunc(fields, func(f string) bool { return !strings.HasPrefix(f, "m:") })
	if len(fields) > 0 {
		require.NoError(r, r.b.store.Redis.HDel(r.Context(), p.Session(r.session), fields...).Err())
	}
	require.NoError(r, r.b.store.Redis.ZAdd(r.Context(), r.b.store.Home(r.bea.ID).Listed("a:"+r.bea.ID), z(r.session)).Err())
}

// check asks in every way there is.
func (r *readers) check(archived bool) {
	r.Helper()
	ctx := r.Context()
	for _, p := range []*party{r.bea, r.eve, r.uma, r.ann, r.cay, r.dan} {
		may := p != r.bea && p != r.eve
		want := func(what string, err error) {
			r.Helper()
			if may {
				require.NoError(r, err, "%s: %s", p.ID, what)
			} else {
				require.Error(r, err, "%s: %s", p.ID, what)
				require.Equal(r, chat.CodeForbidden, chat.AsError(err).Code, "%s: %s", p.ID, what)
			}
		}
		_, err := r.b.sessions.Session(ctx, p.Actor, r.session)
		want("the session", err)
		page, err := r.b.History(ctx, p.Actor, chat.HistoryRequest{Session: r.session, After: -1, Before: -1})
		want("history", err)
		require.Equal(r, may, len(page.Messages) > 0)
		list, err := r.b.sessions.Sessions(ctx, p.Actor, chat.SessionsRequest{})
		require.NoError(r, err)
		require.Equal(r, may, slices.ContainsFunc(list.Sessions, func(s chat.Session) bool { return s.ID == r.session }), "list of %s", p.ID)
		if p.Role.Staff() {
			of, err := r.b.sessions.Sessions(ctx, host, chat.SessionsRequest{Agent: p.ID})
			require.NoError(r, err)
			require.Equal(r, may, slices.ContainsFunc(of.Sessions, func(s chat.Session) bool { return s.ID == r.session }), "list by agent %s", p.ID)
			_, err = r.b.User(ctx, p.Actor, r.uma.ID)
			want("the user's card", err)
		}
		if archived {
			found, err := r.b.sessions.Search(ctx, p.Actor, chat.SearchRequest{Query: r.word})
			require.NoError(r, err)
			require.Equal(r, may, len(found.Messages) == 1, "search by %s", p.ID)
		}
	}
}

// Whoever declined an offer may not read on, with or without a reason, live and archived, also in
// data of versions that took a note's author for one who took part. Those who did take part may.
func TestWhoDeclinedReadsNoMore(t *testing.T) {
	testenv.EachShared(t, func(t *testing.T, url string) {
		b := startNode(t, url, soon, func(o *Options) { o.expire = 4 * time.Second })
		for what, old := range map[string]bool{"now": false, "as before": true} {
			t.Run(what, func(t *testing.T) {
				ctx, r := t.Context(), newReaders(t, b)
				before := func() {
					if old {
						r.asBefore()
					}
				}
				before()
				r.check(false)
				before()
				_, err := b.Leave(ctx, r.bea.Actor, r.session)
				code(t, chat.CodeForbidden, err)
				before()
				_, err = b.Leave(ctx, r.cay.Actor, r.session)
				require.NoError(t, err, "asked again")
				before()
				archived(t, b, r.session)
				require.NoError(t, b.archiver.Flush(ctx))
				r.check(true)
				before()
				_, err = b.End(ctx, r.uma.Actor, chat.EndRequest{Session: r.session})
				require.NoError(t, err)
				before()
				_, err = b.Label(ctx, r.bea.Actor, LabelRequest{Session: r.session, Add: []string{"x"}})
				code(t, chat.CodeForbidden, err)
				before()
				_, err = b.Label(ctx, r.ann.Actor, LabelRequest{Session: r.session, Add: []string{"x"}})
				require.NoError(t, err)
				before()
				r.check(true)
				archived(t, b, r.session) // the archiver must not be at it while the data are made old by hand
				before()
				p, _ := b.store.Of(r.session)
				require.NoError(t, b.store.Redis.HIncrBy(ctx, p.Session(r.session), "rev", 1).Err())
				require.NoError(t, b.store.Redis.ZAdd(ctx, p.Dirty(), z(r.session)).Err())
				shelve(t, b, r.session)
				st, err := b.sessions.Shelved(ctx, r.session)
				require.NoError(t, err)
				require.Equal(t, old, st.Unsure["a:"+r.bea.ID])
				r.check(true)
				for _, p := range []*party{r.bea, r.eve, r.ann} {
					_, err = b.Transfer(ctx, p.Actor, chat.TransferRequest{Session: r.session, Queue: "other"})
					code(t, chat.CodeForbidden, err)
				}
				_, err = b.Label(ctx, r.bea.Actor, LabelRequest{Session: r.session, Add: []string{"y"}})
				code(t, chat.CodeForbidden, err)
				require.NoError(t, b.revive(ctx, r.session))
				r.check(true)
			})
		}
		clean(t, b)
	})
}

// However many messages of one session a page of a search holds, they are one session's.
func TestASearchJudgesASessionOnce(t *testing.T) {
	b := startNode(t, testenv.Redis(t).URL(), soon)
	r := newReaders(t, b)
	page := make([]archive.Message, 1<<13)
	for i := range page {
		page[i].Session = r.session
	}
	for a, strange := range map[*party]bool{r.ann: false, r.bea: true} {
		found, err := sessions.NewReader(b.store, &onePage{Archive: b.opt.Archive, page: page}, "").Search(t.Context(), a.Actor, chat.SearchRequest{Query: "word"})
		require.NoError(t, err)
		require.Equal(t, strange, len(found.Messages) == 0, a.ID)
	}
}

// onePage is an archive of which a search finds one page.
type onePage struct {
	archive.Archive
	page []archive.Message
}

func (o *onePage) Search(context.Context, archive.SearchQuery) ([]archive.Message, error) {
	page := o.page
	o.page = nil
	return page, nil
}

// Whoever declined is told so again, and nothing of what became of the session.
func TestWhoDeclinedAgainLearnsNothing(t *testing.T) {
	testenv.EachShared(t, func(t *testing.T, url string) {
		ctx, b, q := t.Context(), startNode(t, url), name("q")
		uma, ann, bea := user(t, b, name("uma")), agent(t, b, name("ann"), q), agent(t, b, name("bea"), q)
		id := uma.open(q).ID
		ann.grab(id)
		_, err := b.Transfer(ctx, ann.Actor, chat.TransferRequest{Session: id, Agent: bea.ID})
		require.NoError(t, err)
		_, err = b.Decline(ctx, bea.Actor, id, "no")
		require.NoError(t, err)
		uma.send(id, "later")
		_, err = b.Label(ctx, ann.Actor, LabelRequest{Session: id, Add: []string{"fraud"}})
		require.NoError(t, err)

		again, err := b.Decline(ctx, bea.Actor, id, "no")
		require.NoError(t, err)
		require.Equal(t, id, again.ID)
		require.Equal(t, uma.ID, again.User.ID)
		require.Empty(t, again.Labels)
		require.Zero(t, again.Rev, "older than whatever a client holds")
		require.Zero(t, again.Seq)
		require.Nil(t, again.Agent)
		require.NotNil(t, again.Assistants, "[] on the wire")
	})
}

// Who declined and takes the session later finds in it what was said before.
func TestWhoDeclinedAndThenTookIt(t *testing.T) {
	b := startNode(t, testenv.Shared(t, testenv.EngineRedis), soon)
	ctx, r := t.Context(), newReaders(t, b)
	archived(t, b, r.session)
	require.NoError(t, b.archiver.Flush(ctx))
	_, err := b.Transfer(ctx, r.dan.Actor, chat.TransferRequest{Session: r.session, Agent: r.bea.ID})
	require.NoError(t, err)
	_, err = b.Accept(ctx, r.bea.Actor, r.session)
	require.NoError(t, err)
	archived(t, b, r.session)
	require.NoError(t, b.archiver.Flush(ctx))
	found, err := b.sessions.Search(ctx, r.bea.Actor, chat.SearchRequest{Query: r.word})
	require.NoError(t, err)
	require.Len(t, found.Messages, 1)
	clean(t, b)
}

// A supervisor who whispered and is one no more reads no more.
func TestWhoWhisperedReadsNoMore(t *testing.T) {
	b := startNode(t, testenv.Shared(t, testenv.EngineRedis), soon)
	ctx, r := t.Context(), newReaders(t, b)
	sue := chat.Identity{Role: chat.RoleSupervisor, ID: name("sue"), Queues: []string{}}
	_, err := b.Whisper(ctx, chat.Actor{Identity: sue}, WhisperRequest{Session: r.session, Text: "offer a refund"})
	require.NoError(t, err)
	require.NoError(t, b.sessions.Readable(ctx, chat.Actor{Identity: sue}, r.session))
	sue.Role = chat.RoleAgent
	for range 2 {
		code(t, chat.CodeForbidden, b.sessions.Readable(ctx, chat.Actor{Identity: sue}, r.session))
		r.asBefore()
	}
}

func z(member string) redis.Z { return redis.Z{Score: float64(time.Now().UnixMilli()), Member: member} }
