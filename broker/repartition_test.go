package broker

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"bellhop/archive"
	"bellhop/archive/sqlite"
	"bellhop/broker/chat"
	"bellhop/broker/internal/store"
	"bellhop/internal/testenv"
)

// movable is a deployment that nodes may leave.
type movable struct {
	t       *testing.T
	url     string
	rdb     redis.UniversalClient
	archive archive.Archive
	there   []*party
}

// deploymentOf is one on a Redis that holds nothing else; named: as an earlier version made it.
func deploymentOf(t *testing.T, url string, named int) *movable {
	t.Helper()
	file, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "archive.db"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = file.Close() })
	d := &movable{t: t, url: url, rdb: testenv.Client(t, url), archive: file}
	if named > 0 {
		require.NoError(t, d.rdb.Set(t.Context(), store.PartitionsKey, named, 0).Err())
	}
	return d
}

func (d *movable) options() Options {
	rdb, err := Dial(d.url)
	require.NoError(d.t, err)
	d.t.Cleanup(func() { _ = rdb.Close() })
	return Options{Redis: rdb, SendRate: -1, ListRate: -1, ReadRate: -1, OpenSessions: -1, Archive: d.archive, Log: slog.New(slog.DiscardHandler)}
}

// node starts one; leave stops it.
func (d *movable) node(change ...func(*Options)) (b *Broker, leave func()) {
	d.t.Helper()
	firstNodes.LoadOrStore(d.t.Name(), time.Now())
	o := d.options()
	for _, c := range change {
		c(&o)
	}
	b, err := New(d.t.Context(), o)
	require.NoError(d.t, err)
	var once sync.Once
	leave = func() {
		once.Do(func() {
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			defer cancel()
			for _, p := range d.there {
				p.Conn.Close(ctx)
			}
			d.there = nil
			_ = b.Close(ctx)
			require.Zero(d.t, b.store.Panics())
		})
	}
	d.t.Cleanup(leave)
	return b, leave
}

func (d *movable) repartition(n int) Repartitioned {
	d.t.Helper()
	o := d.options()
	o.Partitions = n
	r, err := Repartition(d.t.Context(), o, RepartitionOptions{Wait: 20 * time.Second})
	require.NoError(d.t, err)
	return r
}

// filling is what a deployment holds, by its commands.
type filling struct {
	waiting, serving, offered, ended, gone []string
	token, revoked                         string
}

func (d *movable) fill(b *Broker) (f filling) {
	t, ctx := d.t, d.t.Context()
	t.Helper()
	say := func(session, who string, role chat.Role, text string) {
		a := chat.Actor{Identity: chat.Identity{Role: role, ID: who}}
		_, err := b.Send(ctx, a, chat.SendRequest{Session: session, Key: "key " + text, Body: json.RawMessage(chat.Quote(text))})
		require.NoError(t, err)
	}
	_, err := b.PutQueue(ctx, host, chat.DefaultQueue("set"))
	require.NoError(t, err)
	_, err = b.PutCanned(ctx, host, chat.Canned{ID: "reply", Shortcut: "hi", Title: "Hi", Text: "Hello"})
	require.NoError(t, err)
	f.token, _, err = b.IssueToken(ctx, chat.Identity{Role: chat.RoleUser, ID: "tom"}, time.Hour)
	require.NoError(t, err)
	f.revoked, _, err = b.IssueToken(ctx, chat.Identity{Role: chat.RoleUser, ID: "rob"}, time.Hour)
	require.NoError(t, err)
	require.NoError(t, b.RevokeParticipant(ctx, chat.RoleUser, "rob"))
	for i := range 60 {
		user, ann := fmt.Sprint("uma", i), fmt.Sprint("ann", i%7)
		s, err := b.Open(ctx, host, chat.OpenRequest{User: chat.Person{ID: user, Name: "Uma"}, Queue: []string{"set", "made up"}[i%2]})
		require.NoError(t, err)
		for j := range 3 {
			say(s.ID, user, chat.RoleUser, fmt.Sprint(j))
		}
		a := chat.Actor{Identity: chat.Identity{Role: chat.RoleAgent, ID: ann, Queues: []string{"set", "made up"}, Capacity: 50}}
		if i%5 == 0 {
			f.waiting = append(f.waiting, s.ID)
			continue
		}
		_, err = b.Grab(ctx, a, s.ID)
		require.NoError(t, err)
		say(s.ID, ann, chat.RoleAgent, "hello")
		switch i % 5 {
		case 1:
			f.serving = append(f.serving, s.ID)
		case 2:
			_, err = b.Transfer(ctx, a, chat.TransferRequest{Session: s.ID, Agent: fmt.Sprint("bob", i%3)})
			require.NoError(t, err)
			f.offered = append(f.offered, s.ID)
		default:
			_, err = b.End(ctx, host, chat.EndRequest{Session: s.ID})
			require.NoError(t, err)
			if i%5 == 3 {
				f.ended = append(f.ended, s.ID)
			} else {
				f.gone = append(f.gone, s.ID)
			}
		}
	}
	return f
}

