package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"bellhop/archive"
	"bellhop/archive/mongo"
	"bellhop/archive/sqlite"
	"bellhop/broker"
	"bellhop/internal/doctor"
)

// doctorCommand looks at a deployment. Its settings are a node's.
type doctorCommand struct {
	Settings `embed:""`
	URL      Secret `help:"The site as clients reach it, such as https://chat.example.org: its certificate and WebSockets are looked at, too." placeholder:"URL"`
	All      bool   `help:"Print what is as it should be, too."`
}

// Exit statuses by the worst finding; notes are none.
const (
	exitWarning = 3
	exitGrave   = 4
)

// statusError ends the process with a status; all has been printed.
type statusError int

// Error implements error.
func (e statusError) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

// Run prints a line for each finding, the worst first.
func (c *doctorCommand) Run(ctx context.Context, out io.Writer) error {
	d := doctor.Deployment{Settings: c.told(), Machine: doctor.ThisMachine(), URL: c.URL.Reveal(), Archive: c.archive}
	if !c.Embedded() {
		rdb, err := broker.Dial(c.RedisURL.Reveal())
		if err != nil {
			return settingsError{fmt.Errorf("--redis-url: %w", err)}
		}
		defer func() { _ = rdb.Close() }()
		d.Redis = rdb
		d.Partitions = func(ctx context.Context) (partitions, masters, used int, err error) {
			s, err := broker.Survey(ctx, rdb)
			return s.Partitions, s.Masters, s.Used, err
		}
	}
	list := doctor.Run(ctx, d)
	if c.Embedded() {
		list = append(list, doctor.Finding{Severity: doctor.Warning, What: "Redis is this process's own, in memory: there is one node, and while it is away nobody can chat", Page: "docs/deployment.md"})
	}
	doctor.Sort(list)
	for _, f := range list {
		if f.Severity == doctor.Fine && !c.All {
			continue
		}
		line := fmt.Sprintf("%-7s  %s", f.Severity, f.What)
		if f.Page != "" {
			line += " [" + f.Page + "]"
		}
		if _, err := fmt.Fprintln(out, line); err != nil {
			return err
		}
	}
	worst := doctor.Worst(list)
	if _, err := fmt.Fprintf(out, "%d things looked at, the worst: %s\n", len(list), worst); err != nil {
		return err
	}
	switch worst {
	case doctor.Grave:
		return statusError(exitGrave)
	case doctor.Warning:
		return statusError(exitWarning)
	default:
		return nil
	}
}

// told are the settings that may be wrong without being refused.
func (c *doctorCommand) told() doctor.Settings {
	keys := map[string]string{}
	for i, k := range c.APIKey {
		keys[numbered("api-key", i)] = k.Reveal()
	}
	for i, k := range c.WebhookSecret {
		keys[numbered("webhook-secret", i)] = k.Reveal()
	}
	if c.JWTSecret.IsSet() {
		keys["jwt-secret"] = c.JWTSecret.Reveal()
	}
	return doctor.Settings{Keys: keys, Origins: c.Origins, MaxConns: c.MaxConns}
}

func numbered(name string, i int) string {
	if i == 0 {
		return name
	}
	return fmt.Sprintf("%s (number %d)", name, i+1)
}

// archive tells why the archive cannot be used.
func (c *doctorCommand) archive(ctx context.Context) error {
	var (
		store archive.Archive
		err   error
	)
	if c.MongoURL.IsSet() {
		store, err = mongo.Open(ctx, c.MongoURL.Reveal())
	} else {
		path := filepath.Join(c.DataDir, "archive.db")
		if _, err := os.Stat(path); err != nil { // opening it would make it
			return fmt.Errorf("%s: it is not there; a node makes it at its first start", path)
		}
		store, err = sqlite.Open(ctx, path)
	}
	if err != nil {
		return err
	}
	defer func() { _ = store.Close() }()
	if err := store.Ping(ctx); err != nil {
		return err
	}
	_, err = store.Search(ctx, archive.SearchQuery{Words: []string{"doctor"}, Until: time.Now().Add(-time.Hour).UnixMilli(), Limit: 1})
	return err
}
