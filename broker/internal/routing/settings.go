package routing

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/singleflight"

	"bellhop/broker/chat"
	"bellhop/broker/internal/store"
)

// Settings are the queues' rules, kept in one hash and read again where a heartbeat tells of a change. Its
// methods may be called concurrently.
type Settings struct {
	store  *store.Store
	mu     sync.RWMutex
	queues map[string]chat.QueueSettings
	begun  int64              // readings begun
	read   int64              // the latest of those that ended, by their order of beginning
	seen   map[int]string     // of each partition, the last change known before they were read
	once   singleflight.Group // many commands find out at one moment
}

// ReadPause is how often a node reads the queues' settings though it has heard of no change.
const ReadPause = time.Minute

// NewSettings knows of no queue before Start.
func NewSettings(s *store.Store) *Settings { return &Settings{store: s} }

// Queue gives a queue's settings: the defaults where nobody has set it.
func (s *Settings) Queue(id string) chat.QueueSettings {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if q, ok := s.queues[id]; ok {
		return q
	}
	return chat.DefaultQueue(id)
}

// Set are the ids of the queues somebody has set.
func (s *Settings) Set() []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Collect(maps.Keys(s.queues))
}

// Known tells whether somebody has set the queue, or it is the default one.
func (s *Settings) Known(id string) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	_, set := s.queues[id]
	return set || id == chat.DefaultQueueID
}

// Keep is how long, in ms, the profile of a user who is not here is of use: as long as
// any queue may send it to its last agent, or ask since when it is away, and a day.
func (s *Settings) Keep() int64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	longest := max(chat.DefaultQueue("").Sticky, chat.DefaultQueue("").AbandonTimeout)
	for _, q := range s.queues {
		longest = max(longest, q.Sticky, q.AbandonTimeout)
	}
	return store.Milliseconds(longest) + (24 * time.Hour).Milliseconds()
}

// Load reads all settings.
func (s *Settings) Load(ctx context.Context) error {
	s.mu.Lock()
	s.begun++
	turn := s.begun
	s.mu.Unlock()
	all, err := s.store.Redis.HGetAll(ctx, s.store.Parts[0].Queues()).Result()
	if err != nil {
		return store.RedisError("queues", err)
	}
	queues := make(map[string]chat.QueueSettings, len(all))
	for id, data := range all {
		q := chat.DefaultQueue(id)
		if err := json.Unmarshal([]byte(data), &q); err != nil {
			s.store.Log.Error("unreadable queue settings", "queue", id, "error", err)
		}
		queues[id] = q
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if turn > s.read { // else what is read already is newer
		s.queues, s.read = queues, turn
	}
	return nil
}

// Put writes a queue's settings, or takes them away where data is empty; had: there were some.
// Then every partition hears that there was a change: what begins there afterwards, on
// whichever node, obeys it. If this ends half way, nodes read it within a second all the same:
// the first partition, which all look at, hears of it in the step that writes it.
func (s *Settings) Put(ctx context.Context, id, data string) (had bool, err error) {
	p := s.store.Parts[0]
	change := ulid.Make().String()
	r, err := s.store.Run(ctx, "queue", []string{p.Queues(), p.Dirty(), p.Rules(), p.Alive()}, id, data, change)
	if err != nil {
		return false, err
	}
	if _, err := s.store.Redis.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for _, p := range s.store.Parts {
			pipe.Set(ctx, p.Rules(), change, 0)
		}
		return nil
	}); err != nil {
		return false, store.RedisError("queue", err)
	}
	if err := s.Load(ctx); err != nil {
		return false, err
	}
	for _, p := range s.store.Parts {
		s.know(p, change)
	}
	return r.Num(1) == 1, nil
}

// Grace is how long an agent may be without a connection: the longest of its
// queues', in ms; 0, for ever, if it is so for one of them.
func (s *Settings) Grace(queues []string) int64 {
	longest := 0
	if len(queues) == 0 {
		longest = chat.DefaultQueue("").AgentGrace
	}
	for _, q := range queues {
		g := s.Queue(q).AgentGrace
		if g == 0 {
			return 0
		}
		longest = max(longest, g)
	}
	return store.Milliseconds(longest)
}

// All are the settings of all queues that somebody has set.
func (s *Settings) All() []chat.QueueSettings {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Collect(maps.Values(s.queues))
}

// Stored reads one queue's settings from Redis; the defaults where nobody has set it.
func (s *Settings) Stored(ctx context.Context, id string) (chat.QueueSettings, error) {
	data, err := s.store.Redis.HGet(ctx, s.store.Parts[0].Queues(), id).Bytes()
	q := chat.DefaultQueue(id)
	if errors.Is(err, redis.Nil) {
		return q, nil
	}
	if err != nil {
		return q, store.RedisError("queue", err)
	}
	return q, json.Unmarshal(data, &q)
}

// Kept is what the archive keeps of a queue's settings; nothing where nobody has set it.
func (s *Settings) Kept(ctx context.Context, id string) ([]byte, error) {
	data, err := s.store.Pipe.HGet(ctx, s.store.Parts[0].Queues(), id).Bytes()
	if errors.Is(err, redis.Nil) {
		err = nil
	}
	return data, store.RedisError("queue", err)
}

// Restore puts what the archive has kept back, with the commands of a pipeline.
func (s *Settings) Restore(ctx context.Context, pipe redis.Pipeliner, id string, data []byte) {
	pipe.HSet(ctx, s.store.Parts[0].Queues(), id, data)
}
