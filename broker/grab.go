package broker

import (
	"context"
	"encoding/json"
	"errors"
	"sort"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/redis/go-redis/v9"

	"bellhop/broker/chat"
	"bellhop/broker/internal/store"
)

// placeTTL is how long a reserved place waits for its claim or offer, by the clock
// of the agent's partition alone. Then it is fenced off and given back: see resolve.lua.
const placeTTL = 5 * time.Second

// place is a reserved place in an agent's load.
type place struct {
	agent  string
	info   string // the agent as a Person, JSON
	token  string
	queues []string
	auto   bool // nobody asked for it
}

type reserveArgs struct {
	Agent    string `json:"agent"`
	Session  string `json:"session"`
	Token    string `json:"token"`
	TTL      int64  `json:"ttl"`
	Offer    bool   `json:"offer,omitempty"`
	Queue    string `json:"queue,omitempty"`
	Load     *int   `json:"load,omitempty"`
	Capacity int    `json:"capacity"`
	Queues   string `json:"queues"`
	Info     string `json:"info"`
}

// reserveHow is under which conditions a place is held.
type reserveHow struct {
	offer bool   // only if the agent is online
	queue string // only if it is the agent's
	load  *int   // only if the agent has no more than this
}

// reserve holds a place in an agent's load.
func (b *Broker) reserve(ctx context.Context, agent chat.Identity, session string, how reserveHow) (place, error) {
	part := b.Home(agent.ID)
	if agent.Capacity == 0 {
		agent.Capacity = chat.DefaultCapacity
	}
	if agent.Queues == nil {
		agent.Queues = []string{}
	}
	r, err := b.RunJSON(ctx, "reserve", []string{part.Profile("a:" + agent.ID), part.Load(agent.ID), part.Timers()},
		reserveArgs{agent.ID, session, ulid.Make().String(), placeTTL.Milliseconds(), how.offer, how.queue, how.load, agent.Capacity,
			chat.Encode(agent.Queues), chat.Encode(agent.Person())})
	if err != nil {
		return place{}, err
	}
	if err := store.Refused(r); err != nil {
		return place{}, err
	}
	pl := place{agent: agent.ID, token: r.Str(3), info: r.Str(2)}
	if err := json.Unmarshal([]byte(r.Str(1)), &pl.queues); err != nil {
		return place{}, err
	}
	return pl, nil
}

// free gives a place back after a refusal. If that fails, the place's own timer does it.
func (b *Broker) free(ctx context.Context, pl place, session string) {
	err := b.settle(ctx, effect{Agent: pl.agent, Session: session, Role: "none", Token: pl.token})
	if err != nil {
		b.Log.Warn("place not freed; its timer will", "agent", pl.agent, "session", session, "error", err)
	}
}

// Grab takes a waiting session: exactly one of all who try wins. Repeated by
// the owner it does nothing. Two round trips for the winner.
func (b *Broker) Grab(ctx context.Context, a chat.Actor, session string) (chat.Session, error) {
	if err := chat.Allow(a, chat.ActGrab); err != nil {
		return chat.Session{}, err
	}
	if _, ok := b.Of(session); !ok {
		return chat.Session{}, chat.Errorf(chat.CodeNotFound, "no such session")
	}
	for {
		g, first := b.gates.enter(session)
		if first {
			s, err := b.contend(ctx, a, session, g.hot)
			b.gates.leave(g, err)
			return s, err
		}
		select {
		case <-g.done:
		case <-ctx.Done():
			return chat.Session{}, store.RedisError("grab", ctx.Err())
		}
		// What the one before saw is an answer for those who waited, unless they won themselves.
		if g.winner != "" && g.winner != a.ID {
			return chat.Session{}, &chat.Error{Code: chat.CodeTaken, Message: "somebody else has it", By: g.winner}
		}
	}
}

