// Package sqlite keeps the archive in one SQLite file. Any number of processes
// on one machine may open the same file: their writes wait for each other,
// and reads wait for nobody.
package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	_ "modernc.org/sqlite" // the driver

	"bellhop/archive"
)

// busyTimeout is how long a write waits for those of other processes.
const busyTimeout = 30 * time.Second

// Store is an archive in a file.
type Store struct {
	writer *sql.DB // of one connection
	reader *sql.DB
	stmts  statements

	busy  int   // messages a second
	inbox int64 // how much it may hold
	flow  flow
	came  chan struct{} // something is in the inbox
	stop  context.CancelFunc
	tasks sync.WaitGroup
}

var _ archive.Archive = (*Store)(nil)

type options struct {
	readers     int
	synchronous string
	busy        int
	inbox       int64
}

// Option changes how a file is opened.
type Option func(*options)

// Readers is how many reads may run at once; 4 unless told.
func Readers(n int) Option { return func(o *options) { o.readers = n } }

// Open opens an archive's file, and makes it and its folder where they are missing.
func Open(ctx context.Context, path string, opts ...Option) (*Store, error) {
	o := options{readers: 4, synchronous: "FULL", busy: busyRate, inbox: inboxSize}
	for _, opt := range opts {
		opt(&o)
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("archive file: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return nil, fmt.Errorf("archive file: %w", err)
	}
	life, stop := context.WithCancel(context.WithoutCancel(ctx))
	s := &Store{busy: o.busy, inbox: o.inbox, came: make(chan struct{}, 1), stop: stop}
	if err := s.open(ctx, path, o); err != nil {
		_ = s.Close()
		return nil, fmt.Errorf("archive file %s: %w", path, err)
	}
	s.tasks.Go(func() { s.settle(life) })
	return s, nil
}

func (s *Store) open(ctx context.Context, path string, o options) (err error) {
	// FULL syncs the log at each commit: what was acknowledged outlives a power cut.
	if s.writer, err = connect(path, 1, "synchronous("+o.synchronous+")", "cache_size(-65536)",
		"wal_autocheckpoint(4000)", "journal_size_limit(67108864)"); err != nil {
		return err
	}
	if _, err := version(ctx, s.writer); err != nil { // before anything is changed
		return err
	}
	if _, err := s.writer.ExecContext(ctx, "PRAGMA journal_mode = WAL"); err != nil {
		return err
	}
	if err := migrate(ctx, s.writer); err != nil {
		return err
	}
	if s.reader, err = connect(path, o.readers, "query_only(1)", "cache_size(-16384)"); err != nil {
		return err
	}
	return s.stmts.prepare(ctx, s.writer, s.reader)
}

// connect gives a pool of connections that are set up with pragmas.
func connect(path string, size int, pragmas ...string) (*sql.DB, error) {
	q := url.Values{"_txlock": {"immediate"}, "_pragma": {fmt.Sprintf("busy_timeout(%d)", busyTimeout.Milliseconds())}}
	q["_pragma"] = append(q["_pragma"], pragmas...)
	dsn := url.URL{Scheme: "file", OmitHost: true, Path: path, RawQuery: q.Encode()}
	db, err := sql.Open("sqlite", dsn.String())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(size)
	db.SetMaxIdleConns(size)
	return db, nil
}

// Ping implements archive.Archive by a write.
func (s *Store) Ping(ctx context.Context) error {
	_, err := s.writer.ExecContext(ctx, "UPDATE ping SET at = ?", time.Now().UnixMilli())
	return wrap("ping", err)
}

// Close implements archive.Archive.
func (s *Store) Close() error {
	s.stop()
	s.tasks.Wait()
	var first error
	for _, db := range []*sql.DB{s.reader, s.writer} { // the last connection tidies the log up
		if db == nil {
			continue
		}
		if err := db.Close(); err != nil && first == nil {
			first = err
		}
	}
	return first
}
