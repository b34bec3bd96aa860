package broker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"bellhop/archive"
	"bellhop/broker/chat"
	"bellhop/broker/internal/archiving"
	"bellhop/broker/internal/places"
	"bellhop/broker/internal/store"
	"bellhop/internal/testenv"
)

// a write of the archiver's that was in flight while Redis fell back lands after the comparison.
func TestAnEndWithTheArchiverCaughtByAFallBack(t *testing.T) { TestAnArchiverCaughtByAFallBack(t) }

func TestAnArchiverCaughtByAFallBack(t *testing.T) {
	server := newFallible(t)
	no := func(o *Options) { o.NoArchiver = true }
	nodes := []*Broker{startNode(t, server.URL(), no), startNode(t, server.URL(), no)}
	a, ctx, q := nodes[0], t.Context(), name("q")
	ann, uma := agent(t, a, name("ann"), q), user(t, a, name("uma"))
	s := uma.open(q)
	ann.grab(s.ID)
	uma.send(s.ID, "kept")
	require.NoError(t, a.archiver.Flush(ctx))
	server.save()
	for range 3 {
		uma.send(s.ID, "old words")
	}
	_, err := a.Label(ctx, ann.Actor, LabelRequest{Session: s.ID, Add: []string{"vip"}})
	require.NoError(t, err)
	_, err = a.Label(ctx, ann.Actor, LabelRequest{Session: s.ID, Add: []string{"vip2"}})
	require.NoError(t, err)
	p, _ := a.store.Of(s.ID)
	late, err := a.archiver.Piece(ctx, store.Collected{Part: p, ID: s.ID, Since: "0", Lease: "1", Until: time.Now().Add(time.Hour)})
	require.NoError(t, err)
	before := seen(nodes)
	server.fall()
	noticed(t, nodes, before, len(a.store.Parts))
	uma.send(s.ID, "new words")
	require.NoError(t, a.archiver.Save(ctx, archiving.Batch{late})) // lands now
	for range 3 {
		require.NoError(t, a.archiver.Flush(ctx))
	}
	if t.Name() == "TestAnEndWithTheArchiverCaughtByAFallBack" {
		_, err := a.End(ctx, uma.Actor, chat.EndRequest{Session: s.ID})
		require.NoError(t, err)
		for range 3 {
			require.NoError(t, a.archiver.Flush(ctx))
		}
		p, _ := a.store.Of(s.ID)
		t.Log("dirty:", a.store.Redis.ZScore(ctx, p.Dirty(), s.ID).Err(), "timers:", a.store.Redis.ZRange(ctx, p.Timers(), 0, -1).Val())
	}
	doc, err := a.opt.Archive.Session(ctx, s.ID)
	require.NoError(t, err)
	t.Log("the archive says:", doc.State)
	st, err := a.sessions.Look(ctx, s.ID)
	require.NoError(t, err)
	msgs, err := a.opt.Archive.Messages(ctx, s.ID, 1, 100)
	require.NoError(t, err)
	for _, m := range msgs {
		t.Log(m.Seq, m.Mid, m.Body, m.Superseded)
	}
	t.Log("archive rev", doc.Rev, "seq", doc.Seq, "redis rev", st.Rev, "seq", st.Seq)
	bad, err := a.audit(ctx, AuditOptions{})
	require.NoError(t, err)
	for _, v := range bad {
		t.Log("audit:", v)
	}
	require.Empty(t, bad)
}

// a connect that a stopped Redis carries out late takes the place of the newer one of its device.
func TestAConnectCarriedOutLate(t *testing.T) {
	b := startNode(t, testenv.Redis(t).URL())
	id := chat.Identity{Role: chat.RoleUser, ID: name("uma")}
	first := connect(t, b, id, "phone")
	second := connect(t, b, id, "phone")
	first.Conn.Close(t.Context())
	require.Zero(t, second.code)
	replaced, err := b.hub.Probe().Register(t.Context(), first.Conn)
	require.NoError(t, err)
	require.True(t, replaced) // what lay in a socket's buffer
	openFor(t, b, name("q"), id.ID)
	second.await("session", inStateOf(chat.Waiting)) // told over the channel that would have told of an end
	second.wire.mu.Lock()
	defer second.wire.mu.Unlock()
	require.Zero(t, second.code, "the live connection was closed")
}

