package live

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"

	"bellhop/broker/chat"
	"bellhop/broker/internal/store"
)

// gathered is what a member has to do with now, as much of it as one event holds.
type gathered struct {
	open     []chat.Session // all that are open
	sessions []chat.Session // those that fit, then those that ended lately, each newest first
	offers   []chat.Session // made to it and still open
	offered  []string       // all of those, also what does not fit
	more     bool           // not all of them
	unread   int64          // of all sessions
}

// gather attaches a member to its sessions: to all that are open, and of those
// that ended lately to as many as fit. Of the rest it only learns the counts:
// there may be thousands, in which nothing happens but a read.
func (h *Hub) gather(ctx context.Context, m *member, room *chat.Page) (gathered, error) {
	g := gathered{sessions: []chat.Session{}, offers: []chat.Session{}}
	ids, ended, err := h.concerns(ctx, m.who)
	if err != nil {
		return g, err
	}
	open, err := h.attachAll(ctx, m, ids)
	if err != nil {
		return g, err
	}
	for _, s := range open {
		if !m.user() && s.Target != nil && s.Target.ID == chat.IDOf(m.who) {
			g.offered = append(g.offered, s.ID)
			m.offered(s.ID, true)
			g.more = !appendFitting(&g.offers, s, room) || g.more
		}
	}
	for _, s := range open {
		if !m.seated(s.ID) {
			continue
		}
		if s.Ended != nil && time.Since(s.Ended.Time) >= chat.Lately {
			if f := h.live(s.ID); f != nil {
				f.unseat(m)
			}
			continue
		}
		g.unread += s.Unread
		g.open = append(g.open, s)
		g.more = g.more || !appendFitting(&g.sessions, s, room)
	}
	err = h.gatherEnded(ctx, m, ended, room, &g)
	return g, err
}

// attachAtOnce is how many ended sessions are attached before it is known whether more fit.
const attachAtOnce = 16

func (h *Hub) gatherEnded(ctx context.Context, m *member, ended []endedSession, room *chat.Page, g *gathered) error {
	for len(ended) > 0 && !g.more {
		n := min(attachAtOnce, len(ended))
		ids := make([]string, n)
		for i := range ids {
			ids[i] = ended[i].id
		}
		shown, err := h.attachAll(ctx, m, ids)
		if err != nil {
			return err
		}
		slices.SortFunc(shown, func(x, y chat.Session) int { return slices.Index(ids, x.ID) - slices.Index(ids, y.ID) })
		for _, s := range shown {
			if m.seated(s.ID) {
				g.unread += s.Unread
				g.more = g.more || !appendFitting(&g.sessions, s, room)
			}
		}
		ended = ended[n:]
	}
	for _, e := range ended {
		g.unread += e.unread
	}
	g.more = g.more || len(ended) > 0
	m.setApart(ended)
	return nil
}

func appendFitting(list *[]chat.Session, s chat.Session, room *chat.Page) bool {
	const mid = len(`"mid":"01JZZZZZZZZZZZZZZZZZZZZZZZ",`)
	if !room.Fits(chat.Sized(s) + mid) {
		return false
	}
	*list = append(*list, s)
	return true
}

