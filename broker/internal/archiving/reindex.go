package archiving

import (
	"context"
	"time"

	"bellhop/broker/internal/store"
)

const (
	reindexPause = 30 * time.Second // between two looks whether an earlier version has left something
	reindexLease = 20 * time.Second // of the one node that does it
	reindexBatch = 500              // messages in one step, at most
	reindexRest  = 4                // times as long as a step takes nothing is done after it
)

// Reindex brings up to date, in small steps, what searches use of messages that an
// earlier version archived. One node does it; another goes on where that is gone.
// Should two do it at the same time, no harm is done.
func (a *Archiver) Reindex(ctx context.Context) {
	total, began, told := 0, time.Now(), time.Now()
	for a.leased(ctx) {
		start := time.Now()
		n, err := a.archive.Reindex(ctx, reindexBatch)
		if err != nil {
			if ctx.Err() == nil {
				a.store.Log.Warn("the archive is not indexed again yet; it is tried again", "messages", total, "error", err)
			}
			return
		}
		if n == 0 {
			break
		}
		if total += n; total == n || time.Since(told) > time.Minute {
			told = time.Now()
			a.store.Log.Info("what an earlier version archived is being indexed again", "messages", total)
		}
		if !store.Sleep(ctx, min(reindexRest*time.Since(start), reindexLease/2)) {
			return
		}
	}
	if total > 0 {
		a.store.Log.Info("indexed again what an earlier version archived", "messages", total, "took", time.Since(began).Round(time.Millisecond))
	}
}

// leased tells whether this node is the one, for another while.
func (a *Archiver) leased(ctx context.Context) bool {
	mine, err := a.store.Redis.SetNX(ctx, store.ReindexKey, a.store.Node, reindexLease).Result()
	if err != nil || mine {
		return err == nil
	}
	holder, err := a.store.Redis.Get(ctx, store.ReindexKey).Result()
	return err == nil && holder == a.store.Node && a.store.Redis.Expire(ctx, store.ReindexKey, reindexLease).Err() == nil
}