// the answer that says a node is new is lost: its connections stay unregistered.
func TestTheAnswerThatANodeIsNewIsLost(t *testing.T) {
	url := testenv.Redis(t).URL()
	b, s := sabotaged(t, url)
	other := startNode(t, url)
	uma := user(t, b, name("uma"))
	p := b.store.Home(uma.ID)
	var lost atomic.Int64
	s.spoil(nil, func(cmd redis.Cmder) error {
		if running(b, "take", cmd) && cmd.Args()[3] == p.Timers() && other.store.Redis.HLen(context.Background(), p.Conns("u:"+uma.ID)).Val() == 0 && lost.Add(1) == 1 {
			return errSabotage
		}
		return nil
	})
	bury(t, other, p, b.store.Node)
	eventually(t, func() bool {
		return lost.Load() > 0 && other.store.Redis.HLen(t.Context(), p.Conns("u:"+uma.ID)).Val() == 1
	})
}

// an assistant's partition falls back alone.
func TestAnAssistantAfterAFallBack(t *testing.T) {
	server := testenv.Redis(t)
	parts := func(o *Options) { o.Archive, o.Partitions = nil, 2 }
	b := startNode(t, server.URL(), parts)
	ctx, q := t.Context(), name("q")
	in := func(part int) string {
		for {
			if id := name("id"); b.store.Home(id).Index == part {
				return id
			}
		}
	}
	uma := user(t, b, in(0))
	ann := connect(t, b, chat.Identity{Role: chat.RoleAgent, ID: in(0), Queues: []string{q}}, "")
	bea := connect(t, b, chat.Identity{Role: chat.RoleAgent, ID: in(1), Queues: []string{q}}, "")
	s := uma.open(q)
	ann.grab(s.ID)
	eventually(t, func() bool { return b.store.Redis.ZCard(ctx, b.store.Parts[0].Outbox()).Val() == 0 })
	img := imageOf(t, b, b.store.Parts[1])
	_, err := b.Join(ctx, bea.Actor, s.ID, false)
	require.NoError(t, err)
	eventually(t, func() bool { return b.store.Redis.ZCard(ctx, b.store.Parts[0].Outbox()).Val() == 0 })
	beats(t, []*Broker{b}, 2, b.store.Parts[1])
	before := seen([]*Broker{b})
	img.restore(t, b, b.store.Parts[1])
	noticed(t, []*Broker{b}, before, 1)
	clean(t, b)
	st, err := b.sessions.Look(ctx, s.ID)
	require.NoError(t, err)
	require.Contains(t, st.Counts, "a:"+bea.ID)
	again := connect(t, b, chat.Identity{Role: chat.RoleAgent, ID: bea.ID, Queues: []string{q}}, "")
	hello := again.await("hello", nil)
	data, _ := json.Marshal(hello["sessions"])
	require.Contains(t, string(data), s.ID, "hello does not name a session it takes part in")
}

