package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
)

//go:embed migrations/*.sql
var migrations embed.FS

// querier is a database or a transaction.
type querier interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// scripts are the migrations, each in a file named by its number. A file's
// version is how many of them it has had.
func scripts() ([]string, error) {
	return fs.Glob(migrations, "migrations/*.sql") // in the order of their numbers
}

// version gives a file's version, or an error if it is none of this program's files.
func version(ctx context.Context, q querier) (int, error) {
	known, err := scripts()
	if err != nil {
		return 0, err
	}
	var version, things int
	if err := q.QueryRowContext(ctx, "SELECT user_version, (SELECT count(*) FROM sqlite_schema) FROM pragma_user_version").
		Scan(&version, &things); err != nil {
		return 0, err
	}
	if version > len(known) {
		return 0, fmt.Errorf("its version is %d and this program knows only %d: use a later one", version, len(known))
	}
	if version < 0 || version == 0 && things > 0 {
		return 0, errors.New("it is another program's: it has tables and is of no version")
	}
	return version, nil
}

// migrate brings a file to this program's version.
func migrate(ctx context.Context, db *sql.DB) error {
	files, err := scripts()
	if err != nil {
		return err
	}
	tx, err := db.BeginTx(ctx, nil) // holds others off that would do the same
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	done, err := version(ctx, tx)
	if err != nil || done == len(files) {
		return err
	}
	for _, name := range files[done:] {
		script, err := migrations.ReadFile(name)
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, string(script)); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	if _, err := tx.ExecContext(ctx, fmt.Sprintf("PRAGMA user_version = %d", len(files))); err != nil {
		return err
	}
	return tx.Commit()
}
