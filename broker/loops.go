package broker

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"
)

const (
	tickPause = time.Second      // timers fire at most this late, and a Redis round trip
	takeLease = 30 * time.Second // a crash gives what was taken back after this
	takeLimit = 100              // of each kind and partition, a tick
	deadAfter = 10 * time.Second // a node silent for this long; noticed within 12 s
	tidyPause = time.Minute
	atOnce    = 64   // timers carried out at a time
	tooMany   = 1000 // taken and not done: take no more for now
)

// loops starts the background work. Any node does any of it: no leader, no
// leases but those that take.lua gives.
func (b *Broker) loops() {
	b.loop(tickPause, b.tick)
	b.loop(settingsPause, func(ctx context.Context) {
		if err := b.settings.load(ctx, b); err != nil && ctx.Err() == nil {
			b.log.Warn("queue settings not read; the last ones hold", "error", err)
		}
	})
	b.loop(tidyPause, func(context.Context) {
		b.limits.sweep()
		b.gates.sweep()
		b.hub.sweep()
	})
	b.loop(tickPause, func(ctx context.Context) { b.farewells.say(ctx, b) })
	b.loop(positionPause, b.positions)
	b.loop(tickPause, b.dispatchers.tend)
	if !b.opt.NoArchiver {
		b.loop(statsPause, b.statsLoop)
	}
	b.loop(resetPause, func(context.Context) { b.hub.views.resync() })
	if b.archiver != nil && !b.opt.NoArchiver {
		b.archiver.start()
	}
	if b.hooks != nil {
		b.hooks.start()
	}
}

// taken is what one partition handed to this node.
type taken struct {
	part    partition
	fresh   bool
	lease   string
	timers  []string
	effects []string
	dead    []string
}

// tick takes what is due, partition by partition, and begins to do it. It does
// not wait for that: what is slow must not make the next tick late.
func (b *Broker) tick(ctx context.Context) {
	limit := takeLimit
	if b.taken.Load() > tooMany {
		limit = 0 // a heartbeat only
	}
	var g errgroup.Group
	for _, p := range b.parts {
		g.Go(func() error {
			r, err := b.run(ctx, "take", []string{p.timers(), p.outbox(), p.nodes()}, b.node, limit,
				takeLease.Milliseconds(), deadAfter.Milliseconds())
			if err != nil {
				if ctx.Err() == nil {
					b.log.Warn("nothing taken", "partition", p.index, "error", err)
				}
				return nil // the other partitions go on
			}
			b.work(taken{p, r.num(0) == 1, r.str(1), r.strs(2), r.strs(3), r.strs(4)})
			return nil
		})
	}
	_ = g.Wait() // nothing returns an error
}

func (b *Broker) work(t taken) {
	if t.fresh {
		b.later(func(ctx context.Context) { b.reregister(ctx, t.part) })
	}
	if len(t.effects) > 0 {
		b.later(func(ctx context.Context) { b.carryOut(ctx, t.part, t.lease, t.effects) })
	}
	for _, timer := range t.timers {
		b.later(func(ctx context.Context) { b.finish(ctx, t, timer) })
	}
	for _, node := range t.dead {
		b.later(func(ctx context.Context) {
			if err := b.reap(ctx, t.part, node); err != nil {
				b.log.Warn("dead node not cleared; it comes again", "node", node, "error", err)
			}
		})
	}
}

// later does a piece of what was taken when there is a place for it, within its lease.
func (b *Broker) later(f func(ctx context.Context)) {
	b.taken.Add(1)
	b.wg.Go(func() {
		defer b.taken.Add(-1)
		ctx, cancel := context.WithTimeout(b.ctx, takeLease)
		defer cancel()
		select {
		case b.places <- struct{}{}:
			defer func() { <-b.places }()
			f(ctx)
		case <-ctx.Done():
		}
	})
}

