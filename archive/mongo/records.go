package mongo

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"bellhop/archive"
)

// recordDoc is a record as a document. A deleted one has no data.
type recordDoc struct {
	ID        string        `bson:"_id"` // see recordID
	Kind      string        `bson:"kind"`
	RecordID  string        `bson:"recordId"`
	Version   int64         `bson:"version"`
	Deleted   bool          `bson:"deleted,omitempty"`
	Data      string        `bson:"data,omitempty"` // JSON
	ExpiresAt bson.DateTime `bson:"expiresAt,omitempty"`
}

// recordID is kind/id, with no slash in the kind: the records of a kind are
// next to each other, in the order of their ids.
func recordID(kind, id string) string { return url.PathEscape(kind) + "/" + id }

// afterKind comes after all ids of a kind: 0 is the character after the slash.
func afterKind(kind string) string { return url.PathEscape(kind) + "0" }

// PutRecords stores records; see archive.Archive.
func (s *Store) PutRecords(ctx context.Context, records []archive.Record) error {
	var o outcome
	list := make([]versioned[int64], len(records))
	for i, r := range records {
		id := recordID(r.Kind, r.ID)
		list[i] = versioned[int64]{index: i, id: id, version: r.Version, doc: &recordDoc{
			ID: id, Kind: r.Kind, RecordID: r.ID, Version: r.Version,
			Deleted: r.Data == nil, Data: string(r.Data), ExpiresAt: bson.DateTime(r.Expires),
		}}
	}
	err := putNewest(ctx, s.records, list, &o)
	for _, r := range o.refusals() {
		err = errors.Join(err, fmt.Errorf("%s: %w", list[r.Index].id, r.Err))
	}
	if err != nil {
		return fmt.Errorf("mongo: put records: %w", err)
	}
	return nil
}

// Records gives the next records of a kind.
func (s *Store) Records(ctx context.Context, kind, after string, limit int) ([]archive.Record, error) {
	cursor, err := s.records.Find(ctx, bson.D{
		{Key: "_id", Value: bson.D{{Key: "$gt", Value: recordID(kind, after)}, {Key: "$lt", Value: afterKind(kind)}}},
		{Key: "deleted", Value: bson.D{{Key: "$ne", Value: true}}},
		{Key: "$or", Value: []bson.D{
			{{Key: "expiresAt", Value: bson.D{{Key: "$exists", Value: false}}}},
			{{Key: "expiresAt", Value: bson.D{{Key: "$gt", Value: bson.NewDateTimeFromTime(time.Now())}}}},
		}},
	}, options.Find().SetSort(bson.D{{Key: "_id", Value: 1}}).SetLimit(int64(max(limit, 1))))
	if err != nil {
		return nil, fmt.Errorf("mongo: records: %w", err)
	}
	var docs []recordDoc
	if err := cursor.All(ctx, &docs); err != nil {
		return nil, fmt.Errorf("mongo: records: %w", err)
	}
	out := make([]archive.Record, len(docs))
	for i, d := range docs {
		out[i] = archive.Record{Kind: d.Kind, ID: d.RecordID, Version: d.Version, Data: []byte(d.Data), Expires: int64(d.ExpiresAt)}
	}
	return out, nil
}

// Purge removes records that have expired.
func (s *Store) Purge(ctx context.Context) error {
	_, err := s.records.DeleteMany(ctx, bson.D{
		{Key: "expiresAt", Value: bson.D{{Key: "$lte", Value: bson.NewDateTimeFromTime(time.Now())}}},
	})
	if err != nil {
		return fmt.Errorf("mongo: purge: %w", err)
	}
	return nil
}
