package sqlite

import (
	"context"
	"database/sql"
	"math"
	"runtime"
	"sync"
	"time"

	"bellhop/archive"
)

// A burst of messages is written to the inbox, in packs, for a tenth of what the
// table messages with its indexes and its grams costs. They move there once
// fewer come; with the inbox half full a third of a processor goes into that all
// the same, and who writes to a full one first makes room. What is written is as
// safe in the one as in the other. Each step is one transaction, so every reader
// sees a message in one place; whoever is killed in between leaves the rest to
// the next who writes to the file or opens it.

const (
	burstSize = 500             // messages in one write: a burst by themselves
	busyRate  = 1_000           // messages a second of one process: from here on, a burst
	busyOver  = 5 * time.Second // how many come is measured over this long
	inboxSize = 200_000         // in messages or KiB: what a search reads through at most
	moveSize  = 500             // that are moved in one step
	moveRest  = 2               // times as long as a step takes nothing is moved after it
	busyPause = 200 * time.Millisecond
)

// flow measures how many messages come.
type flow struct {
	mu   sync.Mutex
	seen float64
	at   time.Time
}

// add counts messages, and gives how many have come a second of late.
func (f *flow) add(n int) float64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	f.seen = f.seen*math.Exp(-float64(now.Sub(f.at))/float64(busyOver)) + float64(n)
	f.at = now
	return f.seen / busyOver.Seconds()
}

// waiting tells how much the inbox holds, in messages or KiB.
func (t txn) waiting(ctx context.Context, s *Store) (n int64, err error) {
	err = t.tx.StmtContext(ctx, s.stmts.waiting).QueryRowContext(ctx).Scan(&n) //nolint:sqlclosecheck // goes with the transaction
	return n, err
}

// makeRoom moves messages out of the inbox until there are no more than some.
func (s *Store) makeRoom(ctx context.Context, enough int64) error {
	for {
		if left, err := s.step(ctx, enough); err != nil || left <= enough {
			return err
		}
	}
}

// Settle moves all that is in the inbox. Nobody has to wait for that; it is for
// those who read the tables themselves.
func (s *Store) Settle(ctx context.Context) error { return wrap("settle", s.makeRoom(ctx, 0)) }

// putInbox stores messages as they come. Their agents are learned here, since
// nobody knows them later.
func (s *Store) putInbox(ctx context.Context, t txn, items []item) error {
	agents := map[[2]string]bool{} // session and agent
	var r pack
	put := func() error {
		if r.messages == 0 {
			return nil
		}
		_, err := t.exec(ctx, s.stmts.insertPack, r.weight(), r.session, r.user, r.queue, r.first, r.last, r.data)
		r.messages = 0
		return err
	}
	for i := range items {
		m := &items[i].Message
		if !r.takes(m) {
			if err := put(); err != nil {
				return err
			}
		}
		r.add(m)
		for _, a := range m.Agents {
			agents[[2]string{m.Session, a}] = true
		}
	}
	if err := put(); err != nil {
		return err
	}
	return s.learn(ctx, t, agents)
}

// drain moves the inbox's first messages to where they stay.
func (s *Store) drain(ctx context.Context, t txn) error {
	rows, err := t.tx.StmtContext(ctx, s.stmts.firstPacks).QueryContext(ctx, moveSize) //nolint:sqlclosecheck // goes with the transaction
	if err != nil {
		return err
	}
	var messages []archive.Message
	var from []int64 // the pack of each
	last := int64(0)
	err = eachPack(rows, func(id int64, r *pack) error {
		last = id
		return r.unpack(func(m *archive.Message) { messages, from = append(messages, *m), append(from, id) })
	})
	if err != nil {
		return err
	}
	items, _ := arrange(messages) // they were valid when they came
	byTime(items)
	for i := range items {
		if _, err := s.putMessage(ctx, t, &items[i].Message); ofItem(err) {
			_, err = t.exec(ctx, s.stmts.keepPack, from[items[i].index])
			if err != nil {
				return err
			}
		} else if err != nil {
			return err
		}
		runtime.Gosched() // chat first
	}
	_, err = t.exec(ctx, s.stmts.deletePacks, last)
	return err
}

// settle moves what is in the inbox, until the store is closed.
func (s *Store) settle(ctx context.Context) {
	for ctx.Err() == nil {
		enough := s.inbox / 2
		if s.flow.add(0) < float64(s.busy) {
			enough = 0
		}
		start := time.Now()
		left, err := s.step(ctx, enough)
		if err == nil && left == 0 {
			select {
			case <-s.came:
			case <-ctx.Done():
			}
			continue
		}
		pause := busyPause
		if err == nil && left > enough {
			pause = moveRest * time.Since(start)
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
}

// step moves some of the inbox if there is more than enough in it, and tells how
// much there was.
func (s *Store) step(ctx context.Context, enough int64) (left int64, err error) {
	err = s.write(ctx, func(t txn) (err error) {
		if left, err = t.waiting(ctx, s); err != nil || left <= enough {
			return err
		}
		return s.drain(ctx, t)
	})
	return left, err
}

// tell wakes settle.
func (s *Store) tell() {
	select {
	case s.came <- struct{}{}:
	default:
	}
}

// eachPack calls f with the packs of a query, and closes it.
func eachPack(rows *sql.Rows, f func(id int64, r *pack) error) error {
	defer rows.Close()
	for rows.Next() {
		var id int64
		var r pack
		if err := rows.Scan(&id, &r.session, &r.user, &r.queue, &r.data); err != nil {
			return err
		}
		if err := f(id, &r); err != nil {
			return err
		}
	}
	return rows.Err()
}
