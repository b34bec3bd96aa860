package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"slices"

	"bellhop/archive"
)

// slotBits is how many bits of a message's id count within its millisecond.
const slotBits = 20

// slot gives the first id of a time's millisecond; times beyond what an id can
// hold share the last ones.
func slot(at int64) int64 {
	const last = 1<<(63-slotBits) - 1
	return max(min(at, last), -last) << slotBits
}

// slotEnd gives the last id of a time's millisecond.
func slotEnd(at int64) int64 { return slot(at) + 1<<slotBits - 1 }

// item is a message on its way in.
type item struct {
	archive.Message
	index int // in what was given
}

// PutMessages implements archive.Archive.
func (s *Store) PutMessages(ctx context.Context, messages []archive.Message) ([]archive.Rejected, error) {
	items, rejected := arrange(messages)
	if len(items) == 0 {
		return rejected, nil
	}
	burst := s.flow.add(len(items)) >= float64(s.busy) || len(items) >= burstSize
	if burst {
		if err := s.makeRoom(ctx, s.inbox); err != nil {
			return nil, wrap("put messages", err)
		}
	}
	waiting := int64(0)
	err := s.write(ctx, func(t txn) (err error) {
		if waiting, err = t.waiting(ctx, s); err != nil {
			return err
		}
		if burst || waiting > 0 { // in their order
			waiting += int64(len(items))
			return s.putInbox(ctx, t, items)
		}
		bad, err := s.putTable(ctx, t, items)
		rejected = append(rejected, bad...)
		return err
	})
	if err != nil {
		return nil, wrap("put messages", err)
	}
	if waiting > 0 {
		s.tell()
	}
	return rejected, nil
}

// putTable stores messages where they stay.
func (s *Store) putTable(ctx context.Context, t txn, items []item) (rejected []archive.Rejected, err error) {
	byTime(items)
	agents := map[[2]string]bool{} // session and agent
	for i := range items {
		m := &items[i]
		fresh, err := s.putMessage(ctx, t, &m.Message)
		if ofItem(err) {
			rejected = append(rejected, archive.Rejected{Index: m.index, Err: err})
			continue
		}
		if err != nil {
			return nil, err
		}
		for _, a := range m.Agents {
			if fresh {
				agents[[2]string{m.Session, a}] = true
			}
		}
	}
	return rejected, s.learn(ctx, t, agents)
}

// learn stores who took part in which session, as messages tell it.
func (s *Store) learn(ctx context.Context, t txn, agents map[[2]string]bool) error {
	for a := range agents {
		if _, err := t.exec(ctx, s.stmts.learn, a[0], a[1]); err != nil {
			return err
		}
	}
	return nil
}

// arrange rejects what is invalid and joins what comes twice.
func arrange(messages []archive.Message) (items []item, rejected []archive.Rejected) {
	items = make([]item, 0, len(messages))
	places := make(map[string]int, len(messages))
	for i := range messages {
		m := &messages[i]
		if err := m.Valid(); err != nil {
			rejected = append(rejected, archive.Rejected{Index: i, Err: err})
			continue
		}
		place, twice := places[m.Mid]
		if !twice {
			place = len(items)
			places[m.Mid] = place
			items = append(items, item{Message: *m, index: i})
		}
		if m.Recalled {
			it := &items[place]
			it.Recalled, it.Body = true, ""
		}
		items[place].Superseded = items[place].Superseded || m.Superseded
	}
	return items, rejected
}

// byTime sorts messages as the tables' ends and the full-text index like it.
func byTime(items []item) {
	slices.SortStableFunc(items, func(a, b item) int { return cmp.Compare(a.At, b.At) })
}

// putMessage stores a message unless it is there, and tells which. An error of
// the item's own leaves nothing of it.
func (s *Store) putMessage(ctx context.Context, t txn, m *archive.Message) (fresh bool, err error) {
	r, err := t.exec(ctx, s.stmts.insertMessage, slot(m.At), m.Mid, m.Session, m.Seq, m.At, m.By, m.Sender, m.Role, m.Name,
		m.Type, m.Command, m.Body, m.Key, m.ReplyTo, m.Recalled, m.User, m.Queue, m.Superseded)
	if err != nil {
		return false, err
	}
	n, err := r.RowsAffected()
	switch {
	case err != nil:
		return false, err
	case n == 0 && m.Superseded:
		if _, err = t.exec(ctx, s.stmts.supersede, m.Mid); err == nil && m.Recalled {
			err = s.recall(ctx, t, m.Mid)
		}
		return false, err
	case n == 0 && m.Recalled:
		return false, s.recall(ctx, t, m.Mid)
	case n == 0:
		return false, nil
	}
	text := m.Text()
	if text == "" {
		return true, nil
	}
	id, err := r.LastInsertId()
	if err != nil {
		return false, err
	}
	if _, err = t.exec(ctx, s.stmts.insertGrams, id, grams(archive.Fold(text))); ofItem(err) {
		if _, undo := t.exec(ctx, s.stmts.deleteMessage, id); undo != nil {
			return false, undo
		}
	}
	return err == nil, err
}

// recall takes a stored message's content away.
func (s *Store) recall(ctx context.Context, t txn, mid string) error {
	var id int64
	err := t.tx.StmtContext(ctx, s.stmts.recall).QueryRowContext(ctx, mid).Scan(&id) //nolint:sqlclosecheck // goes with the transaction
	if errors.Is(err, sql.ErrNoRows) {
		return nil // it was recalled before
	}
	if err != nil {
		return err
	}
	if _, err = t.exec(ctx, s.stmts.deleteGrams, id); err == nil {
		_, err = t.exec(ctx, s.stmts.deleteOldGrams, id)
	}
	return err
}

// Messages implements archive.Archive. It looks into the inbox first: what moves
// meanwhile is seen twice, and not missed.
func (s *Store) Messages(ctx context.Context, session string, from, to int64) ([]archive.Message, error) {
	rows, err := s.stmts.packs.QueryContext(ctx, session, to, from)
	var coming []archive.Message
	if err == nil {
		err = eachPack(rows, func(_ int64, r *pack) error {
			return r.unpack(func(m *archive.Message) {
				if m.Seq >= from && m.Seq <= to {
					coming = append(coming, *m)
				}
			})
		})
	}
	var out []archive.Message
	if err == nil {
		rows, err = s.stmts.messages.QueryContext(ctx, session, from, to)
	}
	if err == nil {
		err = each(rows, func(_ int64, m archive.Message) bool {
			out = append(out, m)
			return true
		})
	}
	if err != nil {
		return nil, wrap("messages", err)
	}
	return together(out, coming), nil
}

// each calls f with messages and their ids while f wants more, and closes the rows.
func each(rows *sql.Rows, f func(id int64, m archive.Message) bool) error {
	defer rows.Close()
	for rows.Next() {
		var id int64
		var m archive.Message
		if err := rows.Scan(&id, &m.Mid, &m.Session, &m.Seq, &m.At, &m.By, &m.Sender, &m.Role, &m.Name, &m.Type, &m.Command,
			&m.Body, &m.Key, &m.ReplyTo, &m.Recalled, &m.User, &m.Queue, &m.Superseded); err != nil {
			return err
		}
		if !f(id, m) {
			return nil
		}
	}
	return rows.Err()
}