// contend goes to Redis for one agent. Where others lost or won just now, one
// cheap look comes first.
func (b *Broker) contend(ctx context.Context, a chat.Actor, session string, hot bool) (chat.Session, error) {
	if hot {
		st, err := b.Look(ctx, session)
		if err != nil {
			return chat.Session{}, err
		}
		if st.State != chat.Waiting && st.State != chat.Ended && st.Agent.ID != a.ID && chat.Contains(a.Queues, st.Queue) {
			return chat.Session{}, &chat.Error{Code: chat.CodeTaken, Message: "somebody else has it", By: st.Agent.ID}
		}
	}
	for range 3 {
		pl, err := b.reserve(ctx, a.Identity, session, reserveHow{})
		if err != nil {
			return chat.Session{}, err
		}
		s, err := b.win(ctx, a, pl, session)
		if !errors.Is(err, store.ErrLate) {
			return s, err
		}
	}
	return chat.Session{}, chat.Errorf(chat.CodeUnavailable, "Redis is too slow; try again")
}

// win makes the agent whose place was reserved the owner; errLate if the place is too old.
func (b *Broker) win(ctx context.Context, a chat.Actor, pl place, session string) (chat.Session, error) {
	r, err := b.claim(ctx, pl, session, a.Role == chat.RoleBot)
	if err != nil {
		return chat.Session{}, err // unknown whether it took effect: the place's timer finds out
	}
	if r.Str(0) == "kept" || r.Str(0) == "mine" {
		b.adopt(ctx, pl.agent, session)
	}
	if r.Str(0) == "kept" {
		return chat.Session{}, store.Refused(r[1:])
	}
	if r.Str(0) == "mine" {
		r[0] = "ok"
		return b.done(ctx, a, session, r)
	}
	if err := store.Refused(r); err != nil {
		b.free(ctx, pl, session)
		return chat.Session{}, b.Absent(ctx, a, chat.ActGrab, session, err)
	}
	return b.done(ctx, a, session, r)
}

// adopt makes an owner's or target's session and the agent's load name the same
// token again, after a reservation that was for nothing. If that fails, the
// place's timer does it.
func (b *Broker) adopt(ctx context.Context, agent, session string) {
	if err := b.resolve(ctx, b.Home(agent), agent, session, true); err != nil {
		b.Log.Warn("place not adopted; its timer will", "agent", agent, "session", session, "error", err)
	}
}

func (b *Broker) claim(ctx context.Context, pl place, session string, bot bool) (store.Reply, error) {
	p, _ := b.Of(session)
	lists := make([]string, len(pl.queues))
	for i, q := range pl.queues {
		lists[i] = p.Waiting(q)
	}
	op := ulid.Make().String()
	keys, arg := p.Transition(session, lists...), func() any {
		return claimArgs{op, session, pl.agent, pl.info, pl.token, pl.queues, b.idle(pl.queues...), bot, pl.auto}
	}
	if !pl.auto {
		return b.ruled(ctx, "claim", p, keys, arg)
	}
	// Who assigns went by the settings before: it must think again.
	r, err := b.underRules(ctx, "claim", p, keys, arg)
	if err == nil && r.Str(0) == "stale" {
		r, err = store.Reply{"late"}, b.settings.renew(ctx, b, p, r.Str(1))
	}
	return r, err
}

type claimArgs struct {
	Op      string           `json:"op"`
	Session string           `json:"session"`
	Agent   string           `json:"agent"`
	Info    string           `json:"info"`
	Token   string           `json:"token"`
	Queues  []string         `json:"queues"`
	Idle    map[string]int64 `json:"idle"`
	Bot     bool             `json:"bot,omitempty"`
	Auto    bool             `json:"auto,omitempty"`
}