// finish carries a timer out and clears it.
func (b *Broker) finish(ctx context.Context, t taken, timer string) {
	if err := b.fire(ctx, t.part, timer); err != nil {
		if ctx.Err() == nil {
			b.log.Warn("timer not carried out; it comes again", "timer", timer, "error", err)
		}
		return
	}
	if _, err := b.run(ctx, "done", []string{t.part.timers()}, t.lease, timer); err != nil && ctx.Err() == nil {
		b.log.Warn("timer not cleared; it comes again", "timer", timer, "error", err)
	}
}

// fire carries out one timer. Each transition checks by itself whether it is
// due, so one that fires twice, or late, does no harm.
func (b *Broker) fire(ctx context.Context, p partition, timer string) error {
	kind, id, _ := strings.Cut(timer, "|")
	var err error
	switch kind {
	case "offer":
		s := newStep(Actor{}, id)
		s.Outcome = "expired"
		_, err = b.transit(ctx, Actor{}, "withdraw", s)
	case "end":
		s := newStep(Actor{}, id)
		s.Due = true
		_, err = b.relocate(ctx, Actor{}, "end", s, endKeys)
	case "abandon":
		_, err = b.relocate(ctx, Actor{}, "abandon", newStep(Actor{}, id), func(p partition, queue, user string) []string {
			return append(endKeys(p, queue, user), p.conns("u:"+user))
		})
	case "idle":
		_, err = b.relocate(ctx, Actor{}, "idle", newStep(Actor{}, id), endKeys)
	case "patience":
		err = b.longWait(ctx, id)
	case "move":
		err = b.carryMove(ctx, id)
	case "route":
		err = b.route(ctx, id)
	case "gone":
		err = b.gone(ctx, id)
	case "expire":
		err = b.expire(ctx, p, id)
	case "place":
		session, agent, _ := strings.Cut(id, "|")
		err = b.resolve(ctx, p, agent, session)
	}
	return settled(err)
}

// settled takes out the refusals that say that there is nothing (more) to do.
func settled(err error) error {
	switch AsError(err).Code {
	case CodeWrongState, CodeEnded, CodeNotFound, CodeForbidden:
		return nil
	}
	if errors.Is(err, errEarly) {
		return nil
	}
	return err
}

// gone is for an agent whose grace is over: it is offline, its offers are
// declined, and its sessions wait again, ahead of their queues.
func (b *Broker) gone(ctx context.Context, agent string) error {
	st, err := b.setStatus(ctx, agent, Offline, true)
	if err != nil || st.Status != Offline {
		return err
	}
	b.log.Info("agent gone", "agent", agent)
	m := &member{who: "a:" + agent}
	ids, err := b.current(ctx, m)
	if err != nil {
		return err
	}
	held, err := b.pipe.HKeys(ctx, b.home(agent).load(agent)).Result()
	if err != nil {
		return redisError("load", err)
	}
	seen := map[string]bool{}
	for _, s := range append(ids, held...) {
		if !seen[s] {
			seen[s] = true
			err = errors.Join(err, settled(b.vacate(ctx, agent, s)))
		}
	}
	return err
}

// vacate takes a gone agent out of one session.
func (b *Broker) vacate(ctx context.Context, agent, session string) error {
	st, err := b.look(ctx, session)
	if err != nil || st.State == Ended {
		return err
	}
	s := newStep(Actor{}, session)
	if st.Target != nil && st.Target.ID == agent {
		s.By, s.Outcome, s.Reason = agent, "declined", "agent-gone"
		if _, err := b.transit(ctx, Actor{}, "withdraw", s); settled(err) != nil {
			return err
		}
	}
	if st.Agent != nil && st.Agent.ID == agent {
		s = newStep(Actor{}, session)
		s.Gone, s.To, s.Front, s.Reason = agent, st.Queue, true, "agent-gone"
		_, err = b.relocate(ctx, Actor{}, "requeue", s, requeueKeys(st.Queue))
		return err
	}
	if _, in := st.unread["a:"+agent]; in {
		s = newStep(Actor{}, session)
		s.By = agent
		_, err = b.transit(ctx, Actor{}, "leave", s)
	}
	return err
}