func (d *movable) targets(b *Broker) {
	for i := range 3 {
		d.there = append(d.there, agent(d.t, b, fmt.Sprint("bob", i), "set", "made up"))
	}
}

// expire takes sessions out of Redis, as an hour does.
func (d *movable) expire(b *Broker, ids []string) {
	ctx := d.t.Context()
	for _, id := range ids {
		p, _ := b.store.Of(id)
		eventually(d.t, func() bool {
			require.NoError(d.t, b.store.Redis.HSet(ctx, p.Session(id), "ended", 1).Err())
			_ = b.archiver.Expire(ctx, p, id)
			return b.store.Redis.Exists(ctx, p.Session(id)).Val() == 0
		})
	}
}

// check looks whether all is there.
func (d *movable) check(b *Broker, f filling, said int64) {
	t, ctx := d.t, d.t.Context()
	t.Helper()
	is := func(list []string, state chat.State, seq int64, where string) {
		t.Helper()
		for _, id := range list {
			s, err := b.Session(ctx, host, id)
			require.NoError(t, err, "%s %s", where, id)
			if state != chat.Transferring || s.State != chat.Serving { // an offer's time may be over
				require.Equal(t, state, s.State, "%s %s", where, id)
			}
			h, err := b.History(ctx, host, chat.HistoryRequest{Session: id, After: 0, Before: -1, Limit: 200})
			require.NoError(t, err)
			require.GreaterOrEqual(t, int64(len(h.Messages)), seq, "%s %s", where, id)
			for i, m := range h.Messages {
				require.EqualValues(t, i+1, m.Seq)
			}
		}
	}
	is(f.waiting, chat.Waiting, 4+said, "waiting")
	is(f.serving, chat.Serving, 6+said, "serving")
	is(f.offered, chat.Transferring, 6+said, "offered")
	is(f.ended, chat.Ended, 7, "ended")
	is(f.gone, chat.Ended, 7, "gone")
	id, err := b.Authenticate(ctx, f.token)
	require.NoError(t, err)
	require.Equal(t, "tom", id.ID)
	_, err = b.Authenticate(ctx, f.revoked)
	require.Error(t, err)
	c, err := b.Canned(ctx, host, "reply")
	require.NoError(t, err)
	require.Equal(t, "Hello", c.Text)
	require.True(t, b.settings.Known("set"))
	n, err := b.waiting.UpTo(ctx, "set", -1)
	require.NoError(t, err)
	m, err := b.waiting.UpTo(ctx, "made up", -1)
	require.NoError(t, err)
	require.Len(t, append(n, m...), len(f.waiting))
	found, err := b.Search(ctx, host, chat.SearchRequest{Query: "hello"})
	require.NoError(t, err)
	require.NotEmpty(t, found.Messages)
	clean(t, b)
}

// done brings a repartition that was stopped to its end, and finds all that was there, and that it goes on.
func (d *movable) done(n int, f filling) {
	d.t.Helper()
	d.repartition(n)
	d.nothingLeft(n)
	b, leave := d.node()
	d.targets(b)
	d.goOn(b, f, "afterwards")
	d.check(b, f, 1)
	leave()
}

