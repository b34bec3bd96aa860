package archiving

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"bellhop/archive"
	"bellhop/broker/chat"
	"bellhop/broker/internal/store"
)

// The kinds of records: what is no session and must outlive Redis all the same.
const (
	RecordQueue      = "queue"   // a queue's settings
	RecordProfile    = "profile" // of a participant: who it is, what an administrator set, its revocation
	RecordToken      = "token"   // by its hash
	RecordCanned     = "canned"  // a canned reply
	recordDeployment = "deployment"
)

// record reads one as it is now. Without data it is deleted.
func (a *Archiver) record(ctx context.Context, c store.Collected, kind, id string) (*archive.Record, error) {
	data, expires, err := a.needs.Record(ctx, kind, id)
	return &archive.Record{Kind: kind, ID: id, Version: c.Now, Data: data, Expires: expires}, err
}

// Claim makes sure that all nodes of this Redis use one archive.
func (a *Archiver) Claim(ctx context.Context) error {
	mine, err := a.archiveID(ctx)
	if err != nil {
		return err
	}
	if err := a.store.Redis.SetNX(ctx, store.ArchiveKey, mine, 0).Err(); err != nil {
		return store.RedisError("archive", err)
	}
	theirs, err := a.store.Redis.Get(ctx, store.ArchiveKey).Result()
	if err != nil {
		return store.RedisError("archive", err)
	}
	if theirs != mine {
		return ErrArchive
	}
	a.reached.Store(true)
	return nil
}

// ErrArchive says that this Redis is archived somewhere else.
var ErrArchive = errors.New("the nodes of this Redis use another archive")

// archiveID is the archive's own id, made at its first use.
func (a *Archiver) archiveID(ctx context.Context) (string, error) {
	id, err := a.deployment(ctx, "archive")
	if err != nil || id != "" {
		return id, err
	}
	if err := a.SetDeployment(ctx, "archive", a.store.Node); err != nil {
		return "", err
	}
	return a.deployment(ctx, "archive") // another node's, if both made one
}

// The number of partitions, as earlier versions kept it, and the numbering since there were buckets.
const (
	namedPartitions = "partitions"
	numbering       = "numbering"
)

// Numbering is that of the deployment whose archive this is; false where there is none yet.
func (a *Archiver) Numbering(ctx context.Context) (n store.Numbering, there bool, err error) {
	text, err := a.deployment(ctx, numbering)
	if err != nil {
		return n, false, err
	}
	if text == "" {
		if text, err = a.deployment(ctx, namedPartitions); err != nil || text == "" {
			return n, false, err
		}
	}
	r, err := store.ParseRecord(text)
	return r.Numbering, err == nil, err
}

// KeepNumbering writes it, so that a restore makes the same. A later generation takes the place of an earlier one.
func (a *Archiver) KeepNumbering(ctx context.Context, n store.Numbering) error {
	text := store.Record{Numbering: n}.Text()
	if n.Named {
		return a.SetDeployment(ctx, namedPartitions, text)
	}
	return store.ArchiveError("records", a.archive.PutRecords(ctx, []archive.Record{{Kind: recordDeployment, ID: numbering,
		Version: int64(n.Generation) + 1, Data: []byte(chat.Encode(text))}}))
}

func (a *Archiver) deployment(ctx context.Context, name string) (string, error) {
	list, err := a.archive.Records(ctx, recordDeployment, "", 10)
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

// SetDeployment writes a value that never changes: the first written stays.
func (a *Archiver) SetDeployment(ctx context.Context, name, value string) error {
	// The earlier it is written, the later its version. In nanoseconds: of two first nodes that
	// wrote within one unit, each would find its own value. Earlier versions of Bellhop took
	// milliseconds, whose versions are later than all of these.
	version := int64(1)<<62 - time.Now().UnixNano()
	return store.ArchiveError("records", a.archive.PutRecords(ctx, []archive.Record{{Kind: recordDeployment, ID: name,
		Version: version, Data: []byte(chat.Encode(value))}}))
}
