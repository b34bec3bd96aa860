//go:build unix

package testenv

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// Postgres starts a PostgreSQL and returns the URL of a database in it. It
// refuses to be root's: then it is its own account's, which its package made.
func Postgres(t testing.TB) string {
	t.Helper()
	initdb, server := program(t, "initdb"), program(t, "postgres")
	dir, err := os.MkdirTemp("", "postgres") // not the test's: others may not look into that
	if err != nil {
		t.Fatalf("testenv: %v", err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	var as *syscall.Credential
	if os.Getuid() == 0 {
		if as, err = postgresAccount(dir); err != nil {
			t.Fatalf("testenv: whose PostgreSQL is: %v", err)
		}
	}
	data := filepath.Join(dir, "data")
	cmd := exec.Command(initdb, "--pgdata", data, "--username", "bellhop", "--auth", "trust", "--encoding", "UTF8", "--locale", "C", "--no-sync")
	cmd.Dir, cmd.SysProcAttr = dir, &syscall.SysProcAttr{Credential: as}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("testenv: initdb: %v\n%s", err, out)
	}
	p := freePorts(t, 1)[0]
	proc := &process{path: server, dir: dir, as: as, death: syscall.SIGQUIT, args: []string{"-D", data, "-h", "127.0.0.1", "-p", strconv.Itoa(int(p)),
		"-c", "unix_socket_directories=", "-c", "fsync=off", "-c", "max_connections=300"}}
	// Its children lead groups of their own; it ends them at SIGQUIT, at once.
	t.Cleanup(func() {
		_ = proc.signal(syscall.SIGQUIT)
		proc.terminate()
	})
	if err := proc.start(); err != nil {
		t.Fatalf("testenv: %v", err)
	}
	if err := proc.ready(func() error { return greets(p.addr()) }); err != nil {
		t.Fatalf("testenv: %v", err)
	}
	return fmt.Sprintf("postgres://bellhop@%s/postgres", p.addr())
}

// postgresAccount gives a folder to the server's own account.
func postgresAccount(dir string) (*syscall.Credential, error) {
	account, err := user.Lookup("postgres")
	if err != nil {
		return nil, err
	}
	uid, err1 := strconv.ParseUint(account.Uid, 10, 32)
	gid, err2 := strconv.ParseUint(account.Gid, 10, 32)
	if err := errors.Join(err1, err2, os.Chown(dir, int(uid), int(gid))); err != nil {
		return nil, err
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}

// greets tells whether a PostgreSQL takes connections: it answers a request for TLS with a letter, and
// one that is still starting with an error to what follows, so that this asks for a session, too.
func greets(addr string) error {
	c, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(time.Second))
	const body = "\x00\x03\x00\x00user\x00bellhop\x00database\x00postgres\x00\x00" // a startup message of protocol 3.0
	if _, err := fmt.Fprintf(c, "\x00\x00\x00%c%s", len(body)+4, body); err != nil {
		return err
	}
	kind := make([]byte, 1)
	if _, err := c.Read(kind); err != nil {
		return err
	}
	if kind[0] != 'R' { // authentication is asked for, or granted
		return fmt.Errorf("it answers %q", kind)
	}
	return nil
}
