// Package broker moves customer-service sessions between users, queues and
// agents on Redis. It is the whole of Bellhop's rules, usable without its HTTP
// and WebSocket edges: make one with New, connect participants with Connect,
// and call the commands, which are methods of Broker. What they take and give is
// in broker/chat, as far as it is plain data.
//
// What changes a session's state is here, a step a file (grab.go, transfer.go, end.go,
// with timers.go for what is due): each asks several rooms, and runs a script of
// scripts/sessions. No room does. The rest, by subject, is in broker/internal:
// docs/architecture.md has the rooms.
//
// # What it promises
//
// A session has at most one owner. An acknowledged message is in its session's
// log exactly once, under a seq without gaps. Unread is exact. An agent never
// holds more sessions than its capacity. A queue's waiting list holds exactly
// the sessions that wait in it. Whatever process dies, every session reaches an
// owner, a queue or its end. docs/architecture.md says how.
//
// # States
//
//	waiting → serving ⇄ transferring, serving | transferring → ending → serving,
//	any → waiting | ended
//
// # Order of locks
//
// Those of connected people and of queues: internal/live, internal/hall. No lock is held
// while Redis is asked.
package broker

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"bellhop/archive"
	"bellhop/broker/chat"
	"bellhop/broker/internal/archiving"
	"bellhop/broker/internal/canned"
	"bellhop/broker/internal/hall"
	"bellhop/broker/internal/hooks"
	"bellhop/broker/internal/live"
	"bellhop/broker/internal/people"
	"bellhop/broker/internal/places"
	"bellhop/broker/internal/routing"
	"bellhop/broker/internal/sessions"
	"bellhop/broker/internal/stats"
	"bellhop/broker/internal/store"
	"bellhop/broker/internal/uploads"
	"bellhop/internal/trace"
)

// Options of a Broker. Only Redis is required.
type Options struct {
	// Redis is a *redis.Client (standalone or Sentinel) or a *redis.ClusterClient.
	Redis redis.UniversalClient
	// Partitions is how many parts the sessions are spread over, 1 to 256; 0
	// takes what Redis says. Only Repartition changes it.
	Partitions int
	// FirstPartitions is how many there are at the first start where Partitions is 0; 0
	// takes 64.
	FirstPartitions int
	// SendRate is how many messages a second one user may send; bursts of twice
	// that. 0 takes 20. A negative one means no limit, on users' opens and uploads
	// neither.
	SendRate float64
	// ListRate is how many lists a second one participant may ask one node for; bursts
	// of five times that. 0 takes 20, a negative one means no limit.
	ListRate float64
	// ReadRate is how many bytes a second one of the staff may read at one node, lists
	// included, and a user a quarter of it; bursts are eight times that. 0: 2 MiB; negative: no limit.
	ReadRate float64
	// OpenSessions is how many sessions one user may have open; 0 takes 5. A negative
	// one means no limit. Host applications have none, in whosever name they open.
	OpenSessions int
	// WaitReplicas is how many replicas of a Redis must have what was done before anybody is
	// told that it is; 0: none. Where they do not within 2 s it is CodeUnavailable, and stands all the same.
	WaitReplicas int
	// Filter, if set, looks at what participants write before it is kept.
	Filter chat.Filter
	// JWT, if set, is asked about tokens that look like a JWT.
	JWT func(ctx context.Context, token string) (chat.Identity, error)
	// JWTLeeway is how far ahead of the clock a JWT may say that it was issued: 30 s when 0,
	// negative for not at all.
	JWTLeeway time.Duration
	// Archive, if set, is where everything is kept for good. Without one, nothing
	// ever leaves Redis.
	Archive archive.Archive
	// ArchiveDelay is how long a session's changes are gathered before they are
	// archived, 1 s.
	ArchiveDelay time.Duration
	// NoArchiver leaves archiving to other nodes; this one only reads the archive.
	NoArchiver bool
	// UploadBudget is how many bytes one participant may upload in a day, 512 MiB; a
	// negative one: no limit.
	UploadBudget int64
	// UnsentBudget is how many bytes of uploads that were not sent are kept of all
	// participants together, 20 GiB; a negative one: no limit.
	UnsentBudget int64
	// BasePath is the path below which clients find the files kept here, without a slash at its end, as /support;
	// "" where that is the root. Messages are kept without it, so that it may change.
	BasePath string
	// Files, if set, is told of a file before the message that sends it is stored,
	// and before that message is recalled.
	Files Files
	// Hook, if set, is told what happens in the sessions. All nodes of a deployment
	// must have one, or none.
	Hook Hook
	// HookRetries are the pauses before an event that the hook did not take is tried
	// again; after the last it is given up. Nil takes those of Standard Webhooks:
	// 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h.
	HookRetries []time.Duration
	// Trace follows commands to the deliveries that they cause; nil for none.
	Trace *trace.Tracer
	// Log gets what operators should know; slog.Default() when nil.
	Log *slog.Logger

	expire       time.Duration // after its end a session leaves Redis; an hour when 0
	hookPatience time.Duration // of one attempt; 15 s when 0
	hookLife     time.Duration // an event older than this is not tried for long; see hooks.Options when 0
	hookKeep     int           // dead letters; 10,000 when 0
}