// a session falls back behind what its agents know: what happens afterwards is old to them.
func TestALowerRevAfterAFallBack(t *testing.T) {
	server := testenv.Redis(t)
	parts := func(o *Options) { o.Archive, o.Partitions = nil, 2 }
	b := startNode(t, server.URL(), parts)
	ctx, q := t.Context(), name("q")
	in := func(part int) string {
		for {
			if id := name("id"); b.store.Home(id).Index == part {
				return id
			}
		}
	}
	uma := user(t, b, in(0))
	ann := connect(t, b, chat.Identity{Role: chat.RoleAgent, ID: in(1), Queues: []string{q}}, "")
	s := uma.open(q)
	img := imageOf(t, b, b.store.Parts[0])
	ann.grab(s.ID)
	_, err := b.Transfer(ctx, ann.Actor, chat.TransferRequest{Session: s.ID, Queue: q})
	require.NoError(t, err)
	eventually(t, func() bool { return b.store.Redis.ZCard(ctx, b.store.Parts[0].Outbox()).Val() == 0 })
	beats(t, []*Broker{b}, 2, b.store.Parts[0])
	before := seen([]*Broker{b})
	img.restore(t, b, b.store.Parts[0])
	noticed(t, []*Broker{b}, before, 1)
	clean(t, b)
	ann.grab(s.ID)
	eventually(t, func() bool { return b.store.Redis.ZCard(ctx, b.store.Parts[0].Outbox()).Val() == 0 })
	t.Log(b.store.Redis.HGetAll(ctx, b.store.Parts[1].Mine("a:"+ann.ID)).Val())
	clean(t, b)
	again := connect(t, b, chat.Identity{Role: chat.RoleAgent, ID: ann.ID, Queues: []string{q}}, "")
	hello := again.await("hello", nil)
	data, _ := json.Marshal(hello["sessions"])
	require.Contains(t, string(data), s.ID, "hello does not name a session that it owns")
}

// A place is taken between the two looks of a comparison: it stays.
func TestAPlaceTakenWhileItIsCompared(t *testing.T) {
	url := testenv.Redis(t).URL()
	b, sp := sabotaged(t, url)
	other := startNode(t, url)
	ctx, q := t.Context(), name("q")
	ann := connect(t, other, chat.Identity{Role: chat.RoleAgent, ID: name("ann"), Queues: []string{q}, Capacity: 1}, "")
	s, s2 := user(t, other, name("uma")).open(q), user(t, other, name("uma")).open(q)
	p := b.store.Home(ann.ID)
	held := func() bool {
		return strings.HasSuffix(other.store.Redis.HGet(ctx, p.Load(ann.ID), s.ID).Val(), "|held")
	}
	for _, between := range []func(redis.Cmder) bool{
		func(cmd redis.Cmder) bool { return running(b, "look", cmd) },
		func(cmd redis.Cmder) bool { return running(b, "rectify", cmd) },
		func(cmd redis.Cmder) bool {
			return strings.EqualFold(cmd.Name(), "hget") && cmd.Args()[1] == p.Load(ann.ID)
		},
	} {
		var once sync.Once
		sp.spoil(func(cmd redis.Cmder) error {
			if between(cmd) {
				once.Do(func() {
					ann.grab(s.ID)
					eventually(t, held)
				})
			}
			return nil
		}, nil)
		require.NoError(t, b.places.Rectify(ctx, ann.ID, s.ID, new(places.Rectified)))
		sp.spoil(nil, nil)
		ann.grab(s.ID)
		eventually(t, held)
		_, err := other.Grab(ctx, ann.Actor, s2.ID)
		code(t, chat.CodeFull, err)
		_, err = other.Transfer(ctx, ann.Actor, chat.TransferRequest{Session: s.ID, Queue: q})
		require.NoError(t, err)
	}
	clean(t, b)
}

// a read between the comparison and the revival.
func TestAReadWhileASessionComesBack(t *testing.T) {
	server := newFallible(t)
	b, sp := sabotaged(t, server.URL())
	other := startNode(t, server.URL())
	ctx, q := t.Context(), name("q")
	ann, uma := agent(t, other, name("ann"), q), user(t, other, name("uma"))
	s := uma.open(q)
	ann.grab(s.ID)
	uma.send(s.ID, "kept")
	archived(t, b, s.ID)
	p, _ := b.store.Of(s.ID)
	for _, p := range b.store.Parts {
		require.NoError(t, b.store.Redis.Set(ctx, p.Recovering(), "somebody slow", time.Minute).Err())
	}
	server.save()
	uma.send(s.ID, "lost?")
	archived(t, b, s.ID)
	before := seen([]*Broker{b, other})
	server.fall()
	eventually(t, func() bool { return seen([]*Broker{b})[0] >= before[0]+int64(len(b.store.Parts)) })
	var once sync.Once
	var mark int64
	sp.spoil(func(cmd redis.Cmder) error {
		if running(b, "revive", cmd) {
			once.Do(func() {
				r, err := other.Read(context.Background(), ann.Actor, s.ID, 3)
				require.NoError(t, err)
				mark = r.ReadSeq
			})
		}
		return nil
	}, nil)
	require.NoError(t, b.archiver.Compare(ctx, p, s.ID))
	st, err := b.sessions.Look(ctx, s.ID)
	require.NoError(t, err)
	require.NotZero(t, mark)
	require.GreaterOrEqual(t, st.Marks["a:"+ann.ID], mark, "an acknowledged read mark went back")
}