// attachAll attaches a member to sessions and gives those that there are, newest first.
func (h *Hub) attachAll(ctx context.Context, m *member, ids []string) ([]chat.Session, error) {
	found := make([]*chat.Session, len(ids))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(64)
	for i, id := range ids {
		g.Go(func() error {
			s, _, err := h.attach(gctx, m, id, nil)
			if errors.Is(err, &chat.Error{Code: chat.CodeNotFound}) {
				return nil
			}
			if err == nil {
				found[i] = &s
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	var out []chat.Session
	for _, s := range found {
		if s != nil {
			out = append(out, *s)
		}
	}
	slices.SortFunc(out, func(x, y chat.Session) int {
		return cmp.Or(y.Created.Compare(x.Created.Time), strings.Compare(y.ID, x.ID))
	})
	return out, nil
}

// endedSession is one that ended lately, as far as hello must know it.
type endedSession struct {
	id     string
	at     int64 // ms
	unread int64
}

// concerns are the ids of what a participant may have to do with: sessions that are
// open, as far as is known, and, the latest first, those that ended lately.
func (h *Hub) concerns(ctx context.Context, w string) (open []string, ended []endedSession, err error) {
	ids, over, err := h.involved(ctx, w)
	if err != nil {
		return nil, nil, err
	}
	if len(over) == 0 {
		return ids, nil, nil
	}
	found := make([]*redis.SliceCmd, len(over))
	counts := make([]*redis.StringCmd, len(over))
	_, err = h.store.Redis.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for i, id := range over {
			if p, ok := h.store.Of(id); ok {
				found[i], counts[i] = pipe.HMGet(ctx, p.Session(id), "state", "ended"), pipe.HGet(ctx, p.Unread(id), w)
			}
		}
		return nil
	})
	if err != nil && !errors.Is(err, redis.Nil) {
		return nil, nil, store.RedisError("hello", err)
	}
	cut := time.Now().Add(-chat.Lately).UnixMilli()
	for i, id := range over {
		if found[i] == nil || counts[i].Err() != nil || len(found[i].Val()) != 2 {
			continue // no session's id, gone, or no participant any more
		}
		unread, _ := counts[i].Int64()
		at, _ := found[i].Val()[1].(string)
		e := endedSession{id: id, unread: unread}
		e.at, _ = strconv.ParseInt(at, 10, 64)
		switch state, _ := found[i].Val()[0].(string); {
		case state != "" && state != string(chat.Ended):
			ids = append(ids, id)
		case e.at > cut:
			ended = append(ended, e)
		}
	}
	slices.SortFunc(ended, func(x, y endedSession) int {
		return cmp.Or(cmp.Compare(y.at, x.at), strings.Compare(y.id, x.id))
	})
	return ids, ended, nil
}

// Current lists the ids of what a participant may have to do with now.
func (h *Hub) Current(ctx context.Context, w string) ([]string, error) {
	open, over, err := h.involved(ctx, w)
	return append(open, over...), err
}

// involved lists a participant's sessions: those that are open, as far as its own
// partition knows, and all others.
func (h *Hub) involved(ctx context.Context, w string) (open, over []string, err error) {
	p := h.store.Home(chat.IDOf(w))
	if w[0] == 'u' {
		// All that Redis has: the open ones, and those that ended not long ago.
		ids, err := h.store.Pipe.ZRange(ctx, p.Listed(w), 0, -1).Result()
		return nil, ids, store.RedisError("listed", err)
	}
	live, err := h.store.Pipe.HGetAll(ctx, p.Mine(w)).Result()
	if err != nil {
		return nil, nil, store.RedisError("mine", err)
	}
	var old []string
	cut := time.Now().Add(-chat.Lately).UnixMilli()
	for s, value := range live { // rev|role|over
		parts := strings.Split(value, "|")
		at, _ := strconv.ParseInt(parts[len(parts)-1], 10, 64)
		switch {
		case at > 0 && at < cut:
			old = append(old, s)
		case len(parts) != 3 || parts[1] == "none" || parts[1] == "past":
		case at > 0:
			over = append(over, s)
		default:
			open = append(open, s)
		}
	}
	if len(old) > 0 {
		if err := h.store.Pipe.HDel(ctx, p.Mine(w), old...).Err(); err != nil {
			return nil, nil, store.RedisError("mine", err)
		}
	}
	return open, over, nil
}

// lastMids puts the ids of their last messages into sessions.
func (h *Hub) lastMids(ctx context.Context, sessions []chat.Session) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(64)
	for i := range sessions {
		g.Go(func() (err error) {
			sessions[i].Mid, err = h.lastMid(ctx, sessions[i].ID, sessions[i].Seq)
			return err
		})
	}
	return g.Wait()
}

// lastMid is the id of the message at a session's seq; "" where there is none.
func (h *Hub) lastMid(ctx context.Context, session string, seq int64) (string, error) {
	if f := h.live(session); f != nil {
		if mid := f.midAt(seq); mid != "" {
			return mid, nil
		}
	}
	list, err := h.sessions.ReadLog(ctx, session, seq, seq)
	if err != nil || len(list) == 0 {
		return "", err
	}
	return chat.MidOf(list[0].Head), nil
}
