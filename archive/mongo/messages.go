package mongo

import (
	"context"
	"fmt"
	"slices"
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/v2/bson"
	driver "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"bellhop/archive"
)

// searchBatch is how many messages of a search come at a time.
const searchBatch = 100

// withoutGrams leaves out what only the index needs.
var withoutGrams = bson.D{{Key: "grams", Value: 0}}

// PutMessages stores messages; see archive.Archive.
func (s *Store) PutMessages(ctx context.Context, messages []archive.Message) ([]archive.Rejected, error) {
	var o outcome
	items := make([]item, 0, len(messages))
	for i := range messages {
		if err := messages[i].Valid(); err != nil {
			o.reject(i, err)
		} else if it, ok := o.encode(i, newMessageDoc(&messages[i])); ok {
			items = append(items, it)
		}
	}
	if err := o.write(ctx, s.messages, items, insert); err != nil {
		return nil, fmt.Errorf("mongo: put messages: %w", err)
	}
	var changes []item
	for _, i := range o.doubled {
		if messages[i].Recalled {
			changes = append(changes, item{index: i, model: recall(messages[i].Mid)})
		}
		if messages[i].Superseded {
			changes = append(changes, item{index: i, model: supersede(messages[i].Mid)})
		}
	}
	if err := o.write(ctx, s.messages, changes, update); err != nil {
		return nil, fmt.Errorf("mongo: change messages: %w", err)
	}
	return o.refusals(), nil
}

// recall takes a stored message's content away.
func recall(mid string) driver.WriteModel {
	return driver.NewUpdateOneModel().SetFilter(bson.D{{Key: "_id", Value: mid}}).SetUpdate(bson.D{
		{Key: "$set", Value: bson.D{{Key: "recalled", Value: true}}},
		{Key: "$unset", Value: bson.D{{Key: "body", Value: ""}, {Key: "grams", Value: ""}}},
	})
}

func supersede(mid string) driver.WriteModel {
	return driver.NewUpdateOneModel().SetFilter(bson.D{{Key: "_id", Value: mid}}).
		SetUpdate(bson.D{{Key: "$set", Value: bson.D{{Key: "superseded", Value: true}}}})
}

// Messages gives a session's messages from one seq to another.
func (s *Store) Messages(ctx context.Context, session string, from, to int64) ([]archive.Message, error) {
	cursor, err := s.messages.Find(ctx,
		bson.D{{Key: "sessionId", Value: session}, {Key: "seq", Value: bson.D{{Key: "$gte", Value: from}, {Key: "$lte", Value: to}}}},
		options.Find().SetSort(bson.D{{Key: "seq", Value: 1}}).SetProjection(withoutGrams))
	if err != nil {
		return nil, fmt.Errorf("mongo: messages: %w", err)
	}
	var docs []messageDoc
	if err := cursor.All(ctx, &docs); err != nil {
		return nil, fmt.Errorf("mongo: messages: %w", err)
	}
	out := make([]archive.Message, len(docs))
	for i := range docs {
		out[i] = docs[i].message()
	}
	return out, nil
}

// Search gives the next messages that hold all words.
func (s *Store) Search(ctx context.Context, q archive.SearchQuery) ([]archive.Message, error) {
	for _, w := range q.Words {
		if !utf8.ValidString(w) {
			return nil, nil // no text has it
		}
	}
	if len(q.OldWords) > 0 && !slices.Equal(q.Words, q.OldWords) {
		if left, err := s.unmoved(ctx); err != nil {
			return nil, fmt.Errorf("mongo: search: %w", err)
		} else if !left {
			q.OldWords = q.Words
		}
	}
	cursor, err := s.messages.Find(ctx, searchFilter(q), options.Find().
		SetSort(byNewest).SetProjection(withoutGrams).SetBatchSize(searchBatch))
	if err != nil {
		return nil, fmt.Errorf("mongo: search: %w", err)
	}
	defer func() { _ = cursor.Close(context.WithoutCancel(ctx)) }()
	var out []archive.Message
	for len(out) < q.Limit && cursor.Next(ctx) {
		var d messageDoc
		if err := cursor.Decode(&d); err != nil {
			return nil, fmt.Errorf("mongo: search: %w", err)
		}
		if m := d.message(); archive.Holds(archive.Fold(m.Text()), q.Words) {
			out = append(out, m)
		}
	}
	if err := cursor.Err(); err != nil {
		return nil, fmt.Errorf("mongo: search: %w", err)
	}
	return out, nil
}

func searchFilter(q archive.SearchQuery) bson.D {
	f := between(q.Since, q.Until)
	if q.Queue != "" {
		f = append(f, bson.E{Key: "queue", Value: q.Queue})
	}
	if q.User != "" {
		f = append(f, bson.E{Key: "userId", Value: q.User})
	}
	if len(q.Agents) > 0 {
		f = append(f, bson.E{Key: "agents", Value: bson.D{{Key: "$all", Value: q.Agents}}})
	}
	if q.NoNotes {
		f = append(f, bson.E{Key: "type", Value: bson.D{{Key: "$ne", Value: "note"}}})
	}
	all := lookups(q.Words)
	if old := lookups(q.OldWords); len(all) > 0 && len(old) > 0 && !slices.Equal(q.Words, q.OldWords) {
		all = []bson.D{{{Key: "$or", Value: []bson.D{{{Key: "$and", Value: all}}, {{Key: "$and", Value: old}}}}}}
	}
	if q.Before != nil {
		all = append(all, before(q.Before.At, q.Before.Mid)...)
	}
	if len(all) > 0 {
		f = append(f, bson.E{Key: "$and", Value: all})
	}
	return f
}

// between is a condition on createdAt; 0 does not matter.
func between(since, until int64) bson.D {
	var at bson.D
	if since != 0 {
		at = append(at, bson.E{Key: "$gte", Value: bson.DateTime(since)})
	}
	if until != 0 {
		at = append(at, bson.E{Key: "$lt", Value: bson.DateTime(until)})
	}
	if at == nil {
		return bson.D{}
	}
	return bson.D{{Key: "createdAt", Value: at}}
}

// before is what comes after a place in a list, by byNewest. The first
// condition follows from the second; it is one that an index can start from.
func before(createdAt int64, id string) []bson.D {
	at := bson.DateTime(createdAt)
	return []bson.D{
		{{Key: "createdAt", Value: bson.D{{Key: "$lte", Value: at}}}},
		{{Key: "$or", Value: []bson.D{
			{{Key: "createdAt", Value: bson.D{{Key: "$lt", Value: at}}}},
			{{Key: "createdAt", Value: at}, {Key: "_id", Value: bson.D{{Key: "$lt", Value: id}}}},
		}}},
	}
}
