package broker

import (
	"context"
	"encoding/json"
	"time"

	"github.com/redis/go-redis/v9"

	"bellhop/archive"
	"bellhop/broker/chat"
	"bellhop/broker/internal/archiving"
	"bellhop/broker/internal/store"
)

// restoreRecords puts all records back; it may be repeated.
func (b *Broker) restoreRecords(ctx context.Context, step func(n int)) error {
	for _, kind := range []string{archiving.RecordQueue, archiving.RecordProfile, archiving.RecordToken, archiving.RecordCanned} {
		if kind == archiving.RecordProfile { // how long they are kept is a matter of the queues
			if err := b.settings.load(ctx, b); err != nil {
				return err
			}
		}
		for after := ""; ; {
			list, err := b.opt.Archive.Records(ctx, kind, after, 500)
			if err != nil {
				return store.ArchiveError("records", err)
			}
			if len(list) == 0 {
				break
			}
			after = list[len(list)-1].ID
			if _, err := b.Redis.Pipelined(ctx, func(pipe redis.Pipeliner) error {
				for i := range list {
					b.restoreRecord(ctx, pipe, &list[i])
				}
				return nil
			}); err != nil {
				return store.RedisError("restore", err)
			}
			step(len(list))
		}
	}
	return b.recount(ctx)
}

func (b *Broker) restoreRecord(ctx context.Context, pipe redis.Pipeliner, r *archive.Record) {
	switch r.Kind {
	case archiving.RecordQueue:
		pipe.HSet(ctx, b.Parts[0].Queues(), r.ID, r.Data)
	case archiving.RecordCanned:
		b.canned.Restore(ctx, pipe, r.Data)
	case archiving.RecordToken:
		if left := time.Until(time.UnixMilli(r.Expires)); left > 0 {
			pipe.Set(ctx, b.Home(r.ID).Token(r.ID), r.Data, left)
		}
	case archiving.RecordProfile:
		var fields map[string]string
		if json.Unmarshal(r.Data, &fields) != nil || len(r.ID) < 3 || len(fields) == 0 {
			return
		}
		p := b.Home(chat.IDOf(r.ID))
		pipe.HSet(ctx, p.Profile(r.ID), fields)
		if r.ID[0] == 'a' {
			pipe.SAdd(ctx, p.Agents(), chat.IDOf(r.ID))
		} else if fields["blocked"]+fields["revoked"]+fields["generation"] == "" { // as in lib/memory.lua
			pipe.PExpire(ctx, p.Profile(r.ID), time.Duration(b.settings.keep())*time.Millisecond)
		}
	}
}
