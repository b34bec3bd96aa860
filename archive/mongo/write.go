package mongo

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
	driver "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"bellhop/archive"
)

// A command holds at most maxItems and maxBytes, well below the protocol's
// 100,000 and 48 MB. A document of 16 MiB is refused; the rest is for the
// filter that comes with it.
const (
	maxItems    = 1000
	maxBytes    = 32 << 20
	maxDocument = 16<<20 - 16<<10
)

// item is one of those a caller wants written.
type item struct {
	index int // in the caller's list
	size  int
	doc   bson.Raw          // to insert, or
	model driver.WriteModel // to update
}

// outcome is what became of items, by their index.
type outcome struct {
	doubled  []int // there already, where they should be inserted
	matched  int64 // how many updates have found a document
	rejected []archive.Rejected
}

func (o *outcome) reject(index int, err error) {
	o.rejected = append(o.rejected, archive.Rejected{Index: index, Err: err})
}

func (o *outcome) refused(index int) bool {
	return slices.ContainsFunc(o.rejected, func(r archive.Rejected) bool { return r.Index == index })
}

// refusals are those rejected, each once, in the caller's order.
func (o *outcome) refusals() []archive.Rejected {
	slices.SortStableFunc(o.rejected, func(a, b archive.Rejected) int { return cmp.Compare(a.Index, b.Index) })
	return slices.CompactFunc(o.rejected, func(a, b archive.Rejected) bool { return a.Index == b.Index })
}

// encode makes an item of a document, unless it is too big.
func (o *outcome) encode(index int, doc any) (item, bool) {
	raw, err := bson.Marshal(doc)
	if err == nil && len(raw) > maxDocument {
		err = fmt.Errorf("a document of %d bytes; at most %d", len(raw), maxDocument)
	}
	if err != nil {
		o.reject(index, err)
		return item{}, false
	}
	return item{index: index, size: len(raw), doc: raw}, true
}

// send is a command that writes items, in any order, and tells how many
// documents it has found.
type send func(ctx context.Context, coll *driver.Collection, items []item) (matched int64, err error)

func insert(ctx context.Context, coll *driver.Collection, items []item) (int64, error) {
	docs := make([]bson.Raw, len(items))
	for i, it := range items {
		docs[i] = it.doc
	}
	_, err := coll.InsertMany(ctx, docs, options.InsertMany().SetOrdered(false))
	return 0, err
}

func update(ctx context.Context, coll *driver.Collection, items []item) (int64, error) {
	models := make([]driver.WriteModel, len(items))
	for i, it := range items {
		models[i] = it.model
	}
	res, err := coll.BulkWrite(ctx, models, options.BulkWrite().SetOrdered(false))
	if err != nil {
		return 0, err
	}
	return res.MatchedCount, nil
}

// write sends items in as many commands as it takes.
func (o *outcome) write(ctx context.Context, coll *driver.Collection, items []item, command send) error {
	for len(items) > 0 {
		n, size := 1, items[0].size
		for n < min(len(items), maxItems) && size+items[n].size <= maxBytes {
			size += items[n].size
			n++
		}
		if err := o.try(ctx, coll, items[:n], command); err != nil {
			return err
		}
		items = items[n:]
	}
	return nil
}

// try sends one command. If one of its items is at fault it halves them until
// it has found it; what was written at first is found there the second time.
func (o *outcome) try(ctx context.Context, coll *driver.Collection, items []item, command send) error {
	matched, err := command(ctx, coll, items)
	if err == nil {
		o.matched += matched
		return nil
	}
	if places, ok := duplicates(err); ok {
		for _, at := range places {
			o.doubled = append(o.doubled, items[at].index)
		}
		return nil
	}
	if !itemsFault(err) {
		return err
	}
	if len(items) == 1 {
		o.reject(items[0].index, err)
		return nil
	}
	half := len(items) / 2
	if err := o.try(ctx, coll, items[:half], command); err != nil {
		return err
	}
	return o.try(ctx, coll, items[half:], command)
}
