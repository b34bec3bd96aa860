//go:build unix

package testenv

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// MongoServer is a FerretDB, which speaks MongoDB's protocol and stores in
// SQLite or PostgreSQL. Kill, Restart, Pause and Resume may be called from any goroutine;
// what goes wrong in them is an error of the test, which goes on.
type MongoServer struct {
	t    testing.TB
	port port
	proc *process
}

// Mongo starts a FerretDB. The first test to ask on a machine waits until it is built.
func Mongo(t testing.TB) *MongoServer {
	t.Helper()
	files := filepath.Join(t.TempDir(), "files")
	if err := os.Mkdir(files, 0o700); err != nil {
		t.Fatalf("testenv: %v", err)
	}
	return ferret(t, "-dir", files)
}

// MongoOnPostgres starts a FerretDB that stores in a PostgreSQL of its own.
func MongoOnPostgres(t testing.TB) *MongoServer {
	t.Helper()
	return ferret(t, "-postgresql", Postgres(t))
}

// ferret starts a FerretDB that stores where it is told.
func ferret(t testing.TB, where ...string) *MongoServer {
	t.Helper()
	path, err := ferretProgram()
	if err != nil {
		t.Fatalf("testenv: building ferretdb: %v", err)
	}
	p := freePorts(t, 1)[0]
	m := &MongoServer{t: t, port: p, proc: &process{
		path: path, args: append([]string{"-addr", p.addr()}, where...), dir: t.TempDir(), death: syscall.SIGKILL,
	}}
	t.Cleanup(m.proc.kill)
	if err := m.proc.start(); err != nil {
		t.Fatalf("testenv: %v", err)
	}
	if err := m.proc.ready(m.ping); err != nil {
		t.Fatalf("testenv: %v", err)
	}
	return m
}

// sharedMongo is guarded by the lock of shared.
var sharedMongo *MongoServer

// SharedMongo is a FerretDB that all tests of this process share, each with a
// database of its own. It needs and ends with Main, as Shared; none may kill it.
func SharedMongo(t testing.TB) *MongoServer {
	t.Helper()
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if !shared.main {
		t.Fatal("testenv: SharedMongo needs `func TestMain(m *testing.M) { os.Exit(testenv.Main(m)) }` in this package")
	}
	if sharedMongo == nil {
		tb := processTB{t}
		sharedMongo = Mongo(tb)
		tb.Cleanup(func() { sharedMongo = nil })
	}
	return sharedMongo
}

// Addr is its host and port.
func (m *MongoServer) Addr() string { return m.port.addr() }

// URL is its address; a database's name may follow.
func (m *MongoServer) URL() string { return "mongodb://" + m.Addr() + "/" }

// Kill ends the server with SIGKILL and returns when it is gone.
func (m *MongoServer) Kill() {
	m.t.Helper()
	m.proc.kill()
}

// Restart starts the server again, on its port and in its folder, and waits
// until it answers. One that still runs is killed before.
func (m *MongoServer) Restart() {
	m.t.Helper()
	m.proc.kill()
	if err := m.proc.start(); err != nil {
		m.t.Errorf("testenv: %v", err)
		return
	}
	if err := m.proc.ready(m.ping); err != nil {
		m.t.Errorf("testenv: %v", err)
	}
}

// Pause stops the server without ending it: its connections stay open and
// nothing answers.
func (m *MongoServer) Pause() {
	m.t.Helper()
	if err := m.proc.signal(syscall.SIGSTOP); err != nil {
		m.t.Errorf("testenv: pausing: %v", err)
	}
}

// Resume lets a paused server go on.
func (m *MongoServer) Resume() {
	m.t.Helper()
	if err := m.proc.signal(syscall.SIGCONT); err != nil {
		m.t.Errorf("testenv: resuming: %v", err)
	}
}

// Running tells whether the server runs and is not paused.
func (m *MongoServer) Running() bool { return m.proc.serving() }

// ping asks once, over a connection of its own.
func (m *MongoServer) ping() error {
	c, err := mongo.Connect(options.Client().ApplyURI(m.URL()).SetServerSelectionTimeout(time.Second))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	err = c.Ping(ctx, nil)
	_ = c.Disconnect(context.WithoutCancel(ctx))
	return err
}

// ferretProgram builds FerretDB, once a process, and returns its path.
var ferretProgram = sync.OnceValues(func() (string, error) {
	source, err := ferretSource()
	if err != nil {
		return "", err
	}
	name, err := ferretName(source)
	if err != nil {
		return "", err
	}
	return Built(name, func(to string) error {
		cmd := exec.Command("go", "build", "-o", to, ".")
		cmd.Dir = source
		cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-trimpath", "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%w\n%s", err, out)
		}
		return nil
	})
})

// ferretSource finds the module: tests run in the folder of their package,
// somewhere below the root of the tree.
func ferretSource() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		source := filepath.Join(dir, "internal", "testenv", "ferretdb")
		if _, err := os.Stat(filepath.Join(source, "go.mod")); err == nil {
			return source, nil
		}
		if filepath.Dir(dir) == dir {
			return "", errors.New("its source is in no folder above")
		}
		dir = filepath.Dir(dir)
	}
}

// ferretName names the program after what it is built from, so that one that
// is there is the right one, and none is replaced while it runs.
func ferretName(source string) (string, error) {
	h := sha256.New()
	_, _ = fmt.Fprintln(h, runtime.GOOS, runtime.GOARCH, runtime.Version())
	for _, name := range []string{"go.mod", "go.sum", "main.go", "relay.go"} {
		data, err := os.ReadFile(filepath.Join(source, name))
		if err != nil {
			return "", err
		}
		_, _ = fmt.Fprintln(h, name, len(data))
		h.Write(data)
	}
	return fmt.Sprintf("ferretdb-%x", h.Sum(nil)[:8]), nil
}
