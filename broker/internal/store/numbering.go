package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

// buckets is how many parts participants fall into by their ids, for ever: a partition
// holds a range of them.
const buckets = 4096

// Numbering is which partitions there are, and who is in which.
type Numbering struct {
	Partitions int `json:"partitions"`
	// Generation counts the repartitions: each has tags of its own.
	Generation int `json:"generation"`
	// Named is how it was before there were buckets: sessions' ids name their partition.
	Named bool `json:"named,omitempty"`
}

// Shape is the newest shape of what is stored in Redis that this program can read and write. It grows
// where an earlier release could not live with what is stored any more: docs/architecture.md,
// Changing what is stored, has the rule.
const Shape = 1

// Record is what Redis holds of a deployment's partitions.
type Record struct {
	Numbering
	// Shape is that of what is stored: 0, and 1, for the first. No node is on one that it does not know.
	Shape  int         `json:"shape,omitempty"`
	Next   *Numbering  `json:"next,omitempty"`   // a repartition is under way: no node may be on it
	Frozen bool        `json:"frozen,omitempty"` // it cannot be called off any more
	Clean  []Numbering `json:"clean,omitempty"`  // what was copied, and is not removed yet
}

// Text is the record as it is kept: that of an earlier version is a plain number.
func (r Record) Text() string {
	if r.Named && r.Next == nil && len(r.Clean) == 0 && r.Shape <= 1 {
		return strconv.Itoa(r.Partitions)
	}
	data, _ := json.Marshal(r) //nolint:errchkjson // numbers
	return string(data)
}

// ParseRecord reads a record of this or an earlier version.
func ParseRecord(text string) (r Record, err error) {
	if n, err := strconv.Atoi(text); err == nil {
		r.Numbering = Numbering{Partitions: n, Named: true}
	} else if json.Unmarshal([]byte(text), &r) != nil {
		return r, fmt.Errorf("what Redis has of it is %q", text)
	}
	if r.Shape > Shape {
		return r, fmt.Errorf("%w: what is stored there has shape %d, and this version knows shapes up to %d: start a later version", ErrShape, r.Shape, Shape)
	}
	if !r.valid() || r.Shape < 0 || r.Next != nil && !r.Next.valid() {
		return r, fmt.Errorf("what Redis has of it is %q", text)
	}
	return r, nil
}

func (n Numbering) valid() bool {
	return n.Partitions >= 1 && n.Partitions <= MaxPartitions && n.Generation >= 0
}

// ErrShape says that a later version has changed what is stored, so that this one cannot read it.
var ErrShape = errors.New("a later version's Redis")

// ErrNoRecord says that there is no deployment on this Redis.
var ErrNoRecord = errors.New("there is no deployment on this Redis")

// ReadRecord reads the record; ErrNoRecord if there is none.
func ReadRecord(ctx context.Context, rdb redis.UniversalClient) (Record, error) {
	text, err := rdb.Get(ctx, PartitionsKey).Result()
	if IsNil(err) {
		return Record{}, ErrNoRecord
	}
	if err != nil {
		return Record{}, RedisError("partitions", err)
	}
	return ParseRecord(text)
}

// WriteRecord replaces the record, if it still is as it was.
func WriteRecord(ctx context.Context, rdb redis.UniversalClient, was, is Record) error {
	const swap = "if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end redis.call('SET', KEYS[1], ARGV[2]) return 1"
	n, err := rdb.Eval(ctx, swap, []string{PartitionsKey}, was.Text(), is.Text()).Int()
	if err == nil && n == 0 {
		now, err := rdb.Get(ctx, PartitionsKey).Result()
		if err != nil || now != is.Text() { // else the client library repeated it
			return errors.New("somebody else has changed the record of partitions meanwhile: is another repartition running?")
		}
	}
	return RedisError("partitions", err)
}

// AwaitRecord reads the record, and waits while a repartition is under way.
func (s *Store) AwaitRecord(ctx context.Context) (Record, error) {
	for told := false; ; {
		r, err := ReadRecord(ctx, s.Redis)
		if told && ctx.Err() != nil {
			return r, fmt.Errorf("a repartition is under way: %w", ctx.Err())
		}
		if err != nil || r.Next == nil {
			return r, err
		}
		if !told {
			told = true
			s.Log.Warn("a repartition is under way: this node begins when it is done", "from", r.Partitions, "to", r.Next.Partitions)
		}
		Sleep(ctx, time.Second/2)
	}
}

// Renumbered tells whether this node's numbering is not the deployment's any more, or
// will soon not be, or what is stored has a shape that it does not know.
func (s *Store) Renumbered(ctx context.Context) (bool, error) {
	r, err := ReadRecord(ctx, s.Redis)
	if errors.Is(err, ErrShape) {
		return true, nil
	}
	return err == nil && (r.Next != nil || r.Numbering != s.Numbering), err
}

// bucket is a participant's, or a token's.
func bucket(id string) uint32 { return hash(id) % buckets }

// at is the partition of a bucket.
func (n Numbering) at(bucket uint32) int { return int(bucket) * n.Partitions / buckets }

// Index is the partition of a participant's or a token's id.
func (n Numbering) Index(id string) int {
	if n.Named {
		return int(hash(id) % uint32(n.Partitions)) //nolint:gosec // at most 256
	}
	return n.at(bucket(id))
}

// IndexOf is the partition of a session whose id names its user's bucket; false for any other.
func (n Numbering) IndexOf(session string) (int, bool) {
	if n.Named || len(session) < 4 || session[3] != '-' {
		return 0, false
	}
	b, err := strconv.ParseUint(session[:3], 16, 12)
	return n.at(uint32(b)), err == nil
}

// Parts makes the partitions of a numbering.
func (n Numbering) Parts() []Partition { return newPartitions(n.Partitions, n.Generation) }

// Masters is how many servers share the slots, and how many of them hold a partition:
// one and one where there is no cluster.
func (s *Store) Masters(ctx context.Context) (all, used int, err error) {
	c, ok := s.Redis.(*redis.ClusterClient)
	if !ok {
		return 1, 1, nil
	}
	ranges, err := c.ClusterSlots(ctx).Result() //nolint:staticcheck // the library asks the same, and may; Valkey and 7.0 have it, too
	if err != nil {
		return 0, 0, RedisError("slots", err)
	}
	masters := map[string]bool{}
	for _, r := range ranges {
		if len(r.Nodes) == 0 {
			continue
		}
		id := r.Nodes[0].Addr
		used := masters[id]
		for _, p := range s.Parts {
			if at := slot(p.Tag); r.Start <= at && at <= r.End {
				used = true
			}
		}
		masters[id] = used
	}
	for _, has := range masters {
		if has {
			used++
		}
	}
	return len(masters), used, nil
}
