package routing

import (
	"context"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"
)

// What channels lose is found here, at a cost that does not grow with agents nor with what waits. The list of a
// queue is compared by its length, every second, and is read again where that differs twice in a row; for queues
// in which nobody should wait that is one question a partition for all of them. Of agents the numbers of presences
// are compared every toldPause, and as soon as something may have been lost.

const toldPause = 10 * time.Second

// asked is what had been told in a dispatcher's queue, by partition, when Redis was asked.
type asked struct {
	d            *dispatcher
	before, told []int64 // told: -1 where Redis did not answer
}

// listen compares what was told with what was heard: what Redis said the last time must have come by now.
func (ds *Dispatchers) listen(ctx context.Context) {
	for _, a := range ds.asked {
		for part, told := range a.told {
			if told >= 0 {
				a.d.compare(part, a.before[part], told)
			}
		}
	}
	ds.asked = nil
	doubt := ds.doubt.Swap(false)
	all := ds.all()
	if len(all) == 0 || !doubt && time.Since(ds.when) < toldPause {
		return
	}
	ds.when = time.Now()
	queues := make([]string, len(all))
	for i, d := range all {
		queues[i] = d.queue
		ds.asked = append(ds.asked, asked{d, d.heard(), make([]int64, len(ds.store.Parts))})
	}
	for part, told := range ds.crews.Told(ctx, queues) {
		for i := range all {
			ds.asked[i].told[part] = -1
			if told != nil {
				ds.asked[i].told[part] = told[i]
			}
		}
	}
}

// exists is a key that should not be there: a queue's list in a partition where nobody should wait, or
// the lease of a node of a version before.
type exists struct {
	key, queue string
	older      bool
}

// look compares the lists' lengths, and gives those of the queues in which no node of a version before assigns:
// such a node holds `dispatch:<queue>`, by itself, and reads all agents each half minute.
func (ds *Dispatchers) look(ctx context.Context, queues []string) []string {
	unwanted := make([][]exists, len(ds.store.Parts))
	sizes, lengths := map[string]int{}, map[string]int{}
	var long []string
	ds.mu.Lock()
	by := make(map[string]*dispatcher, len(ds.by))
	for q, d := range ds.by {
		by[q] = d
	}
	ds.mu.Unlock()
	for _, q := range queues {
		home := ds.store.Home(q)
		unwanted[home.Index] = append(unwanted[home.Index], exists{home.Dispatch(q), q, true})
		if by[q] == nil {
			continue
		}
		switch sizes[q] = by[q].size(); {
		case sizes[q] > 0:
			long = append(long, q)
		case sizes[q] == 0:
			lengths[q] = 0
			for i, p := range ds.store.Parts {
				unwanted[i] = append(unwanted[i], exists{p.Waiting(q), q, false})
			}
		}
	}
	for _, q := range long {
		if n, err := ds.waiting.Count(ctx, q); err == nil {
			lengths[q] = n
		}
	}
	older := map[string]bool{}
	for _, e := range ds.there(ctx, unwanted) {
		if e.older {
			older[e.queue] = true
		} else {
			lengths[e.queue]++
		}
	}
	for q, n := range lengths {
		by[q].measure(n != sizes[q])
	}
	return ds.unlessOlder(ctx, queues, older)
}

// measure takes that the list has another length than it should, or not.
func (d *dispatcher) measure(differs bool) {
	if d.astray && differs {
		d.lost.Store(true)
		d.wake()
	}
	d.astray = differs
}

// there are the keys that are there; first each partition is asked for all of its keys at once.
func (ds *Dispatchers) there(ctx context.Context, by [][]exists) (out []exists) {
	ask := func(lists [][]exists) []*redis.IntCmd {
		cmds := make([]*redis.IntCmd, len(lists))
		_, _ = ds.store.Redis.Pipelined(ctx, func(pipe redis.Pipeliner) error { // each command has its own error
			for i, list := range lists {
				keys := make([]string, len(list))
				for n, e := range list {
					keys[n] = e.key
				}
				if len(keys) > 0 {
					cmds[i] = pipe.Exists(ctx, keys...)
				}
			}
			return nil
		})
		return cmds
	}
	var single [][]exists
	for i, c := range ask(by) {
		if c != nil && c.Val() > 0 {
			for _, e := range by[i] {
				single = append(single, []exists{e})
			}
		}
	}
	if len(single) == 0 {
		return nil
	}
	for i, c := range ask(single) {
		if c.Val() > 0 {
			out = append(out, single[i][0])
		}
	}
	return out
}

// unlessOlder leaves queues to nodes of a version before as long as one assigns there. When none does any more, it is
// found out anew who names which queue: they have changed that without writing it where this version looks.
func (ds *Dispatchers) unlessOlder(ctx context.Context, queues []string, older map[string]bool) []string {
	if len(older) > 0 {
		ds.mixed = true
		return slices.DeleteFunc(queues, func(q string) bool { return older[q] })
	}
	if ds.mixed {
		if err := ds.crews.Recount(ctx); err != nil {
			ds.store.Log.Warn("agents' queues could not be counted anew; again in a second", "error", err)
			return queues
		}
		ds.mixed = false
	}
	return queues
}
