package sqlite

import (
	"context"
	"database/sql"
	"errors"

	"bellhop/archive"
)

// The index has a table for each way in which texts were ever folded: grams is
// archive.OldFold's, grams2 is archive.Fold's. A message is in one of them, so the
// tables themselves tell what is left to do, whoever is killed in between, and an
// earlier program that still has the file open may go on writing to its own.

// reindexBytes is how much text one step indexes at most, whatever it was asked
// for: other processes wait for it.
const reindexBytes = 256 << 10

// Reindex implements archive.Archive. Of several at a time each finds what the
// others have left.
func (s *Store) Reindex(ctx context.Context, n int) (done int, err error) {
	if left, err := s.unmoved(ctx); err != nil || !left {
		return 0, wrap("reindex", err)
	}
	err = s.write(ctx, func(t txn) error {
		ids, err := t.ids(ctx, "SELECT rowid FROM grams ORDER BY rowid DESC LIMIT ?", n)
		if err != nil {
			return err
		}
		done = 0
		for size := 0; done < len(ids) && size < reindexBytes; done++ {
			moved, err := s.move(ctx, t, ids[done])
			if err != nil {
				return err
			}
			size += moved
		}
		if done == len(ids) && done < n { // that was all: give the room back
			_, err = t.tx.ExecContext(ctx, "INSERT INTO grams (grams) VALUES ('delete-all')")
		}
		return err
	})
	if err != nil {
		return 0, wrap("reindex", err)
	}
	return done, nil
}

// unmoved tells whether an earlier program's index is still in use.
func (s *Store) unmoved(ctx context.Context) (left bool, err error) {
	err = s.stmts.unmoved.QueryRowContext(ctx).Scan(&left)
	return left, err
}

// move indexes a message anew, and tells how long its text is.
func (s *Store) move(ctx context.Context, t txn, id int64) (size int, err error) {
	if _, err := t.exec(ctx, s.stmts.deleteOldGrams, id); err != nil {
		return 0, err
	}
	var m archive.Message
	err = t.tx.StmtContext(ctx, s.stmts.content).QueryRowContext(ctx, id).Scan(&m.Type, &m.Body) //nolint:sqlclosecheck // goes with the transaction
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	text := m.Text()
	if err != nil || text == "" {
		return 0, err
	}
	if _, err = t.exec(ctx, s.stmts.deleteGrams, id); err == nil {
		_, err = t.exec(ctx, s.stmts.insertGrams, id, grams(archive.Fold(text)))
	}
	if ofItem(err) { // SQLite will never take it; the message is there all the same
		err = nil
	}
	return len(text), err
}

// ids gives the first column of a query.
func (t txn) ids(ctx context.Context, query string, args ...any) (out []int64, err error) {
	rows, err := t.tx.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		out = append(out, id)
	}
	return out, rows.Err()
}