func inPart(b *Broker, part int) string {
	for {
		if id := name("id"); b.store.Home(id).Index == part {
			return id
		}
	}
}

// an agent's partition falls back to when it held another session, which has ended: the one it has now is its own.
func TestWhatIsHeldForNothingMakesRoom(t *testing.T) {
	server := testenv.Redis(t)
	parts := func(o *Options) { o.Archive, o.Partitions = nil, 2 }
	b := startNode(t, server.URL(), parts)
	ctx, q := t.Context(), name("q")
	x, y := user(t, b, inPart(b, 0)), user(t, b, inPart(b, 0))
	ann := connect(t, b, chat.Identity{Role: chat.RoleAgent, ID: inPart(b, 1), Queues: []string{q}, Capacity: 1}, "")
	sx, sy := x.open(q), y.open(q)
	ann.grab(sx.ID)
	eventually(t, func() bool { return b.store.Redis.ZCard(ctx, b.store.Parts[0].Outbox()).Val() == 0 })
	img := imageOf(t, b, b.store.Parts[1])
	_, err := b.End(ctx, x.Actor, chat.EndRequest{Session: sx.ID})
	require.NoError(t, err)
	ann.grab(sy.ID)
	eventually(t, func() bool { return b.store.Redis.ZCard(ctx, b.store.Parts[0].Outbox()).Val() == 0 })
	beats(t, []*Broker{b}, 2, b.store.Parts[1])
	before := seen([]*Broker{b})
	img.restore(t, b, b.store.Parts[1])
	noticed(t, []*Broker{b}, before, 1)
	st, err := b.sessions.Look(ctx, sy.ID)
	require.NoError(t, err)
	require.Equal(t, chat.Serving, st.State, "its only session was taken from an agent of capacity 1")
}

// the same keys are restored twice.
func TestTwoFallBacksOfOneServer(t *testing.T) {
	server := testenv.Redis(t)
	parts := func(o *Options) { o.Archive, o.Partitions = nil, 2 }
	b := startNode(t, server.URL(), parts)
	ctx, q := t.Context(), name("q")
	ann := connect(t, b, chat.Identity{Role: chat.RoleAgent, ID: inPart(b, 1), Queues: []string{q}, Capacity: 1}, "")
	img := imageOf(t, b, b.store.Parts[1])
	for i := range 2 {
		x := user(t, b, inPart(b, 0))
		s := x.open(q)
		ann.grab(s.ID)
		eventually(t, func() bool { return b.store.Redis.ZCard(ctx, b.store.Parts[0].Outbox()).Val() == 0 })
		beats(t, []*Broker{b}, 2, b.store.Parts[1])
		before := seen([]*Broker{b})
		img.restore(t, b, b.store.Parts[1])
		noticed(t, []*Broker{b}, before, 1)
		t.Log("fall-back", i+1, b.store.Redis.HGetAll(ctx, b.store.Parts[1].Epoch()).Val(), b.store.Redis.HGetAll(ctx, b.store.Parts[1].Load(ann.ID)).Val())
		require.True(t, b.store.Redis.HExists(ctx, b.store.Parts[1].Load(ann.ID), s.ID).Val(), "its place was not reconciled at fall-back %d", i+1)
		_, err := b.End(ctx, x.Actor, chat.EndRequest{Session: s.ID})
		require.NoError(t, err)
		eventually(t, func() bool { return b.store.Redis.HLen(ctx, b.store.Parts[1].Load(ann.ID)).Val() == 0 })
	}
}

