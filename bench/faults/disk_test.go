package faults

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"bellhop/archive"
	"bellhop/archive/sqlite"
	"bellhop/internal/testenv"
)

// apart runs a test in namespaces of its own. Where they are not permitted that must be told.
func apart(t *testing.T, test func(t *testing.T)) {
	var out strings.Builder
	ran, err := Apart(t.Context(), &out, "-test.run=^"+t.Name()+"$", "-test.v")
	switch {
	case ran:
		require.NoError(t, err, out.String())
		require.Contains(t, out.String(), "--- PASS: "+t.Name())
	case os.Getenv(ofApart) != "":
		test(t)
	default:
		_, err := mount(t.TempDir())
		require.ErrorIs(t, err, errNotApart)
	}
}

// While a disk is full what is written finds no room, and is refused; afterwards there is room again.
func TestADiskIsFull(t *testing.T) {
	apart(t, func(t *testing.T) {
		dir := t.TempDir()
		d, err := mount(dir)
		require.NoError(t, err)
		defer func() { require.NoError(t, d.unmount()) }()
		store, err := sqlite.Open(t.Context(), filepath.Join(dir, "archive.db"))
		require.NoError(t, err)
		defer func() { require.NoError(t, store.Close()) }()
		put := func() error {
			return store.PutRecords(t.Context(), []archive.Record{{Kind: "big", ID: time.Now().String(), Version: 1, Data: bytes.Repeat([]byte("x"), 1<<20)}})
		}
		require.NoError(t, put())
		require.NoError(t, d.fill())
		require.ErrorIs(t, os.WriteFile(filepath.Join(dir, "file"), []byte("something"), 0o600), syscall.ENOSPC)
		require.ErrorContains(t, put(), "full")
		require.NoError(t, d.free())
		require.NoError(t, put())
		require.NoError(t, os.WriteFile(filepath.Join(dir, "file"), []byte("something"), 0o600))
	})
}

// Redis refuses what it cannot put into its file, and takes it again by itself once there is room.
func TestRedissDiskIsFull(t *testing.T) {
	apart(t, func(t *testing.T) {
		dir := t.TempDir()
		d, err := mount(dir)
		require.NoError(t, err)
		t.Cleanup(func() { _ = d.unmount() })
		r := testenv.Redis(t, "--appendonly", "yes", "--appendfsync", "everysec", "--dir", dir)
		set := func() error { return r.Client().Set(t.Context(), "k", bytes.Repeat([]byte("x"), 10_000), 0).Err() }
		require.NoError(t, set())
		require.NoError(t, d.fill())
		require.Eventually(t, func() bool { return set() != nil }, 5*time.Second, 10*time.Millisecond)
		require.ErrorContains(t, set(), "MISCONF")
		require.NoError(t, d.free())
		require.Eventually(t, func() bool { return set() == nil }, 5*time.Second, 10*time.Millisecond)
	})
}
