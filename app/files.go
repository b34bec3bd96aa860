package main

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"bellhop/files"
	"bellhop/handlers"
)

// sweepPause is how often a node removes files that were never sent.
const sweepPause = time.Hour

// uploadsDir is where uploads are while they come in: below the data folder. A
// node that keeps everything elsewhere may have none that can be written to.
func (a *App) uploadsDir() string {
	if a.settings.DataDir == "" {
		return ""
	}
	dir := filepath.Join(a.settings.DataDir, "uploads")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		a.log.Warn("uploads come in through the system's folder for temporary files", "error", err)
		return ""
	}
	return dir
}

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
	program, err := files.ThisProgram()
	if err != nil {
		return err
	}
	store, err := files.Open(ctx, where, files.Options{TempDir: a.uploadsDir(), Worker: program})
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
