//go:build unix

package testenv

import (
	"os"
	"path/filepath"
	"syscall"
)

// Built gives the path of a program that never changes under its name: build puts
// it where it is told, unless it is there already. It is kept in the user's cache
// folder. Several test processes may want it at the same time: one builds, the
// others wait for its lock, which goes with the process that holds it.
func Built(name string, build func(to string) error) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "bellhop", "testenv")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	path := filepath.Join(dir, name)
	lock, err := os.OpenFile(path+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return "", err
	}
	defer func() { _ = lock.Close() }()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return "", err
	}
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	unfinished := path + ".new"
	if err := build(unfinished); err != nil {
		return "", err
	}
	return path, os.Rename(unfinished, path)
}
