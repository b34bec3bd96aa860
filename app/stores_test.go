package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"bellhop/client"
	"bellhop/internal/testenv"
)

// What an earlier version stored is in testdata/stores: how it came there, its README tells.
const storesDir = "testdata/stores"

// fillWith names the environment variable with the program of an earlier version that fills them anew.
const fillWith = "FILL_STORES_WITH"

// account is what the version that filled the stores said of them, before it was killed.
type account struct {
	Since    time.Time         // the hour in which it began
	Tokens   map[string]string // by participant
	Sessions map[string]string // ids, by what has become of them
	Moved    string            // the mass move's id
	Keys     map[string]sent   // of sends, by session: to be sent again
	File     string            // the content of the file that was sent
	Answers  []toldAnswer
	Hellos   map[string]toldHello // by participant
}

type sent struct {
	Key, Text string
	Seq       int64
}

// toldAnswer is the answer to a GET.
type toldAnswer struct {
	Who  string // whose token it was asked with; "" for the API key
	Path string
	Body json.RawMessage
}

type toldHello struct {
	Unread   int64
	Offers   []string
	Sessions map[string]toldSession
}

type toldSession struct {
	State       string
	Seq, Unread int64
	Mid         string
}

// process is a node's program, and how it is killed, or told to stop, which gives its exit status.
type process struct {
	base string
	kill func()
	stop func() int
}

func (p process) api() client.API { return client.API{BaseURL: p.base, Key: key} }

// startProgram starts a node of whatever version, on stores and with webhooks.
func startProgram(t testing.TB, bin, redisURL, dir, hook string, more ...string) process {
	t.Helper()
	addr := freeAddr(t)
	cmd := exec.CommandContext(t.Context(), bin, append([]string{"--addr", addr, "--redis-url", redisURL, "--data-dir", dir, "--api-key", key, "--log-level", "warn",
		"--send-rate", "0", "--drain", "500ms", "--webhook-url", hook + "/hooks", "--webhook-secret", newSecret + "," + oldSecret}, more...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var log bytes.Buffer
	cmd.Stderr = &log
	require.NoError(t, cmd.Start())
	var once sync.Once
	end := func(by os.Signal) int {
		once.Do(func() {
			_ = cmd.Process.Signal(by)
			_ = cmd.Wait()
		})
		return cmd.ProcessState.ExitCode()
	}
	kill := func() { end(os.Kill) }
	t.Cleanup(func() {
		kill()
		if t.Failed() {
			t.Log(log.String())
		}
	})
	ready(t, addr)
	return process{"http://" + addr, kill, func() int { return end(syscall.SIGTERM) }}
}

// storedKey is one of Redis, as DUMP gives it and RESTORE takes it.
type storedKey struct {
	Key  string
	TTL  time.Duration // when it was stored; 0: none
	Dump []byte
}

func dumpRedis(t testing.TB, rdb *redis.Client) (keys []storedKey) {
	t.Helper()
	names, err := rdb.Keys(t.Context(), "*").Result()
	require.NoError(t, err)
	slices.Sort(names)
	for _, name := range names {
		k := storedKey{Key: name}
		dump, err := rdb.Dump(t.Context(), name).Result()
		require.NoError(t, err)
		ttl, err := rdb.PTTL(t.Context(), name).Result()
		require.NoError(t, err)
		k.Dump, k.TTL = []byte(dump), max(0, ttl)
		keys = append(keys, k)
	}
	return keys
}

func zipped(t testing.TB, write func(io.Writer) error) []byte {
	t.Helper()
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	require.NoError(t, err)
	require.NoError(t, write(z))
	require.NoError(t, z.Close())
	return b.Bytes()
}

func unzipped(t testing.TB, name string) io.Reader {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(storesDir, name))
	require.NoError(t, err)
	z, err := gzip.NewReader(bytes.NewReader(data))
	require.NoError(t, err)
	return z
}

// saveStores writes what is in Redis and in the data folder into testdata, as small as it goes.
func saveStores(t testing.TB, rdb *redis.Client, dir string, said account) {
	t.Helper()
	write := func(name string, data []byte) {
		require.Less(t, len(data), 200<<10, "%s: keep it small", name)
		require.NoError(t, os.WriteFile(filepath.Join(storesDir, name), data, 0o600))
	}
	write("redis.json.gz", zipped(t, func(w io.Writer) error { return json.NewEncoder(w).Encode(dumpRedis(t, rdb)) }))
	write("data.tar.gz", zipped(t, func(w io.Writer) error {
		archive := tar.NewWriter(w)
		if err := archive.AddFS(os.DirFS(dir)); err != nil {
			return err
		}
		return archive.Close()
	}))
	write("told.json.gz", zipped(t, func(w io.Writer) error {
		e := json.NewEncoder(w)
		e.SetIndent("", "\t")
		return e.Encode(said)
	}))
}

// loadStores is the opposite, into a Redis of its own and a new folder. How long a key has still to
// live is what it was: whenever the test runs, it is as if no time had passed for Redis.
func loadStores(t *testing.T) (rdb *testenv.RedisServer, dir string, said account) {
	t.Helper()
	require.NoError(t, json.NewDecoder(unzipped(t, "told.json.gz")).Decode(&said))
	dir = loadData(t)
	rdb = testenv.Redis(t)
	var keys []storedKey
	require.NoError(t, json.NewDecoder(unzipped(t, "redis.json.gz")).Decode(&keys))
	for _, k := range keys {
		require.NoError(t, rdb.Client().Restore(t.Context(), k.Key, k.TTL, string(k.Dump)).Err(), k.Key)
	}
	return rdb, dir, said
}

func loadData(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	root, err := os.OpenRoot(dir)
	require.NoError(t, err)
	defer func() { _ = root.Close() }()
	for archive := tar.NewReader(unzipped(t, "data.tar.gz")); ; {
		head, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return dir
		}
		require.NoError(t, err)
		if head.Typeflag == tar.TypeDir {
			require.NoError(t, root.MkdirAll(strings.TrimSuffix(head.Name, "/"), 0o700))
			continue
		}
		f, err := root.Create(head.Name)
		require.NoError(t, err)
		_, err = io.Copy(f, archive)
		require.NoError(t, err)
		require.NoError(t, f.Close())
	}
}

