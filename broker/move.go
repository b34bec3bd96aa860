package broker

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"

	"bellhop/broker/chat"
	"bellhop/broker/internal/archiving"
	"bellhop/broker/internal/store"
)

const (
	moveBatch = 64               // sessions moved before the next are read
	moveTurn  = 15 * time.Second // a node moves this long before it renews its hold
	moveWidth = 8                // sessions moved at a time
	moveKept  = 7 * 24 * time.Hour
)

// MoveRequest moves many sessions: those an agent owns, or those that wait in a
// queue, into another queue. An agent's go each into its own where Queue is empty.
type MoveRequest struct {
	FromAgent string
	FromQueue string
	Queue     string
	Note      string
}

// Move is how far a MoveRequest has come.
type Move struct {
	ID      string    `json:"id"`
	From    MoveEnd   `json:"from"`
	To      MoveEnd   `json:"to"`
	State   string    `json:"state"` // running or done
	Total   int64     `json:"total"`
	Moved   int64     `json:"moved"`
	Failed  int64     `json:"failed"` // ended, grabbed or handed over meanwhile
	Created chat.Time `json:"created"`
}

// MoveEnd is an agent or a queue.
type MoveEnd struct {
	Agent string `json:"agent,omitempty"`
	Queue string `json:"queue,omitempty"`
}

// MoveAll begins to move many sessions and answers at once; MoveStatus tells
// how far it has come. It goes on when this node dies.
func (b *Broker) MoveAll(ctx context.Context, a chat.Actor, r MoveRequest) (Move, error) {
	if err := chat.Allow(a, chat.ActMoves); err != nil {
		return Move{}, err
	}
	if (r.FromAgent == "") == (r.FromQueue == "") || r.FromQueue != "" && (r.Queue == "" || r.Queue == r.FromQueue) {
		return Move{}, chat.Errorf(chat.CodeBadRequest, "from: an agent or a queue; to: another queue")
	}
	for _, id := range []string{r.FromAgent, r.FromQueue, r.Queue} {
		if id != "" {
			if err := chat.ValidID("from, to", id); err != nil {
				return Move{}, err
			}
		}
	}
	if err := chat.ValidProse("note", r.Note, chat.MaxNote); err != nil {
		return Move{}, err
	}
	sessions, err := b.movable(ctx, r)
	if err != nil {
		return Move{}, err
	}
	id := ulid.Make().String()
	p := b.store.Home(id)
	if _, err := b.store.Redis.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for i := 0; i < len(sessions); i += archiving.RevivePage {
			pipe.SAdd(ctx, p.Left(id), sessions[i:min(i+archiving.RevivePage, len(sessions))]...)
		}
		pipe.Expire(ctx, p.Left(id), moveKept)
		return nil
	}); err != nil {
		return Move{}, store.RedisError("move", err)
	}
	if _, err := b.store.Run(ctx, "move", []string{p.Move(id), p.Left(id), p.Timers()}, id, chat.Encode(r), chat.Encode(a.Identity),
		moveKept.Milliseconds()); err != nil {
		return Move{}, err
	}
	return b.MoveStatus(ctx, a, id)
}

// movable are the sessions to move, as they are now.
func (b *Broker) movable(ctx context.Context, r MoveRequest) ([]any, error) {
	var out []any
	if r.FromAgent != "" {
		held, err := b.places.Held(ctx, r.FromAgent)
		for _, s := range held {
			out = append(out, s)
		}
		return out, err
	}
	list, err := b.waiting.UpTo(ctx, r.FromQueue, -1)
	for _, z := range list {
		out = append(out, z.Member)
	}
	return out, err
}

