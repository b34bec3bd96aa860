package people

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"

	"bellhop/broker/chat"
	"bellhop/broker/internal/store"
)

// What must outlive Redis of profiles and tokens is kept as records, and put back by them.

// lasting are the fields of a profile that a record keeps; the others are about
// connections, which do not outlive Redis.
var lasting = []string{"info", "queues", "capacity", "set", "disabled", "blocked", "blocked_reason", "revoked", "generation",
	"last_agent", "last_at", "chosen"}

// ProfileRecord is what lasts of a participant's profile; nil where nothing does.
func (ps *People) ProfileRecord(ctx context.Context, who string) ([]byte, error) {
	fields, err := ps.store.Pipe.HMGet(ctx, ps.store.Home(chat.IDOf(who)).Profile(who), lasting...).Result()
	if err != nil {
		return nil, store.RedisError("profile", err)
	}
	kept := map[string]string{}
	for i, v := range fields {
		if text, ok := v.(string); ok {
			kept[lasting[i]] = text
		}
	}
	if len(kept) == 0 { // it had nothing to say that lasts, and has expired
		return nil, nil
	}
	return []byte(chat.Encode(kept)), nil
}

// RestoreProfile puts one back; a user's is kept so long, unless it bars somebody.
func (ps *People) RestoreProfile(ctx context.Context, pipe redis.Pipeliner, who string, record []byte, keep time.Duration) {
	var fields map[string]string
	if json.Unmarshal(record, &fields) != nil || len(who) < 3 || len(fields) == 0 {
		return
	}
	p := ps.store.Home(chat.IDOf(who))
	pipe.HSet(ctx, p.Profile(who), fields)
	if who[0] == 'a' {
		pipe.SAdd(ctx, p.Agents(), chat.IDOf(who))
	} else if fields["blocked"]+fields["revoked"]+fields["generation"] == "" { // as in lib/memory.lua
		pipe.PExpire(ctx, p.Profile(who), keep)
	}
}

// TokenRecord is a token by its hash, and when it expires, in ms; nil where there is none any more.
func (ps *People) TokenRecord(ctx context.Context, hash string) (record []byte, expires int64, err error) {
	record, err = ps.store.Pipe.Get(ctx, ps.store.Home(hash).Token(hash)).Bytes()
	if err != nil && !errors.Is(err, redis.Nil) {
		return nil, 0, store.RedisError("token", err)
	}
	var r tokenRecord
	if json.Unmarshal(record, &r) == nil {
		expires = r.Expires
	}
	return record, expires, nil
}

// RestoreToken puts one back, until it expires.
func (ps *People) RestoreToken(ctx context.Context, pipe redis.Pipeliner, hash string, record []byte, expires int64) {
	if left := time.Until(time.UnixMilli(expires)); left > 0 {
		pipe.Set(ctx, ps.store.Home(hash).Token(hash), record, left)
	}
}