// Broker is one node. All its methods may be called concurrently.
type Broker struct {
	store    *store.Store
	sessions *sessions.Reader
	opt      Options

	hub         *live.Hub
	hall        *hall.Hall
	archiver    *archiving.Archiver // nil without an archive
	canned      *canned.Replies
	counts      *stats.Stats
	hooks       *hooks.Teller // nil without a hook
	uploads     *uploads.Uploads
	people      *people.People
	settings    *routing.Settings
	gates       routing.Gates
	limits      *people.Limits
	waiting     *routing.Waiting
	dispatchers *routing.Dispatchers
	pulses      []*pulse // by partition
	heart       *heart
	places      *places.Places
	sends       *store.Together
	working     chan struct{} // one for each piece of background work that is being done

	mends store.Seldom

	renumbered chan struct{} // closed when this node's partitions are not the deployment's any more
	leaves     sync.Once     // over closing it

	fallen atomic.Int64 // see Fallbacks
	tally  tally
}

// ErrShape says that a later version has changed what is stored, so that this one cannot read it.
var ErrShape = store.ErrShape

// ErrPartitions says that Redis was set up with another number of partitions.
var ErrPartitions = errors.New("another number of partitions")

// ErrRestoring says that a restore was begun and has not ended.
var ErrRestoring = errors.New("a restore was begun and has not ended: run it to its end")

// New starts a node: it fixes or reads the number of partitions, loads the
// scripts and starts the background loops. The context bounds only the start. Where the
// deployment gets another number of partitions meanwhile, it waits until that is done, and
// begins anew.
func New(ctx context.Context, o Options) (*Broker, error) {
	for {
		b, err := open(ctx, o)
		if err != nil {
			return nil, err
		}
		if err = b.start(ctx); err == nil {
			return b, nil
		}
		again, _ := b.store.Renumbered(ctx)
		if err = errors.Join(err, b.store.Pipe.Close()); !again || ctx.Err() != nil {
			return nil, err
		}
	}
}

// start does what comes before the first connection.
func (b *Broker) start(ctx context.Context) error {
	if n, err := b.store.Redis.Exists(ctx, store.RestoringKey).Result(); err != nil || n > 0 {
		return errors.Join(store.RedisError("restoring", err), ErrRestoring)
	}
	if b.archiver != nil {
		if err := b.archiver.Claim(ctx); err != nil {
			return err
		}
	}
	b.dispatchers = routing.NewDispatchers(b.store, b.settings, b.people, dispatchNeeds{liveSessions{b.sessions, b}})
	if err := b.settings.Start(ctx); err != nil {
		return err
	}
	if err := b.people.Recount(ctx); err != nil {
		return err
	}
	b.store.Begin(ctx)
	var g sync.WaitGroup
	for _, p := range b.pulses {
		g.Go(func() { p.tick(ctx) }) // known to the others before the first connection
	}
	g.Wait()
	if err := b.heart.beat(ctx, false); err != nil { // until it is heard, it works in every partition
		b.store.Log.Warn("the other nodes are not heard yet", "error", err)
	}
	b.loops()
	b.sessions.KeepStates()
	b.people.RecountLater()
	b.lookAtMasters(ctx)
	return nil
}

