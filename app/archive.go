package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/redis/go-redis/v9"

	"bellhop/archive"
	"bellhop/archive/mongo"
	"bellhop/archive/sqlite"
	"bellhop/broker"
)

// embeddedDelay is how long changes wait for the archive where Redis is in
// memory: about that much is lost when the process is killed.
const embeddedDelay = 100 * time.Millisecond

// openArchive opens MongoDB, which it waits for, or the file in the data folder.
func openArchive(ctx context.Context, s *Stores, log *slog.Logger) (archive.Archive, error) {
	if !s.MongoURL.IsSet() {
		store, err := sqlite.Open(ctx, filepath.Join(s.DataDir, "archive.db"))
		if err != nil {
			return nil, settingsError{fmt.Errorf("--data-dir: %w", err)}
		}
		return store, nil
	}
	var store *mongo.Store
	err := waitFor(ctx, log, "the archive", func(ctx context.Context) (err error) {
		store, err = mongo.Open(ctx, s.MongoURL.Reveal())
		return err
	})
	if err != nil {
		return nil, err
	}
	return store, nil
}

// options are what every broker on these stores has in common.
func (s *Stores) options(rdb redis.UniversalClient, a archive.Archive, log *slog.Logger) broker.Options {
	o := broker.Options{Redis: rdb, Partitions: s.Partitions, Archive: a, Log: log}
	if s.Embedded() {
		o.ArchiveDelay, o.FirstPartitions = embeddedDelay, 16
	}
	return o
}

// refusedStores tells which setting a broker's refusal is about.
func refusedStores(err error) error {
	switch {
	case errors.Is(err, broker.ErrPartitions):
		return settingsError{fmt.Errorf("--partitions: %w", err)}
	case errors.Is(err, broker.ErrArchive):
		return settingsError{fmt.Errorf("--mongo-url, --data-dir: %w", err)}
	case errors.Is(err, broker.ErrNotEmpty), errors.Is(err, broker.ErrShape):
		return settingsError{fmt.Errorf("--redis-url: %w", err)}
	}
	return err
}
