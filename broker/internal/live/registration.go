package live

import (
	"context"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"bellhop/broker/chat"
	"bellhop/broker/internal/store"
)

// reassertPause is how often every connection is told to Redis again, whatever happened.
const reassertPause = 3 * time.Minute

// registrations are the connections of a partition that Redis is to be told of
// (again). One stays until it was: what Redis holds of connections must never
// be an old error's.
type registrations struct {
	mu   sync.Mutex
	owed map[*Conn]bool
	busy bool
}

// conns are all connections of the partition's participants here, greeted or not.
func (p *hubPart) conns() []*Conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []*Conn
	for _, m := range p.members {
		out = append(out, m.all()...)
	}
	return out
}

// owe has every connection told to Redis again, as soon as Redis takes it.
func (p *hubPart) owe() {
	list := p.conns()
	r := &p.owing
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.owed == nil {
		r.owed = map[*Conn]bool{}
	}
	for _, c := range list {
		r.owed[c] = true
	}
	if !r.busy && len(r.owed) > 0 {
		r.busy = true
		p.h.store.Tasks.Go(p.register)
	}
}

// register tells Redis of those owed until none is left.
func (p *hubPart) register() {
	h, r := p.h, &p.owing
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, 2*time.Second) {
		r.mu.Lock()
		list := make([]*Conn, 0, len(r.owed))
		for c := range r.owed {
			list = append(list, c)
		}
		if len(list) == 0 {
			r.busy = false
			r.mu.Unlock()
			return
		}
		r.mu.Unlock()
		if err := p.registerAll(list); err == nil {
			continue
		} else if h.store.Life.Err() == nil {
			h.store.Log.Warn("connections not registered again yet", "partition", p.Index, "error", err)
		}
		if !store.Sleep(h.store.Life, store.Jitter(pause)) {
			return
		}
	}
}

func (p *hubPart) registerAll(list []*Conn) error {
	ctx, cancel := context.WithTimeout(p.h.store.Life, FeedPatience)
	defer cancel()
	var g errgroup.Group
	g.SetLimit(64)
	for _, c := range list {
		g.Go(func() error {
			if err := p.h.reregister(ctx, c); err != nil {
				return err
			}
			p.owing.mu.Lock()
			defer p.owing.mu.Unlock()
			delete(p.owing.owed, c)
			return nil
		})
	}
	return g.Wait()
}

// reregister tells Redis of one connection again, or ends it where Redis says that it may not be.
func (h *Hub) reregister(ctx context.Context, c *Conn) error {
	if c.gone() {
		return nil
	}
	var replaced bool
	err := h.people.Held(ctx, c.Identity()) // its token may have been revoked, and nobody lived to tell
	if err == nil {
		replaced, err = h.register(ctx, c, true)
	}
	switch {
	case replaced:
		c.shut(chat.CloseReplaced, "replaced by another connection of this device")
	case err == nil && c.gone(): // its farewell may have come before
		return h.farewell(ctx, c)
	case err == nil:
		return nil
	case chat.AsError(err).Code == chat.CodeUnauthorized:
		c.shut(chat.CloseRevoked, "token revoked")
	case chat.AsError(err).Code == chat.CodeBlocked:
		c.shut(chat.CloseRemoved, "removed by an administrator")
	default:
		return err
	}
	return nil
}

// reassert has all connections told again, and takes back what Redis says is here and is not.
func (p *hubPart) reassert(ctx context.Context) {
	p.owe()
	if err := p.strays(ctx); err != nil && ctx.Err() == nil {
		p.h.store.Log.Warn("connections of this node not compared; again in some minutes", "partition", p.Index, "error", err)
	}
}

// strays unregisters connections that Redis holds as this node's and that are
// not here: the news of their end was lost with Redis's newest writes.
func (p *hubPart) strays(ctx context.Context) error {
	h := p.h
	for cursor := uint64(0); ; {
		names, next, err := h.store.Redis.SScan(ctx, p.Node(h.store.Node), cursor, "", 200).Result()
		if err != nil {
			return store.RedisError("strays", err)
		}
		for _, w := range names {
			if err := p.stray(ctx, w); err != nil {
				return err
			}
		}
		if cursor = next; cursor == 0 {
			return nil
		}
	}
}

func (p *hubPart) stray(ctx context.Context, w string) error {
	h := p.h
	held, err := h.store.Pipe.HGetAll(ctx, p.Partition.Conns(w)).Result()
	if err != nil {
		return store.RedisError("strays", err)
	}
	here := map[string]bool{} // after that, so that none is missing that was there
	if m := p.member(w); m != nil {
		for _, c := range m.all() {
			here[c.id] = true
		}
	}
	var queues []string
	for device, conn := range held {
		if !strings.HasPrefix(conn, h.store.Node+"/") || here[conn] {
			continue
		}
		if w[0] == 'a' && queues == nil {
			is, err := h.people.Profile(ctx, chat.RoleAgent, chat.IDOf(w))
			if err != nil {
				return err
			}
			queues = is.Queues
		}
		h.store.Log.Warn("a connection that has ended was still registered", "participant", w)
		if _, err := h.presence.Unregister(ctx, chat.Farewell{Who: w, Queues: queues, Node: h.store.Node, Device: device, Conn: conn}); err != nil {
			return err
		}
	}
	return nil
}

// Owe has every connection of a partition told to Redis again, as soon as Redis takes it.
func (h *Hub) Owe(p store.Partition) { h.parts[p.Index].owe() }