// open makes a broker whose loops do not run yet.
func open(ctx context.Context, o Options) (*Broker, error) {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.JWTLeeway == 0 {
		o.JWTLeeway = 30 * time.Second
	}
	o.JWTLeeway = max(0, o.JWTLeeway)
	if o.OpenSessions == 0 {
		o.OpenSessions = 5
	}
	st := store.NewStore(o.Redis, o.Log)
	st.Trace = o.Trace
	b := &Broker{store: st, settings: routing.NewSettings(st), waiting: routing.NewWaiting(st), sessions: sessions.NewReader(st, o.Archive, o.BasePath), opt: o, working: make(chan struct{}, atOnce),
		renumbered: make(chan struct{})}
	b.places = places.New(st, func(ctx context.Context, agent, session string) error {
		return unlessOver(b.vacate(ctx, agent, session, "full"))
	})
	b.people = people.New(b.store, people.Options{JWT: o.JWT, Leeway: o.JWTLeeway, OpenSessions: o.OpenSessions, IsSet: b.settings.Known, Rules: b.settings})
	b.limits = people.NewLimits(b.store, people.Rates{Sends: o.SendRate, Lists: o.ListRate, Reads: o.ReadRate})
	b.canned, b.counts = canned.New(b.store), stats.New(b.store, o.Archive, current{b}, b.works)
	if o.Archive != nil {
		b.archiver = archiving.NewArchiver(st, o.Archive, o.ArchiveDelay, o.expire, archiverNeeds{b})
	}
	n, err := b.fixPartitions(ctx)
	if err != nil {
		return nil, err
	}
	var told func(store.Partition)
	if o.Hook != nil {
		told = func(p store.Partition) { b.hooks.Nudge(p) }
	}
	b.store.WaitReplicas(o.WaitReplicas)
	if err := b.store.Open(ctx, n, told); err != nil {
		return nil, err
	}
	b.sends = store.NewTogether(st, "send", func(p store.Partition) []string { return []string{p.Timers(), p.Dirty(), p.States(), p.Stats()} })
	b.heart = newHeart(b)
	for _, p := range b.store.Parts {
		b.pulses = append(b.pulses, newPulse(b, p))
	}
	b.hall = hall.New(b.store, liveSessions{b.sessions, b})
	b.hub = live.NewHub(b.store, liveSessions{b.sessions, b}, b.people, b.people, b.hall, b.hall, o.BasePath)
	b.hall.Listen(b.hub.Subscriber)
	b.hub.ListenTo(b.heart.Wake)
	b.hooks = newHooks(b, o)
	b.uploads = uploads.New(b.store, sessionsOf{b}, uploads.Options{Files: o.Files, Own: o.UploadBudget, Unsent: o.UnsentBudget})
	return b, nil
}

// Ready tells whether Redis answers, and has not been emptied.
func (b *Broker) Ready(ctx context.Context) error {
	if b.store.Emptied.Load() {
		return store.ErrEmptied
	}
	return store.RedisError("ping", b.store.Redis.Ping(ctx).Err())
}

// Close lets what is being delivered to the hook end, for a second at most,
// archives what is dirty as far as the context allows, stops the loops and
// subscribers and takes this node off the list of those alive. Connections
// should be closed before.
func (b *Broker) Close(ctx context.Context) error {
	b.hooks.Close(ctx)
	var flushed error
	if b.archiver != nil {
		if flushed = b.archiver.Close(ctx); flushed == nil && !b.opt.NoArchiver {
			flushed = b.counts.Close(ctx)
		}
	}
	b.store.Stop()
	b.dispatchers.Close(ctx)
	b.hub.Close()
	b.store.Tasks.Wait()
	gone := b.heart.beat(ctx, true) // others look after its partitions at once
	_, err := b.store.Redis.Pipelined(ctx, func(p redis.Pipeliner) error {
		for _, part := range b.store.Parts {
			if b.hub.Left(part) {
				p.ZRem(ctx, part.Nodes(), b.store.Node)
			}
			p.HDel(ctx, part.Leases(), b.store.Borrowers()...)
		}
		return nil
	})
	return errors.Join(flushed, gone, store.RedisError("close", err), b.store.Pipe.Close())
}
