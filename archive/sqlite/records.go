package sqlite

import (
	"context"
	"time"

	"bellhop/archive"
)

// purgeBatch is how many records Purge removes at a time, so that others may
// write in between.
const purgeBatch = 1000

// PutRecords implements archive.Archive.
func (s *Store) PutRecords(ctx context.Context, records []archive.Record) error {
	if len(records) == 0 {
		return nil
	}
	return wrap("put records", s.write(ctx, func(t txn) error {
		for _, r := range records {
			var data any // NULL
			if len(r.Data) > 0 {
				data = r.Data
			}
			if _, err := t.exec(ctx, s.stmts.upsertRecord, r.Kind, r.ID, r.Version, data, r.Expires); err != nil {
				return err
			}
		}
		return nil
	}))
}

// Records implements archive.Archive.
func (s *Store) Records(ctx context.Context, kind, after string, limit int) ([]archive.Record, error) {
	rows, err := s.reader.QueryContext(ctx, `SELECT kind, id, version, data, expires FROM records
		WHERE kind = ? AND id > ? AND data IS NOT NULL AND (expires = 0 OR expires > ?) ORDER BY id LIMIT ?`,
		kind, after, time.Now().UnixMilli(), limit)
	if err != nil {
		return nil, wrap("records", err)
	}
	defer rows.Close()
	var out []archive.Record
	for rows.Next() {
		var r archive.Record
		if err := rows.Scan(&r.Kind, &r.ID, &r.Version, &r.Data, &r.Expires); err != nil {
			return nil, wrap("records", err)
		}
		out = append(out, r)
	}
	return out, wrap("records", rows.Err())
}

// Purge implements archive.Archive.
func (s *Store) Purge(ctx context.Context) error {
	for {
		r, err := s.writer.ExecContext(ctx, `DELETE FROM records WHERE (kind, id) IN
			(SELECT kind, id FROM records WHERE expires > 0 AND expires <= ? LIMIT ?)`, time.Now().UnixMilli(), purgeBatch)
		if err != nil {
			return wrap("purge", err)
		}
		if n, err := r.RowsAffected(); err != nil || n < purgeBatch {
			return wrap("purge", err)
		}
	}
}