// goOn says one more thing in each open session, and repeats one said before.
func (d *movable) goOn(b *Broker, f filling, text string) {
	t, ctx := d.t, d.t.Context()
	t.Helper()
	for _, list := range [][]string{f.waiting, f.serving, f.offered} {
		for _, id := range list {
			s, err := b.Session(ctx, host, id)
			require.NoError(t, err)
			a := chat.Actor{Identity: chat.Identity{Role: chat.RoleUser, ID: s.User.ID}}
			r, err := b.Send(ctx, a, chat.SendRequest{Session: id, Key: "key 1", Body: json.RawMessage(`"1"`)})
			require.NoError(t, err)
			require.True(t, r.Duplicate, "a key of before is known")
			r, err = b.Send(ctx, a, chat.SendRequest{Session: id, Key: text, Body: json.RawMessage(chat.Quote(text))})
			require.NoError(t, err)
			require.False(t, r.Duplicate)
		}
	}
}

// A deployment of an earlier version, and one of this, gets more partitions, and then fewer; all that
// was there is there, and sessions of all times go on: those in Redis, and those in the archive.
func TestAnotherNumberOfPartitions(t *testing.T) {
	for name, url := range map[string]func() string{
		"redis":   func() string { return testenv.Redis(t).URL() },
		"cluster": func() string { return testenv.Cluster(t).URL() },
	} {
		for _, named := range []int{16, 0} {
			t.Run(fmt.Sprint(name, named), func(t *testing.T) {
				ctx := t.Context()
				d := deploymentOf(t, url(), named)
				few := func(o *Options) {
					if named == 0 {
						o.FirstPartitions = 5
					}
				}
				b, leave := d.node(few)
				d.targets(b)
				f := d.fill(b)
				d.expire(b, f.gone[:8])
				d.check(b, f, 0)
				leave()

				d.repartition(64)
				b, leave = d.node()
				require.Len(t, b.store.Parts, 64)
				d.targets(b)
				d.check(b, f, 0)
				d.goOn(b, f, "after the first")
				d.check(b, f, 1)
				s, err := b.Open(ctx, host, chat.OpenRequest{User: chat.Person{ID: "new"}, Queue: "set"})
				require.NoError(t, err)
				// What has left Redis can be read, marked, and taken up again.
				gone := f.gone[0]
				g, err := b.Session(ctx, host, gone)
				require.NoError(t, err)
				a := chat.Actor{Identity: chat.Identity{Role: chat.RoleUser, ID: g.User.ID}}
				r, err := b.Read(ctx, a, gone, 6)
				require.NoError(t, err)
				require.EqualValues(t, 6, r.ReadSeq)
				_, err = b.Label(ctx, host, LabelRequest{Session: f.gone[1], Add: []string{"old"}})
				require.NoError(t, err)
				leave()

				d.repartition(7)
				b, leave = d.node()
				require.Len(t, b.store.Parts, 7)
				d.targets(b)
				d.goOn(b, f, "after the second")
				_, err = b.End(ctx, host, chat.EndRequest{Session: s.ID})
				require.NoError(t, err)
				d.check(b, f, 2)
				leave()
				d.nothingLeft(7)
			})
		}
	}
}

// nothingLeft looks whether only what is of use is in Redis, and what keeps nodes of before away.
func (d *movable) nothingLeft(partitions int) {
	t, ctx := d.t, d.t.Context()
	t.Helper()
	r, err := store.ReadRecord(ctx, d.rdb)
	require.NoError(t, err)
	require.Equal(t, partitions, r.Partitions)
	require.Nil(t, r.Next)
	require.Empty(t, r.Clean)
	now := map[string]bool{}
	for _, p := range r.Parts() {
		now[p.Tag] = true
	}
	keys, err := store.Scan(ctx, d.rdb, "*")
	require.NoError(t, err)
	for _, key := range keys {
		_, _, frozen := store.Thawed(key)
		require.False(t, frozen, key)
		if tag, _, ok := store.Tagged(key); ok && !now[tag] {
			require.Equal(t, "list", d.rdb.Type(ctx, key).Val(), key)
		}
	}
}
