package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
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
	where := a.settings.FilesURL.Reveal()
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
		return settingsError{fmt.Errorf("--files-url: %w", bucketError(err))}
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

// checkFilesURL tells what is wrong with a bucket's URL, without quoting it.
func checkFilesURL(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.User != nil || u.Scheme != "file" && (u.Scheme != "s3" || u.Host == "") {
		return errors.New("file:///folder or s3://bucket, without a user or password")
	}
	if endpoint, err := url.Parse(u.Query().Get("endpoint")); err != nil || endpoint.User != nil {
		return errors.New("its endpoint is not https://host, without a user or password")
	}
	return nil
}

// bucketError is why a bucket was not opened. The library's own errors quote the whole URL.
func bucketError(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path
	}
	return errors.New("it cannot be opened: a parameter is unknown or has a wrong value, or what it names is no folder")
}
