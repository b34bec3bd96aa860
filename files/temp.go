package files

import (
	"os"
	"path/filepath"
	"strings"
	"time"
)

const (
	tempPrefix = "bellhop-upload-"
	tempOld    = time.Hour // no upload takes as long
)

// temp opens a file that is gone when it is closed, and when this process ends:
// it has no name, where the system can do that.
func (s *Store) temp() (f *os.File, done func(), err error) {
	f, err = os.CreateTemp(s.tempDir, tempPrefix)
	if err != nil {
		return nil, nil, err
	}
	unnamed := os.Remove(f.Name()) == nil
	return f, func() {
		_ = f.Close()
		if !unnamed {
			_ = os.Remove(f.Name())
		}
	}, nil
}

// sweepTemp removes what a process that was killed has left of its uploads. One
// that was made just now may be another node's, which has not unnamed it yet.
func sweepTemp(dir string, now time.Time) error {
	left, err := os.ReadDir(dir)
	for _, e := range left {
		info, err := e.Info()
		if err == nil && strings.HasPrefix(e.Name(), tempPrefix) && now.Sub(info.ModTime()) > tempOld {
			_ = os.Remove(filepath.Join(dir, e.Name()))
		}
	}
	return err
}
