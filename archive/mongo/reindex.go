package mongo

import (
	"context"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
	driver "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"bellhop/archive"
)

// gramsVersion is that of archive.Fold, and what a message's grams were made by.
// A message without it has those of archive.OldFold. So the messages themselves
// tell what is left to do, whoever is killed in between, and an earlier version
// may go on writing its own meanwhile.
const gramsVersion = 2

// unversioned are the messages that Reindex has to do.
var unversioned = bson.E{Key: "gramsVersion", Value: nil}

// reindexBytes is how much text one step indexes at most, whatever it was asked for.
const reindexBytes = 1 << 20

// Reindex indexes again what an earlier version stored; see archive.Archive.
// Several at a time do the same, and harm nothing.
func (s *Store) Reindex(ctx context.Context, n int) (done int, err error) {
	if !s.versioned.Load() { // not when the store is opened: with many messages it takes its time
		if _, err := s.messages.Indexes().CreateOne(ctx, newest("gramsVersion")); err != nil {
			return 0, fmt.Errorf("mongo: an index of messages: %w", err)
		}
		s.versioned.Store(true)
	}
	cursor, err := s.messages.Find(ctx, bson.D{unversioned}, options.Find().SetSort(byNewest).SetLimit(int64(n)).
		SetBatchSize(searchBatch).SetProjection(bson.D{{Key: "type", Value: 1}, {Key: "body", Value: 1}, {Key: "recalled", Value: 1}}))
	if err != nil {
		return 0, fmt.Errorf("mongo: reindex: %w", err)
	}
	defer func() { _ = cursor.Close(context.WithoutCancel(ctx)) }()
	var items []item
	for size := 0; size < reindexBytes && cursor.Next(ctx); {
		var d messageDoc
		if err := cursor.Decode(&d); err != nil {
			return 0, fmt.Errorf("mongo: reindex: %w", err)
		}
		items = append(items, item{index: len(items), model: reindex(&d)})
		size += len(d.Body)
	}
	err = cursor.Err()
	var o outcome
	if err == nil {
		err = o.write(ctx, s.messages, items, update)
	}
	if refused := o.refusals(); err == nil && len(refused) > 0 {
		err = refused[0].Err
	}
	if err != nil {
		return 0, fmt.Errorf("mongo: reindex: %w", err)
	}
	return len(items), nil
}

// reindex gives a message its grams, unless somebody was faster, or has recalled it
// since it was read.
func reindex(d *messageDoc) driver.WriteModel {
	filter := bson.D{{Key: "_id", Value: d.ID}, unversioned}
	change := bson.D{{Key: "$set", Value: bson.D{{Key: "gramsVersion", Value: gramsVersion}}}}
	if !d.Recalled {
		filter = append(filter, bson.E{Key: "recalled", Value: bson.D{{Key: "$ne", Value: true}}})
		m := d.message()
		if g := grams(archive.Fold(m.Text())); len(g) > 0 {
			change[0].Value = bson.D{{Key: "gramsVersion", Value: gramsVersion}, {Key: "grams", Value: g}}
		} else {
			change = append(change, bson.E{Key: "$unset", Value: bson.D{{Key: "grams", Value: ""}}})
		}
	}
	return driver.NewUpdateOneModel().SetFilter(filter).SetUpdate(change)
}

// unmoved tells whether an earlier version's index is still in use.
func (s *Store) unmoved(ctx context.Context) (bool, error) {
	cursor, err := s.messages.Find(ctx, bson.D{unversioned}, options.Find().SetLimit(1).SetProjection(bson.D{{Key: "_id", Value: 1}}))
	if err != nil {
		return false, err
	}
	defer func() { _ = cursor.Close(context.WithoutCancel(ctx)) }()
	return cursor.Next(ctx), cursor.Err()
}