// a comparison that takes longer than its timer's lease is begun again beside itself.
func TestComparisonsDoNotPileUp(t *testing.T) {
	server := testenv.Redis(t)
	b, sp := sabotaged(t, server.URL())
	ctx := t.Context()
	p := b.store.Parts[3]
	var inside atomic.Int64
	free := make(chan struct{})
	sp.spoil(func(cmd redis.Cmder) error {
		if args := cmd.Args(); strings.HasPrefix(strings.ToLower(cmd.Name()), "zrange") && len(args) > 1 && args[1] == p.Sessions() {
			inside.Add(1)
			<-free
		}
		return nil
	}, nil)
	r, err := b.store.Run(ctx, "renew", []string{p.Epoch(), p.Timers()}, "", 0)
	require.NoError(t, err)
	eventually(t, func() bool { return inside.Load() == 1 })
	for range 3 { // its lease runs out
		require.NoError(t, b.store.Redis.ZAdd(ctx, p.Timers(), redis.Z{Score: 1, Member: "recover|" + r.Str(0)}).Err())
		beats(t, []*Broker{b}, 1, p) // it is taken, and begun beside the next
	}
	beats(t, []*Broker{b}, 1, p)
	n := inside.Load()
	close(free)
	require.EqualValues(t, 1, n, "so many comparisons of one partition run at once at one node")
}

type slowHook struct {
	got  chan string
	wait chan struct{}
}

func (h *slowHook) Deliver(ctx context.Context, id string, body []byte) error {
	h.got <- string(body)
	if strings.Contains(string(body), "last old") {
		<-h.wait
	}
	return nil
}

// a turn of the webhook's is under way when Redis falls back.
func TestAHookAfterAFallBack(t *testing.T) {
	server := testenv.Redis(t)
	h := &slowHook{make(chan string, 1000), make(chan struct{})}
	b := startNode(t, server.URL(), func(o *Options) { o.Archive, o.Partitions, o.Hook = nil, 1, h })
	ctx, q := t.Context(), name("q")
	uma, ann := user(t, b, name("uma")), agent(t, b, name("ann"), q)
	s := uma.open(q)
	ann.grab(s.ID)
	uma.send(s.ID, "kept")
	p := b.store.Parts[0]
	eventually(t, func() bool { // all is told, and nothing is under way
		return b.store.Redis.HGet(ctx, p.Session(s.ID), "hooked").Val() == "6" && b.store.Redis.ZCard(ctx, p.Hooks()).Val() == 0 &&
			b.store.Redis.ZCard(ctx, p.Outbox()).Val() == 0
	})
	t.Cleanup(func() {
		select {
		case <-h.wait:
		default:
			close(h.wait)
		}
	})
	img := imageOf(t, b, p)
	uma.send(s.ID, "last old")
	deadline := time.After(10 * time.Second)
	for ok := false; !ok; {
		select {
		case body := <-h.got:
			ok = strings.Contains(body, "last old")
		case <-deadline:
			t.Fatal("no")
		}
	}
	// the tail is lost: the last message, not the lease that was lent before (a replica has it)
	for key, data := range img {
		if key != p.Hooks() && key != p.Leases() && key != p.Epoch() && key != p.HooksLate() {
			require.NoError(t, admin(t, b).RestoreReplace(ctx, key, 0, data).Err())
		}
	}
	before := seen([]*Broker{b})
	_, err := b.store.Run(ctx, "renew", []string{p.Epoch(), p.Timers()}, "", 0)
	require.NoError(t, err)
	noticed(t, []*Broker{b}, before, 1)
	r := uma.send(s.ID, "brand new")
	require.EqualValues(t, 4, r.Seq)
	close(h.wait)
	for deadline := time.After(12 * time.Second); ; {
		select {
		case body := <-h.got:
			t.Log(body)
			if strings.Contains(body, "brand new") {
				return
			}
		case <-deadline:
			t.Log(b.store.Redis.HGet(ctx, p.Session(s.ID), "hooked").Val(), b.store.Redis.ZScore(ctx, p.Hooks(), s.ID).Err())
			t.Fatal("the webhook never heard of an acknowledged message")
		}
	}
}

