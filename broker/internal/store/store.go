package store

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/redis/go-redis/v9"

	"bellhop/internal/trace"
	"bellhop/scripts"
)

// Store is one node's way to Redis: its keys by partition, its scripts, and the
// life of what runs in the background. Its methods may be called concurrently.
type Store struct {
	Redis   redis.UniversalClient
	Pipe    *redis.AutoPipeliner // joins the scripts of concurrent callers into one write
	Sharded bool                 // a cluster: SSUBSCRIBE and SPUBLISH
	Parts   []Partition
	Numbering
	Node    string // this process, among all that ever ran
	Log     *slog.Logger
	Trace   *trace.Tracer // nil for none
	Calls   atomic.Int64  // scripts run
	Emptied atomic.Bool   // Redis has lost everything: nothing may be built on what is left

	Life  context.Context //nolint:containedctx // of what runs in the background, from Begin to Stop
	Tasks sync.WaitGroup
	stop  context.CancelFunc

	older   older
	byTag   map[string]Partition
	scripts map[string]*scripts.Script
	told    func(p Partition) // an event may have been made there; nil without a webhook
	panics  atomic.Int64
	ended   endings
	hands   *hands
	meter   *meter

	replicas int      // see WaitReplicas
	fences   []fences // by partition
}

// NewStore is a way to a Redis of which nothing is known yet: see Open.
func NewStore(client redis.UniversalClient, log *slog.Logger) *Store {
	_, sharded := client.(*redis.ClusterClient)
	s := &Store{Redis: client, Sharded: sharded, Node: ulid.Make().String(), Log: log, meter: newMeter()}
	s.hands = newHands(s)
	return s
}

// Open loads the scripts of a deployment of these partitions. With told there is a
// webhook: it is called, and must not wait, where an event may have been made.
func (s *Store) Open(ctx context.Context, n Numbering, told func(p Partition)) (err error) {
	s.Numbering, s.Parts, s.told, s.byTag = n, n.Parts(), told, make(map[string]Partition, n.Partitions)
	s.fences = make([]fences, len(s.Parts))
	for _, p := range s.Parts {
		s.byTag[p.Tag] = p
	}
	s.Life = context.WithoutCancel(ctx) // of who runs nothing in the background
	// The embedded Redis takes the first line for a mistake.
	flags := s.Redis.Eval(ctx, "#!lua flags=no-writes\nreturn 1", nil).Err() == nil
	if s.scripts, err = scripts.Load(scripts.Options{Sharded: s.Sharded, Flags: flags, Hooks: told != nil}); err != nil {
		return err
	}
	for name := range s.scripts {
		s.meter.took[name] = s.meter.times.WithLabelValues(name)
	}
	if err := s.preload(ctx); err != nil {
		return RedisError("preload", err)
	}
	s.Pipe, err = autoPipeline(s.Redis)
	return err
}

// Begin starts the life of what runs in the background; ctx lends its values only.
func (s *Store) Begin(ctx context.Context) {
	s.Life, s.stop = context.WithCancel(context.WithoutCancel(ctx))
}

// Stop ends it. What was started by Loop, Beside or Tasks ends soon after: Tasks.Wait.
func (s *Store) Stop() { s.stop() }

// autoPipeline is full duplex: a command goes when it comes, not when those before are answered.
func autoPipeline(c redis.UniversalClient) (*redis.AutoPipeliner, error) {
	o := redis.DefaultBlockingAutoPipelineOptions()
	o.FullDuplex = true
	switch c := c.(type) {
	case *redis.ClusterClient:
		return c.AutoPipelineWithOptions(o)
	case *redis.Client:
		return c.AutoPipelineWithOptions(o)
	default:
		return nil, fmt.Errorf("broker: unsupported Redis client %T", c)
	}
}

// Loop runs f every pause, jittered by a quarter downwards, until Close.
func (s *Store) Loop(pause time.Duration, f func(ctx context.Context)) {
	s.Tasks.Go(func() {
		for Sleep(s.Life, Jitter(pause)) {
			s.round(f)
		}
	})
}

func (s *Store) round(f func(ctx context.Context)) {
	defer s.Caught("a loop")
	f(s.Life)
}

// Panics is how many panics this node has outlived.
func (s *Store) Panics() int64 { return s.panics.Load() }

// Panicked counts a panic and tells where it was. The node goes on: what runs
// for one client or session must not end what runs for others.
func (s *Store) Panicked(where string, p any) {
	s.panics.Add(1)
	s.Log.Error("panic", "in", where, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
}

// Caught is deferred by what leaves nothing half done behind.
func (s *Store) Caught(where string) {
	if p := recover(); p != nil {
		s.Panicked(where, p)
	}
}

// Beside runs something for one client or session beside its commands.
func (s *Store) Beside(where string, f func()) {
	s.Tasks.Go(func() {
		defer s.Caught(where)
		f()
	})
}

// FallsDue puts members into a sorted set by time, in so many ms by Redis's clock; how:
// "NX" for those only that are not there yet, or "".
func (s *Store) FallsDue(ctx context.Context, key string, in int64, how string, members ...string) error {
	args := []any{in, how}
	for _, m := range members {
		args = append(args, m)
	}
	_, err := s.Run(ctx, "later", []string{key}, args...)
	return err
}