// MoveStatus tells how far a move has come; it is remembered for a week.
func (b *Broker) MoveStatus(ctx context.Context, a chat.Actor, id string) (Move, error) {
	if err := chat.Allow(a, chat.ActMoves); err != nil {
		return Move{}, err
	}
	if _, err := ulid.ParseStrict(id); err != nil {
		return Move{}, chat.Errorf(chat.CodeNotFound, "no such move")
	}
	p := b.store.Home(id)
	var job *redis.MapStringStringCmd
	var left, failed *redis.IntCmd
	if _, err := b.store.Redis.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		job, left, failed = pipe.HGetAll(ctx, p.Move(id)), pipe.SCard(ctx, p.Left(id)), pipe.SCard(ctx, p.Failed(id))
		return nil
	}); err != nil {
		return Move{}, store.RedisError("move", err)
	}
	f := chat.Flat(job.Val())
	var r MoveRequest
	if json.Unmarshal([]byte(f["request"]), &r) != nil {
		return Move{}, chat.Errorf(chat.CodeNotFound, "no such move")
	}
	m := Move{ID: id, From: MoveEnd{r.FromAgent, r.FromQueue}, To: MoveEnd{Queue: r.Queue}, State: "running",
		Total: f.Num("total"), Failed: failed.Val(), Created: chat.At(f.Num("created"))}
	m.Moved = m.Total - left.Val() - m.Failed
	if left.Val() == 0 {
		m.State = "done"
	}
	return m, nil
}

// carryMove moves for a while, and lets the move's timer go on where more is left.
func (b *Broker) carryMove(ctx context.Context, id string) error {
	p := b.store.Home(id)
	f, err := b.store.Redis.HMGet(ctx, p.Move(id), "request", "by").Result()
	if err != nil {
		return store.RedisError("move", err)
	}
	var r MoveRequest
	var by chat.Identity
	request, _ := f[0].(string)
	actor, _ := f[1].(string)
	if request == "" {
		return nil // forgotten
	}
	if err := errors.Join(json.Unmarshal([]byte(request), &r), json.Unmarshal([]byte(actor), &by)); err != nil {
		return err
	}
	for until := time.Now().Add(moveTurn); time.Now().Before(until); {
		batch, err := b.store.Redis.SRandMemberN(ctx, p.Left(id), moveBatch).Result()
		if err != nil || len(batch) == 0 {
			return store.RedisError("move", err)
		}
		if err := b.moveBatch(ctx, p, id, chat.Actor{Identity: by, Host: by.ID == ""}, r, batch); err != nil {
			return err
		}
	}
	_, err = b.store.Run(ctx, "later", []string{p.Timers()}, 0, "", "move|"+id)
	return err
}

func (b *Broker) moveBatch(ctx context.Context, p store.Partition, id string, a chat.Actor, r MoveRequest, batch []string) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(moveWidth)
	for _, session := range batch {
		g.Go(func() error {
			moved, err := b.moveOne(ctx, a, r, session)
			if err != nil {
				return err
			}
			done := 0
			if moved {
				done = 1
			}
			_, err = b.store.Run(ctx, "moved", []string{p.Left(id), p.Failed(id)}, session, done, moveKept.Milliseconds())
			return err
		})
	}
	return g.Wait()
}

// moveOne moves a session unless it has moved on by itself. Repeated it does nothing more.
func (b *Broker) moveOne(ctx context.Context, a chat.Actor, r MoveRequest, session string) (bool, error) {
	args := requeueArgs{caller: calledBy(a, chat.ActMoves, session), Owner: r.FromAgent, From: r.FromQueue, To: r.Queue, Entry: note(a, r.Note)}
	args.Boss = true
	if args.To == "" {
		st, err := b.sessions.Look(ctx, session)
		if err != nil {
			return false, unlessOver(err)
		}
		args.To, args.Front = st.Queue, true
	}
	_, err := b.requeue(ctx, a, chat.ActMoves, args)
	if err == nil {
		return true, nil
	}
	if unlessOver(err) != nil {
		return false, err
	}
	// It may be this very move's doing, by a node that died before it could note it.
	st, err := b.sessions.Look(ctx, session)
	return err == nil && st.State == chat.Waiting && st.Queue == args.To && args.To != r.FromQueue, unlessOver(err)
}
