package canned

import (
	"context"
	"errors"
	"slices"

	"github.com/redis/go-redis/v9"

	"bellhop/broker/chat"
	"bellhop/broker/internal/store"
)

// List shows the replies that a reader may use, by id, at most q.Limit of them.
func (r *Replies) List(ctx context.Context, who Reader, q chat.CannedRequest) (chat.CannedReply, error) {
	reply := chat.CannedReply{Canned: []chat.Canned{}}
	for name, v := range map[string]string{"queue": q.Queue, "cursor": q.Cursor} {
		if err := chat.ValidText(name, v, chat.MaxID); err != nil {
			return reply, err
		}
	}
	ids, err := r.ids(ctx, who, q.Queue)
	if err != nil {
		return reply, err
	}
	slices.Sort(ids)
	ids = slices.Compact(ids) // a queue may be among one's own twice
	from, found := slices.BinarySearch(ids, q.Cursor)
	if found {
		from++
	}
	ids = ids[from:]
	if len(ids) > q.Limit {
		ids = ids[:q.Limit]
		reply.Cursor = ids[q.Limit-1]
	}
	if len(ids) == 0 {
		return reply, nil
	}
	list, err := r.store.Redis.HMGet(ctx, r.store.Parts[0].Canned(), ids...).Result()
	if err != nil {
		return reply, store.RedisError("canned", err)
	}
	room := chat.NewPage()
	for i, data := range list {
		text, ok := data.(string)
		if !ok {
			continue // removed meanwhile
		}
		c, err := Parse(text)
		if err != nil {
			return reply, err
		}
		if who.Sees(&c) && (q.Queue == "" || c.Queue == q.Queue) { // it may have moved meanwhile
			if !room.Fits(chat.Sized(c)) {
				reply.Cursor = ids[i-1]
				return reply, nil
			}
			reply.Canned = append(reply.Canned, c)
		}
	}
	return reply, nil
}

// ids are those of the replies that a reader may use.
func (r *Replies) ids(ctx context.Context, who Reader, queue string) ([]string, error) {
	p := r.store.Parts[0]
	var scopes []string
	switch {
	case queue != "" && (who.All || chat.Contains(who.Queues, queue)):
		scopes = []string{queueScope(queue)}
	case queue != "":
		return nil, nil
	case who.All:
		ids, err := r.store.Redis.HKeys(ctx, p.Canned()).Result()
		return ids, store.RedisError("canned", err)
	default:
		scopes = []string{"", agentScope(who.Agent)}
		for _, q := range who.Queues {
			scopes = append(scopes, queueScope(q))
		}
	}
	cmds := make([]*redis.StringSliceCmd, len(scopes))
	if _, err := r.store.Redis.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for i, s := range scopes {
			cmds[i] = pipe.HVals(ctx, p.Shortcuts(s))
		}
		return nil
	}); err != nil {
		return nil, store.RedisError("canned", err)
	}
	var ids []string
	for _, c := range cmds {
		ids = append(ids, c.Val()...)
	}
	return ids, nil
}

// find finds what a reader may use, by its id or by its shortcut: its own come
// first, then a queue's, then those for all.
func (r *Replies) find(ctx context.Context, who Reader, name, queue string) (chat.Canned, error) {
	c, err := r.Get(ctx, name)
	if err == nil && who.Sees(&c) || err != nil && !errors.Is(err, errNone) {
		return c, err
	}
	scopes := []string{queueScope(queue), ""}
	if who.Agent != "" {
		scopes = append([]string{agentScope(who.Agent)}, scopes...)
	}
	for _, s := range scopes {
		id, err := r.store.Pipe.HGet(ctx, r.store.Parts[0].Shortcuts(s), name).Result()
		if errors.Is(err, redis.Nil) {
			continue
		}
		if err != nil {
			return c, store.RedisError("canned", err)
		}
		c, err := r.Get(ctx, id)
		if err == nil && who.Sees(&c) || err != nil && !errors.Is(err, errNone) {
			return c, err
		}
	}
	return chat.Canned{}, errNone
}
