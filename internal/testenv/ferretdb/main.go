// The program ferretdb serves MongoDB's protocol out of SQLite files, or of a
// PostgreSQL, for tests where no MongoDB can be installed. It is a module of its own, so that
// what it needs is nothing that Bellhop depends on.
//
// No build tag is needed: both are among FerretDB's defaults. As a library it
// reports to nobody and asks nobody for updates.
package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/FerretDB/FerretDB/ferretdb"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:27017", "where to listen")
	dir := flag.String("dir", ".", "the folder of its files")
	postgres := flag.String("postgresql", "", "the database's URL, instead of a folder")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *addr, *dir, *postgres); err != nil {
		fmt.Fprintln(os.Stderr, "ferretdb:", err)
		os.Exit(1)
	}
}

// run serves until ctx is done.
func run(ctx context.Context, addr, dir, postgres string) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	// Only a crash of the whole machine loses what is not synced, and no test does that.
	files := url.URL{Scheme: "file", Path: dir + "/", RawQuery: "_pragma=synchronous(off)"}
	config := &ferretdb.Config{
		Listener:  ferretdb.ListenerConfig{TCP: "127.0.0.1:0"},
		Logger:    slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
		Handler:   "sqlite",
		SQLiteURL: files.String(),
	}
	if postgres != "" {
		config.Handler, config.PostgreSQLURL = "postgresql", postgres
	}
	db, err := ferretdb.New(config)
	if err != nil {
		return err
	}
	inner, err := url.Parse(db.MongoDBURI())
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- db.Run(ctx) }()
	err = relay(ctx, addr, inner.Host)
	cancel()
	if ended := <-ended; err == nil {
		err = ended
	}
	return err
}