// What an earlier version stored is read as it is: all that it said of it is said again, chats go on
// where they were, and its timers fire.
func TestStoresOfAnEarlierVersion(t *testing.T) {
	if bin := os.Getenv(fillWith); bin != "" {
		rdb, dir := testenv.Redis(t), t.TempDir()
		saveStores(t, rdb.Client(), dir, fill(t, bin, rdb, dir))
	}
	rdb, dir, said := loadStores(t)
	checkStores(t, rdb, dir, said)
}

// And the same under another number of partitions, to which it moves with all it holds; also where what moves it is
// killed with -9 a little later each time, wherever it is by then, until it gets to its end.
func TestRepartitionOfAnEarlierVersion(t *testing.T) {
	for _, n := range []string{"64", "5"} {
		t.Run(n, func(t *testing.T) {
			rdb, dir, said := loadStores(t)
			args := []string{"repartition", "--partitions", n, "--redis-url", rdb.URL(), "--data-dir", dir, "--log-level", "error"}
			if n == "5" {
				killedOften(t, rdb, args)
			}
			var out, errs bytes.Buffer
			require.Zero(t, run(t.Context(), args, &out, &errs), errs.String())
			if n != "5" {
				require.Contains(t, out.String(), n+" partitions where there were 16")
			}
			require.Contains(t, out.String(), n+" partitions")
			checkStores(t, rdb, dir, said)
		})
	}
}

func killedOften(t *testing.T, rdb *testenv.RedisServer, args []string) {
	t.Helper()
	bin, err := build()
	require.NoError(t, err)
	nodes, err := rdb.Client().Keys(t.Context(), "*:nodes").Result()
	require.NoError(t, err)
	require.NoError(t, rdb.Client().Del(t.Context(), nodes...).Err()) // as if they had been stopped: else 15 s go by each time
	deaths, moved := 0, 0
	for after, step := 30*time.Millisecond, time.Duration(30); ; after += after / step {
		require.NoError(t, rdb.Client().Del(t.Context(), "bellhop:moving").Err()) // as 20 s do
		cmd := exec.Command(bin, args...)
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		require.NoError(t, cmd.Start())
		timer := time.AfterFunc(after, func() { _ = cmd.Process.Kill() })
		err := cmd.Wait()
		timer.Stop()
		if err == nil {
			break
		}
		require.Equal(t, -1, cmd.ProcessState.ExitCode(), "it was killed: %s", cmd.ProcessState)
		deaths++
		if strings.Contains(rdb.Client().Get(t.Context(), "bellhop:partitions").Val(), "frozen") {
			moved++
			step = 200 // it is short
		}
	}
	t.Logf("%d deaths, %d of them in the middle of it", deaths, moved)
	require.Greater(t, moved, 3)
}

// The same of what this version stores: so what fills them is always up to date.
func TestStoresOfThisVersion(t *testing.T) {
	bin, err := build()
	require.NoError(t, err)
	rdb, dir := testenv.Redis(t), t.TempDir()
	checkStores(t, rdb, dir, fill(t, bin, rdb, dir))
}

// The earlier version's archive alone is enough to begin anew with.
func TestRestoreFromAnEarlierVersion(t *testing.T) {
	dir, fresh := loadData(t), testenv.Redis(t)
	command := func(args ...string) string {
		var out, errs bytes.Buffer
		require.Zero(t, run(t.Context(), append(args, "--redis-url", fresh.URL(), "--data-dir", dir, "--log-level", "error"), &out, &errs), errs.String())
		return out.String()
	}
	require.Regexp(t, `restored \d\d sessions and \d\d records`, command("restore"))
	require.Contains(t, command("audit"), "all promises hold")
}
