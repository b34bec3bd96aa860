package broker

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"

	"bellhop/archive"
	"bellhop/broker/internal/archiving"
	"bellhop/broker/internal/store"
)

// restoreRecords puts all records back; it may be repeated.
func (b *Broker) restoreRecords(ctx context.Context, step func(n int)) error {
	for _, kind := range []string{archiving.RecordQueue, archiving.RecordProfile, archiving.RecordToken, archiving.RecordCanned} {
		if kind == archiving.RecordProfile { // how long they are kept is a matter of the queues
			if err := b.settings.Load(ctx); err != nil {
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
			if _, err := b.store.Redis.Pipelined(ctx, func(pipe redis.Pipeliner) error {
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
	return b.people.Recount(ctx)
}

func (b *Broker) restoreRecord(ctx context.Context, pipe redis.Pipeliner, r *archive.Record) {
	switch r.Kind {
	case archiving.RecordQueue:
		b.settings.Restore(ctx, pipe, r.ID, r.Data)
	case archiving.RecordCanned:
		b.canned.Restore(ctx, pipe, r.Data)
	case archiving.RecordToken:
		b.people.RestoreToken(ctx, pipe, r.ID, r.Data, r.Expires)
	case archiving.RecordProfile:
		b.people.RestoreProfile(ctx, pipe, r.ID, r.Data, time.Duration(b.settings.Keep())*time.Millisecond)
	}
}

// Record is what the archive keeps of a queue's settings, a participant, a token or a canned
// reply, as it is now: nothing where that is gone.
func (n archiverNeeds) Record(ctx context.Context, kind, id string) (data []byte, expires int64, err error) {
	b := n.b
	switch kind {
	case archiving.RecordQueue:
		data, err = b.settings.Kept(ctx, id)
	case archiving.RecordCanned:
		data, err = b.canned.Kept(ctx, id)
	case archiving.RecordToken:
		data, expires, err = b.people.TokenRecord(ctx, id)
	case archiving.RecordProfile:
		data, err = b.people.ProfileRecord(ctx, id)
	}
	return data, expires, err
}