// GrabQueue takes the first in line; CodeNotFound when nobody waits. Where
// others of this node are after the same session, it goes for the next.
func (b *Broker) GrabQueue(ctx context.Context, a chat.Actor, queue string) (chat.Session, error) {
	if queue == "" {
		queue = chat.DefaultQueueID
	}
	if err := chat.ValidID("queue", queue); err != nil {
		return chat.Session{}, err
	}
	if err := chat.Allow(a, chat.ActGrab); err != nil {
		return chat.Session{}, err
	}
	if !chat.Contains(a.Queues, queue) {
		return chat.Session{}, chat.Errorf(chat.CodeForbidden, "not of your queues")
	}
	var lost error
	for range 20 {
		line, err := b.line(ctx, queue, 16)
		if err != nil {
			return chat.Session{}, err
		}
		if len(line) == 0 {
			return chat.Session{}, chat.Errorf(chat.CodeNotFound, "nobody waits")
		}
		for _, session := range b.gates.free(line) {
			s, err := b.Grab(ctx, a, session)
			if err == nil {
				return s, nil
			}
			switch chat.AsError(err).Code {
			case chat.CodeTaken, chat.CodeEnded, chat.CodeNotFound, chat.CodeForbidden:
				lost = err // moved on since the line was read
			default:
				return chat.Session{}, err
			}
		}
		if !store.Sleep(ctx, store.Jitter(5*time.Millisecond)) {
			break
		}
	}
	return chat.Session{}, lost
}

// line is the first n that wait in a queue, over all partitions.
func (b *Broker) line(ctx context.Context, queue string, n int64) ([]string, error) {
	all, err := b.lines(ctx, queue, n-1)
	if err != nil {
		return nil, err
	}
	sort.Slice(all, func(i, j int) bool { return all[i].Score < all[j].Score })
	out := make([]string, 0, n)
	for _, z := range all[:min(int(n), len(all))] {
		id, _ := z.Member.(string)
		out = append(out, id)
	}
	return out, nil
}

// lines are those who wait in a queue, up to a rank in each partition; -1: all.
func (b *Broker) lines(ctx context.Context, queue string, last int64) ([]redis.Z, error) {
	cmds := make([]*redis.ZSliceCmd, len(b.Parts))
	_, err := b.Redis.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for i, p := range b.Parts {
			cmds[i] = pipe.ZRangeWithScores(ctx, p.Waiting(queue), 0, last)
		}
		return nil
	})
	if err != nil {
		return nil, store.RedisError("waiting", err)
	}
	var all []redis.Z
	for _, c := range cmds {
		all = append(all, c.Val()...)
	}
	return all, nil
}

// gates let one contender for a session through at a time.
type gates struct {
	mu sync.Mutex
	by map[string]*gate
}

type gate struct {
	done   chan struct{} // closed when the one inside is through
	inside bool
	hot    bool      // somebody lost or won here lately
	winner string    // who has it, once known; set before done is closed
	since  time.Time // of the last one through
}

const (
	hotFor   = 10 * time.Second
	maxGates = 10000 // sessions that agents tried to grab lately; names of made-up ones, too
)

// enter gives the gate, and whether the caller is the one inside.
func (g *gates) enter(session string) (*gate, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.by == nil {
		g.by = map[string]*gate{}
	}
	old := g.by[session]
	if old != nil && old.inside {
		return old, false
	}
	now := &gate{done: make(chan struct{}), inside: true, hot: old != nil && time.Since(old.since) < hotFor}
	if old != nil || len(g.by) < maxGates { // without one, Redis alone decides
		g.by[session] = now
	}
	return now, true
}

func (g *gates) leave(gt *gate, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	var e *chat.Error
	if errors.As(err, &e) && e.Code == chat.CodeTaken {
		gt.winner = e.By
	}
	gt.inside, gt.since = false, time.Now()
	close(gt.done)
}

// free puts those nobody contends for first.
func (g *gates) free(line []string) []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	out, busy := make([]string, 0, len(line)), []string(nil)
	for _, s := range line {
		if gt := g.by[s]; gt != nil && gt.inside {
			busy = append(busy, s)
		} else {
			out = append(out, s)
		}
	}
	return append(out, busy...)
}

func (g *gates) sweep() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for s, gt := range g.by {
		if !gt.inside && time.Since(gt.since) > hotFor {
			delete(g.by, s)
		}
	}
}
