package broker

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"

	"bellhop/archive"
	"bellhop/broker/chat"
	"bellhop/broker/internal/archiving"
	"bellhop/broker/internal/store"
)

// ErrNotEmpty says that a Redis to restore into holds something already.
var ErrNotEmpty = errors.New("this Redis is not empty; a restore needs an empty one")

// Restored is what a restore has brought back.
type Restored struct {
	Sessions int
	Records  int
}

// Restore rebuilds, from the archive into an empty Redis, every session that had
// not ended, and the records: settings, profiles, tokens. It may be stopped at
// any point and run again; no node starts on that Redis before it has ended.
// progress, if not nil, is called now and then, one call at a time, with what is
// done and how much there is. ErrNotEmpty: there is something that no restore began.
func Restore(ctx context.Context, o Options, progress func(done, total int)) (Restored, error) {
	if err := mayRestore(ctx, o.Redis); err != nil {
		return Restored{}, err
	}
	b, err := open(ctx, o)
	if err != nil {
		return Restored{}, err
	}
	defer func() { _ = b.store.Pipe.Close() }()
	if err := b.archiver.Claim(ctx); err != nil {
		return Restored{}, err
	}
	q := archiving.OpenSessions()
	total, err := b.opt.Archive.CountSessions(ctx, q)
	if err != nil {
		return Restored{}, store.ArchiveError("sessions", err)
	}
	r := &restore{b: b, total: int(total), progress: progress, agents: map[string]bool{}}
	if err := r.run(ctx, q); err != nil {
		return r.done, err
	}
	if err := b.hooks.Restore(ctx, o.Archive, r.page); err != nil {
		return r.done, err
	}
	return r.done, store.RedisError("restored", b.store.Redis.Del(ctx, store.RestoringKey).Err())
}

// onlyOurs is nil where a Redis that is no deployment any more holds nothing but what
// running nodes write: it was emptied under them. What they have written since stays.
func onlyOurs(ctx context.Context, rdb redis.UniversalClient) error {
	keys, err := store.Scan(ctx, rdb, "*")
	if err != nil {
		return err
	}
	for _, key := range keys {
		if _, _, ours := store.Tagged(key); !ours {
			return ErrNotEmpty
		}
	}
	return nil
}

// mayRestore marks a Redis as being restored, if it is empty or marked already.
func mayRestore(ctx context.Context, rdb redis.UniversalClient) error {
	begun, err := rdb.Exists(ctx, store.RestoringKey).Result()
	if err != nil || begun > 0 {
		return store.RedisError("restore", err)
	}
	there, err := rdb.Exists(ctx, store.PartitionsKey).Result()
	if err != nil {
		return store.RedisError("restore", err)
	}
	if there > 0 {
		return ErrNotEmpty
	}
	if err := onlyOurs(ctx, rdb); err != nil {
		return err
	}
	return store.RedisError("restore", rdb.Set(ctx, store.RestoringKey, time.Now().UTC().Format(time.RFC3339), 0).Err())
}

// restore is one under way.
type restore struct {
	b        *Broker
	total    int
	progress func(done, total int)

	mu     sync.Mutex
	done   Restored
	agents map[string]bool // who hold a place
}

func (r *restore) run(ctx context.Context, q archive.SessionQuery) error {
	err := r.b.restoreRecords(ctx, func(n int) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.done.Records += n
	})
	if err != nil {
		return err
	}
	for {
		page, err := r.b.opt.Archive.Sessions(ctx, q)
		if err != nil {
			return store.ArchiveError("sessions", err)
		}
		if len(page) == 0 {
			break
		}
		last := page[len(page)-1]
		q.Before = &archive.SessionPlace{Created: last.Created, ID: last.ID}
		if err := r.page(ctx, page); err != nil {
			return err
		}
	}
	return r.grace(ctx)
}

func (r *restore) page(ctx context.Context, page []archive.Session) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(8)
	for _, doc := range page {
		g.Go(func() error {
			s, _, err := r.b.archiver.RestoreSession(ctx, doc, nil)
			if err != nil {
				return err
			}
			if err := r.b.archiver.RestorePlaces(ctx, s); err != nil {
				return err
			}
			r.step(s)
			return nil
		})
	}
	return g.Wait()
}

func (r *restore) step(s *archiving.Revived) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.done.Sessions++
	for _, agent := range []string{s.Hash["agent"], s.Hash["target"]} {
		if agent != "" {
			r.agents[agent] = true
		}
	}
	if r.progress != nil {
		r.progress(r.done.Sessions, max(r.total, r.done.Sessions))
	}
}

// grace gives agents who do not come back no longer than after a lost connection.
func (r *restore) grace(ctx context.Context) error {
	b := r.b
	if err := b.settings.Load(ctx); err != nil {
		return err
	}
	for agent := range r.agents {
		prof, err := b.people.Profile(ctx, chat.RoleAgent, agent)
		if err != nil {
			return err
		}
		grace := b.settings.Grace(prof.Queues)
		if grace == 0 {
			continue
		}
		if err := b.store.FallsDue(ctx, b.store.Home(agent).Timers(), grace, "NX", "gone|"+agent); err != nil {
			return err
		}
	}
	return nil
}
