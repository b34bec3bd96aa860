package broker

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"sort"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/singleflight"

	"bellhop/broker/chat"
	"bellhop/broker/internal/store"
)

// settings are the queues' rules, kept in one hash and read again every second.
type settings struct {
	mu     sync.RWMutex
	queues map[string]chat.QueueSettings
	begun  int64              // readings begun
	read   int64              // the latest of those that ended, by their order of beginning
	seen   map[int]string     // of each partition, the last change known before they were read
	once   singleflight.Group // many commands find out at one moment
}

// settingsPause is how often a node reads the queues' settings: they hold everywhere within a second.
const settingsPause = time.Second

func (s *settings) queue(id string) chat.QueueSettings {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if q, ok := s.queues[id]; ok {
		return q
	}
	return chat.DefaultQueue(id)
}

// set are the ids of the queues somebody has set.
func (s *settings) set() []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Collect(maps.Keys(s.queues))
}

// known tells whether somebody has set the queue, or it is the default one.
func (s *settings) known(id string) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	_, set := s.queues[id]
	return set || id == chat.DefaultQueueID
}

// keep is how long, in ms, the profile of a user who is not here is of use: as long as
// any queue may send it to its last agent, or ask since when it is away, and a day.
func (s *settings) keep() int64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	longest := max(chat.DefaultQueue("").Sticky, chat.DefaultQueue("").AbandonTimeout)
	for _, q := range s.queues {
		longest = max(longest, q.Sticky, q.AbandonTimeout)
	}
	return store.Milliseconds(longest) + (24 * time.Hour).Milliseconds()
}

func (s *settings) load(ctx context.Context, b *Broker) error {
	s.mu.Lock()
	s.begun++
	turn := s.begun
	s.mu.Unlock()
	all, err := b.Redis.HGetAll(ctx, b.Parts[0].Queues()).Result()
	if err != nil {
		return store.RedisError("queues", err)
	}
	queues := make(map[string]chat.QueueSettings, len(all))
	for id, data := range all {
		q := chat.DefaultQueue(id)
		if err := json.Unmarshal([]byte(data), &q); err != nil {
			b.Log.Error("unreadable queue settings", "queue", id, "error", err)
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

// QueueList shows the queues that were set, those of known agents, and the default one.
func (b *Broker) QueueList(ctx context.Context, _ chat.Actor) ([]chat.QueueSettings, error) {
	if err := b.settings.load(ctx, b); err != nil {
		return nil, err
	}
	named, err := b.people.Named(ctx)
	if err != nil {
		return nil, err
	}
	named[chat.DefaultQueueID] = true
	b.settings.mu.RLock()
	defer b.settings.mu.RUnlock()
	out := []chat.QueueSettings{}
	for _, q := range b.settings.queues {
		out = append(out, q)
		delete(named, q.ID)
	}
	for q := range named {
		out = append(out, chat.DefaultQueue(q))
	}
	sort.Slice(out, func(i, j int) bool { return out[i].ID < out[j].ID })
	return out, nil
}

// Queue shows one queue; one that nobody has set has the defaults.
func (b *Broker) Queue(ctx context.Context, a chat.Actor, id string) (chat.QueueSettings, error) {
	if err := chat.Allow(a, chat.ActQueue); err != nil {
		return chat.QueueSettings{}, err
	}
	if err := chat.ValidID("id", id); err != nil {
		return chat.QueueSettings{}, err
	}
	data, err := b.Redis.HGet(ctx, b.Parts[0].Queues(), id).Bytes()
	q := chat.DefaultQueue(id)
	if errors.Is(err, redis.Nil) {
		return q, nil
	}
	if err != nil {
		return q, store.RedisError("queue", err)
	}
	return q, json.Unmarshal(data, &q)
}

// QueueName is what people read of a queue: its name, or the id where it has none.
func (b *Broker) QueueName(id string) string { return b.settings.queue(id).Name }

// PutQueue replaces a queue's settings; timers that run keep their time.
func (b *Broker) PutQueue(ctx context.Context, a chat.Actor, q chat.QueueSettings) (chat.QueueSettings, error) {
	if err := chat.Allow(a, chat.ActQueue); err != nil {
		return q, err
	}
	if err := q.Validate(); err != nil {
		return q, err
	}
	if _, err := b.keepQueue(ctx, q.ID, chat.Encode(q)); err != nil {
		return q, err
	}
	b.dispatchers.tend(b.Life)
	return q, nil
}

// DeleteQueue gives a queue the defaults again. Its sessions stay.
func (b *Broker) DeleteQueue(ctx context.Context, a chat.Actor, id string) error {
	if err := chat.Allow(a, chat.ActQueue); err != nil {
		return err
	}
	if err := chat.ValidID("id", id); err != nil {
		return err
	}
	had, err := b.keepQueue(ctx, id, "")
	if err != nil {
		return err
	}
	if !had {
		return chat.Errorf(chat.CodeNotFound, "nobody has set this queue")
	}
	return nil
}

// keepQueue writes a queue's settings, or takes them away where data is empty; had: there were some.
// Then every partition hears that there was a change: what begins there afterwards, on
// whichever node, obeys it. If this ends half way, nodes read it within a second all the same.
func (b *Broker) keepQueue(ctx context.Context, id, data string) (had bool, err error) {
	p := b.Parts[0]
	r, err := b.Run(ctx, "queue", []string{p.Queues(), p.Dirty()}, id, data)
	if err != nil {
		return false, err
	}
	change := ulid.Make().String()
	if _, err := b.Redis.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for _, p := range b.Parts {
			pipe.Set(ctx, p.Rules(), change, 0)
		}
		return nil
	}); err != nil {
		return false, store.RedisError("queue", err)
	}
	if err := b.settings.load(ctx, b); err != nil {
		return false, err
	}
	for _, p := range b.Parts {
		b.settings.know(p, change)
	}
	return r.Num(1) == 1, nil
}

// grace is how long an agent may be without a connection: the longest of its
// queues', in ms; 0, for ever, if it is so for one of them.
func (b *Broker) grace(queues []string) int64 {
	longest := 0
	if len(queues) == 0 {
		longest = chat.DefaultQueue("").AgentGrace
	}
	for _, q := range queues {
		g := b.settings.queue(q).AgentGrace
		if g == 0 {
			return 0
		}
		longest = max(longest, g)
	}
	return store.Milliseconds(longest)
}
