package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	driver "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// txn is one write.
type txn struct{ tx *sql.Tx }

// write runs f in a transaction, which holds the file's lock from its beginning.
func (s *Store) write(ctx context.Context, f func(t txn) error) error {
	tx, err := s.writer.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err = f(txn{tx}); err == nil {
		err = tx.Commit()
	}
	if err != nil {
		_ = tx.Rollback()
		if ctx.Err() != nil { // what it did to the transaction is not the cause
			err = ctx.Err()
		}
	}
	return err
}

// exec runs a prepared statement. It looks at the context before and not
// meanwhile, for which the driver would start a goroutine each time.
func (t txn) exec(ctx context.Context, stmt *sql.Stmt, args ...any) (sql.Result, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	ctx = context.WithoutCancel(ctx)
	return t.tx.StmtContext(ctx, stmt).ExecContext(ctx, args...) //nolint:sqlclosecheck // goes with the transaction
}

// changes runs a prepared statement and tells whether it changed anything.
func (t txn) changes(ctx context.Context, stmt *sql.Stmt, args ...any) (bool, error) {
	r, err := t.exec(ctx, stmt, args...)
	if err != nil {
		return false, err
	}
	n, err := r.RowsAffected()
	return n > 0, err
}

// ofItem tells whether an error is one item's own: it would come back however
// often the item is tried, and took only its own statement back.
func ofItem(err error) bool {
	var e *driver.Error
	if !errors.As(err, &e) {
		return false
	}
	switch e.Code() & 0xff {
	case sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_MISMATCH:
		return true
	}
	return false
}

func wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("archive: %s: %w", what, err)
}
