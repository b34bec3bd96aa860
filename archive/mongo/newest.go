package mongo

import (
	"cmp"
	"context"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
	driver "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// versioned is a document that replaces one of an earlier version.
type versioned[V cmp.Ordered] struct {
	index   int
	id      string
	version V
	doc     any
}

// putNewest stores documents, each unless the stored one is later. It looks
// which are there, inserts the others, and replaces those that are not later;
// if somebody else has written or deleted one meanwhile it looks again.
//
// It could be one upsert. But of two at the same time that find nothing one
// fails, be it the later version, and is to be repeated all the same; and on a
// server that does not tell which of many has failed, all are.
func putNewest[V cmp.Ordered](ctx context.Context, coll *driver.Collection, list []versioned[V], o *outcome) error {
	for again := false; len(list) > 0; again = true {
		stored, err := versions(ctx, coll, list)
		if err != nil {
			return err
		}
		var fresh, newer []item
		tried := list[:0]
		for _, v := range list {
			at, there := stored[v.id]
			if there && (at > v.version || again && at == v.version) {
				continue
			}
			it, ok := o.encode(v.index, v.doc)
			if !ok {
				continue
			}
			tried = append(tried, v)
			if there {
				it.model = replace(v.id, v.version, it.doc)
				newer = append(newer, it)
			} else {
				fresh = append(fresh, it)
			}
		}
		o.doubled, o.matched = nil, 0
		if err := o.write(ctx, coll, fresh, insert); err != nil {
			return err
		}
		if err := o.write(ctx, coll, newer, update); err != nil {
			return err
		}
		if len(o.doubled) == 0 && o.matched == int64(len(newer)) {
			return nil
		}
		list = slices.DeleteFunc(tried, func(v versioned[V]) bool { return o.refused(v.index) })
	}
	return nil
}

func replace(id string, version any, doc bson.Raw) driver.WriteModel {
	return driver.NewReplaceOneModel().SetReplacement(doc).
		SetFilter(bson.D{{Key: "_id", Value: id}, {Key: "version", Value: bson.D{{Key: "$lte", Value: version}}}})
}

// versions are the versions of those documents that are stored.
func versions[V cmp.Ordered](ctx context.Context, coll *driver.Collection, list []versioned[V]) (map[string]V, error) {
	stored := make(map[string]V)
	for part := range slices.Chunk(list, maxItems) {
		ids := make([]string, len(part))
		for i, v := range part {
			ids[i] = v.id
		}
		cursor, err := coll.Find(ctx, bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: ids}}}},
			options.Find().SetProjection(bson.D{{Key: "version", Value: 1}}).SetBatchSize(maxItems))
		if err != nil {
			return nil, err
		}
		var found []struct {
			ID      string `bson:"_id"`
			Version V      `bson:"version"`
		}
		if err := cursor.All(ctx, &found); err != nil {
			return nil, err
		}
		for _, f := range found {
			stored[f.ID] = f.Version
		}
	}
	return stored, nil
}