// a label is lost and another set, before a node has noticed: the rev is the same.
func TestOneRevWithOtherContent(t *testing.T) {
	server := testenv.Redis(t)
	b := startNode(t, server.URL(), func(o *Options) { o.Archive, o.Partitions = nil, 1 })
	ctx, q := t.Context(), name("q")
	uma, ann := user(t, b, name("uma")), agent(t, b, name("ann"), q)
	s := uma.open(q)
	ann.grab(s.ID)
	p := b.store.Parts[0]
	uma.await("session", inStateOf(chat.Serving))
	eventually(t, func() bool { return b.store.Redis.ZCard(ctx, p.Outbox()).Val() == 0 })
	img := imageOf(t, b, p)
	_, err := b.Label(ctx, ann.Actor, LabelRequest{Session: s.ID, Add: []string{"lost"}})
	require.NoError(t, err)
	require.NoError(t, admin(t, b).RestoreReplace(ctx, p.Session(s.ID), 0, img[p.Session(s.ID)]).Err())
	_, err = b.Label(ctx, ann.Actor, LabelRequest{Session: s.ID, Add: []string{"new"}})
	require.NoError(t, err)
	before := seen([]*Broker{b})
	_, err = b.store.Run(ctx, "renew", []string{p.Epoch(), p.Timers()}, "", 0)
	require.NoError(t, err)
	noticed(t, []*Broker{b}, before, 1)
	shown := func() (last string) {
		for _, e := range ann.all() {
			if e["event"] == "session" {
				last = fmt.Sprint(e["session"].(map[string]any)["labels"])
			}
		}
		return last
	}
	eventually(t, func() bool { return shown() == "[new]" })
	uma.send(s.ID, "after it")
	ann.await("message", func(e event) bool { return e["body"] == "after it" })
	require.Equal(t, "[new]", shown(), "the session shown is not the one that Redis has")
}

type awayArchive struct {
	archive.Archive
	away atomic.Bool
}

func (a *awayArchive) Session(ctx context.Context, id string) (archive.Session, error) {
	if a.away.Load() {
		return archive.Session{}, errors.New("away")
	}
	return a.Archive.Session(ctx, id)
}

// the archive is away after a fall-back: how often are all places of all partitions read?
func TestTheArchiveIsAwayAfterAFallBack(t *testing.T) {
	url := testenv.Redis(t).URL()
	var store *awayArchive
	b, sp := sabotaged(t, url, func(o *Options) { store = &awayArchive{Archive: o.Archive}; o.Archive = store })
	ctx, q := t.Context(), name("q")
	uma := user(t, b, name("uma"))
	s := uma.open(q)
	archived(t, b, s.ID)
	store.away.Store(true)
	p, _ := b.store.Of(s.ID)
	var n, tries atomic.Int64
	other := b.store.Parts[(p.Index+1)%16]
	sp.spoil(func(cmd redis.Cmder) error {
		if args := cmd.Args(); running(b, "hold", cmd) && args[3] == p.Recovering() && fmt.Sprint(args[5]) == "0" {
			tries.Add(1) // it is over, and the lease given back
		}
		if args := cmd.Args(); strings.HasPrefix(strings.ToLower(cmd.Name()), "zrange") && len(args) > 1 && args[1] == other.Sessions() {
			n.Add(1)
		}
		return nil
	}, nil)
	_, err := b.store.Run(ctx, "renew", []string{p.Epoch(), p.Timers()}, "", 0)
	require.NoError(t, err)
	eventually(t, func() bool { return tries.Load() >= 5 })
	t.Log("all sessions of another partition were read", n.Load(), "times at 5 tries, for one partition that fell back")
	require.LessOrEqual(t, n.Load(), int64(3))
}
