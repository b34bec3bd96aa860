package broker

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"bellhop/archive"
	"bellhop/broker/chat"
	"bellhop/broker/internal/store"
)

// The kinds of records: what is no session and must outlive Redis all the same.
const (
	recordQueue      = "queue"   // a queue's settings
	recordProfile    = "profile" // of a participant: who it is, what an administrator set, its revocation
	recordToken      = "token"   // by its hash
	recordCanned     = "canned"  // a canned reply
	recordDeployment = "deployment"
)

// record reads one as it is now. Without data it is deleted.
func (b *Broker) record(ctx context.Context, c collected, kind, id string) (*archive.Record, error) {
	rec := &archive.Record{Kind: kind, ID: id, Version: c.now}
	switch kind {
	case recordQueue:
		data, err := b.Pipe.HGet(ctx, c.part.Queues(), id).Bytes()
		if err != nil && !errors.Is(err, redis.Nil) {
			return nil, store.RedisError("queue", err)
		}
		rec.Data = data
	case recordCanned:
		data, err := b.Pipe.HGet(ctx, c.part.Canned(), id).Bytes()
		if err != nil && !errors.Is(err, redis.Nil) {
			return nil, store.RedisError("canned", err)
		}
		rec.Data = data
	case recordToken:
		data, expires, err := b.people.TokenRecord(ctx, id)
		if err != nil {
			return nil, err
		}
		rec.Data, rec.Expires = data, expires
	case recordProfile:
		data, err := b.people.ProfileRecord(ctx, id)
		if err != nil {
			return nil, err
		}
		rec.Data = data
	}
	return rec, nil
}

// restoreRecords puts all records back; it may be repeated.
func (b *Broker) restoreRecords(ctx context.Context, step func(n int)) error {
	for _, kind := range []string{recordQueue, recordProfile, recordToken, recordCanned} {
		if kind == recordProfile { // how long they are kept is a matter of the queues
			if err := b.settings.load(ctx, b); err != nil {
				return err
			}
		}
		for after := ""; ; {
			list, err := b.archiver.store.Records(ctx, kind, after, 500)
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
	return b.people.Recount(ctx)
}

func (b *Broker) restoreRecord(ctx context.Context, pipe redis.Pipeliner, r *archive.Record) {
	switch r.Kind {
	case recordQueue:
		pipe.HSet(ctx, b.Parts[0].Queues(), r.ID, r.Data)
	case recordCanned:
		if c, err := parseCanned(string(r.Data)); err == nil {
			pipe.HSet(ctx, b.Parts[0].Canned(), c.ID, r.Data)
			pipe.HSet(ctx, b.Parts[0].Shortcuts(c.scope()), c.Shortcut, c.ID)
		}
	case recordToken:
		b.people.RestoreToken(ctx, pipe, r.ID, r.Data, r.Expires)
	case recordProfile:
		b.people.RestoreProfile(ctx, pipe, r.ID, r.Data, time.Duration(b.settings.keep())*time.Millisecond)
	}
}

// claimArchive makes sure that all nodes of this Redis use one archive.
func (b *Broker) claimArchive(ctx context.Context) error {
	mine, err := b.archiveID(ctx)
	if err != nil {
		return err
	}
	if err := b.Redis.SetNX(ctx, store.ArchiveKey, mine, 0).Err(); err != nil {
		return store.RedisError("archive", err)
	}
	theirs, err := b.Redis.Get(ctx, store.ArchiveKey).Result()
	if err != nil {
		return store.RedisError("archive", err)
	}
	if theirs != mine {
		return ErrArchive
	}
	return nil
}

// ErrArchive says that this Redis is archived somewhere else.
var ErrArchive = errors.New("the nodes of this Redis use another archive")

// archiveID is the archive's own id, made at its first use.
func (b *Broker) archiveID(ctx context.Context) (string, error) {
	id, err := b.deployment(ctx, "archive")
	if err != nil || id != "" {
		return id, err
	}
	if err := b.setDeployment(ctx, "archive", b.Node); err != nil {
		return "", err
	}
	return b.deployment(ctx, "archive") // another node's, if both made one
}

// archivedPartitions is the number of partitions that the archived sessions' ids name; 0 where there are none yet.
func (b *Broker) archivedPartitions(ctx context.Context) (int, error) {
	text, err := b.deployment(ctx, "partitions")
	if err != nil || text == "" {
		return 0, err
	}
	return strconv.Atoi(text)
}

func (b *Broker) deployment(ctx context.Context, name string) (string, error) {
	list, err := b.archiver.store.Records(ctx, recordDeployment, "", 10)
	if err != nil {
		return "", store.ArchiveError("records", err)
	}
	for _, r := range list {
		var value string
		if r.ID == name && json.Unmarshal(r.Data, &value) == nil {
			return value, nil
		}
	}
	return "", nil
}

// setDeployment writes a value that never changes: the first written stays.
func (b *Broker) setDeployment(ctx context.Context, name, value string) error {
	// The earlier it is written, the later its version.
	version := int64(1)<<62 - time.Now().UnixMilli()
	return store.ArchiveError("records", b.archiver.store.PutRecords(ctx, []archive.Record{{Kind: recordDeployment, ID: name,
		Version: version, Data: []byte(chat.Encode(value))}}))
}
