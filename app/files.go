package main

import (
	"context"
	"fmt"
	"net/url"
	"path/filepath"
	"time"

	"bellhop/files"
	"bellhop/handlers"
)

// sweepPause is how often a node removes files that were never sent.
const sweepPause = time.Hour

// openFiles opens the store of what participants upload.
func (a *App) openFiles(ctx context.Context) error {
	where := a.settings.FilesURL
	if where == "" {
		dir, err := filepath.Abs(filepath.Join(a.settings.DataDir, "files"))
		if err != nil {
			return settingsError{fmt.Errorf("--data-dir: %w", err)}
		}
		where = (&url.URL{Scheme: "file", Path: filepath.ToSlash(dir)}).String()
	}
	store, err := files.Open(ctx, where)
	if err != nil {
		return settingsError{fmt.Errorf("--files-url: %w", err)}
	}
	a.sharing = &handlers.Sharing{Store: store}
	sweep, stop := context.WithCancel(context.WithoutCancel(ctx))
	a.sweeping = stop
	a.swept.Go(func() {
		tick := time.NewTicker(sweepPause)
		defer tick.Stop()
		for {
			if n, err := store.Sweep(sweep); err != nil && sweep.Err() == nil {
				a.log.Warn("files not swept; again in an hour", "error", err)
			} else if n > 0 {
				a.log.Info("removed files that were never sent", "count", n)
			}
			select {
			case <-sweep.Done():
				return
			case <-tick.C:
			}
		}
	})
	return nil
}