// resolve finds out what became of a place that was reserved and never settled.
func (b *Broker) resolve(ctx context.Context, p partition, agent, session string) error {
	at, err := b.pipe.HGet(ctx, p.load(agent), session).Result()
	if errors.Is(err, redis.Nil) {
		return nil
	}
	if err != nil {
		return redisError("load", err)
	}
	token, deadline, _ := strings.Cut(at, "|")
	if deadline == "held" {
		return nil
	}
	home, ok := b.of(session)
	if !ok {
		return b.settle(ctx, effect{Agent: agent, Session: session, Role: "none", Token: token})
	}
	r, err := b.run(ctx, "resolve", []string{home.session(session)}, agent, token, deadline)
	if err != nil {
		return err
	}
	if r.str(0) == "later" {
		due := float64(time.Now().Add(time.Second).UnixMilli())
		return redisError("resolve", b.pipe.ZAdd(ctx, p.timers(), redis.Z{Score: due, Member: "place|" + session + "|" + agent}).Err())
	}
	at0 := time.Now().UnixMilli()
	return b.settle(ctx, effect{Agent: agent, Session: session, Rev: r.num(1), Role: r.str(0), Token: token,
		Hold: r.num(2) == 1, Ended: r.num(3) == 1, At: at0, Created: createdAt(session, at0)})
}

// createdAt reads the time in a session's id; def if it has none.
func createdAt(session string, def int64) int64 {
	_, rest, _ := strings.Cut(session, "-")
	id, err := ulid.ParseStrict(rest)
	if err != nil {
		return def
	}
	return ulid.Time(id.Time()).UnixMilli()
}

// reap unregisters all connections of a node that died.
func (b *Broker) reap(ctx context.Context, p partition, node string) error {
	for {
		members, err := b.rdb.SRandMemberN(ctx, p.node(node), 200).Result()
		if err != nil {
			return redisError("reap", err)
		}
		if len(members) == 0 {
			return redisError("reap", b.rdb.ZRem(ctx, p.nodes(), node).Err())
		}
		for _, w := range members {
			id := Identity{ID: idOf(w)}
			if w[0] == 'a' {
				prof, err := b.profile(ctx, RoleAgent, id.ID)
				if err != nil {
					return err
				}
				id.Queues = prof.queues
			}
			if err := b.unregister(ctx, disconnectArgs{Who: w, Node: node}, id); err != nil {
				return err
			}
		}
	}
}

// reregister is for a node that was thought dead, or is new: its connections
// in the partition are told to Redis again.
func (b *Broker) reregister(ctx context.Context, p partition) {
	part := b.hub.parts[p.index]
	part.mu.Lock()
	var conns []*Conn
	for _, m := range part.members {
		conns = append(conns, m.all()...)
	}
	part.mu.Unlock()
	for _, c := range conns {
		c.mu.Lock()
		up := c.ready && !c.closed
		c.mu.Unlock()
		if !up {
			continue
		}
		switch err := b.register(ctx, c); {
		case err == nil:
		case AsError(err).Code == CodeUnauthorized:
			c.shut(CloseRevoked, "token revoked")
		case AsError(err).Code == CodeBlocked:
			c.shut(CloseRemoved, "removed by an administrator")
		default:
			b.log.Warn("connection not registered again", "participant", c.m.who, "error", err)
		}
	}
}

// sweep lets go of sessions that ended more than an hour ago.
func (h *hub) sweep() {
	for _, p := range h.parts {
		p.mu.Lock()
		var old []*feed
		for _, f := range p.feeds {
			old = append(old, f)
		}
		p.mu.Unlock()
		for _, f := range old {
			f.mu.Lock()
			if f.st != nil && f.st.Ended != nil && time.Since(f.st.Ended.Time) > lately {
				for _, m := range f.seats {
					f.remove(m)
				}
			}
			f.unlock()
		}
	}
}
