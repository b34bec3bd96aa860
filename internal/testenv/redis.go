package testenv

import (
	"bufio"
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// RedisServer is a redis-server, alone or part of a cluster or a Sentinel set.
// Kill, Restart, Pause and Resume may be called from any goroutine; what goes
// wrong in them is an error of the test, which goes on.
type RedisServer struct {
	t              testing.TB
	port           port
	proc           *process
	user, password string // the harness's; none at a sentinel

	mu     sync.Mutex
	client *redis.Client
}

// Redis starts a redis-server that stores nothing on disk. args are added to
// its command line: "--appendonly", "yes", "--maxmemory", "64mb".
func Redis(t testing.TB, args ...string) *RedisServer {
	t.Helper()
	r := newRedis(t, freePorts(t, 1)[0], []string{`save ""`, "appendonly no"}, args)
	r.up()
	return r
}

// RedisFile starts a redis-server with a configuration file as it is deployed, but for
// the replacements, of which each must be found. One may say {{port}}, {{dir}}, and
// {{users}} for an ACL file that lets in Bellhop and the harness; the file has to use them.
func RedisFile(t testing.TB, path string, replacements map[string]string) *RedisServer {
	t.Helper()
	p, dir := freePorts(t, 1)[0], t.TempDir()
	acl, file := filepath.Join(dir, "users.acl"), filepath.Join(dir, "redis.conf")
	conf := replaced(t, path, replacements)
	for name, value := range map[string]string{"{{port}}": p.String(), "{{dir}}": dir, "{{users}}": acl} {
		if !strings.Contains(conf, name) {
			t.Fatalf("testenv: %s does not use %s", path, name)
		}
		conf = strings.ReplaceAll(conf, name, value)
	}
	for name, text := range map[string]string{acl: users(), file: conf} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatalf("testenv: %v", err)
		}
	}
	r := startRedisWith(t, p, dir, file, nil)
	r.user, r.password = harnessUser, harnessPassword
	r.up()
	return r
}

// newRedis starts a server of data that lets in Bellhop, as deploy's ACL has it,
// and the harness, and does not wait for it. Its configuration is a file, which
// the server may rewrite and finds again when it is restarted; args overrule it.
func newRedis(t testing.TB, p port, conf, args []string) *RedisServer {
	t.Helper()
	acl := filepath.Join(t.TempDir(), "users.acl")
	if err := os.WriteFile(acl, []byte(users()), 0o600); err != nil {
		t.Fatalf("testenv: %v", err)
	}
	conf = append([]string{`aclfile "` + acl + `"`, "masteruser " + harnessUser, "masterauth " + harnessPassword}, conf...)
	r := startRedis(t, p, conf, args)
	r.user, r.password = harnessUser, harnessPassword
	return r
}

// startRedis starts a server without users.
func startRedis(t testing.TB, p port, conf, args []string) *RedisServer {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "redis.conf")
	lines := append([]string{
		"port " + p.String(),
		"bind 127.0.0.1",
		`dir "` + dir + `"`,
	}, conf...)
	if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatalf("testenv: %v", err)
	}
	return startRedisWith(t, p, dir, file, args)
}

// startRedisWith starts a server whose configuration is written.
func startRedisWith(t testing.TB, p port, dir, file string, args []string) *RedisServer {
	t.Helper()
	r := &RedisServer{t: t, port: p, proc: &process{
		path: program(t, "redis-server"), args: append([]string{file}, args...), dir: dir, death: syscall.SIGKILL,
	}}
	t.Cleanup(func() {
		r.checkRefused()
		r.proc.kill()
	})
	if err := r.proc.start(); err != nil {
		t.Fatalf("testenv: %v", err)
	}
	return r
}

// Addr is its host and port.
func (r *RedisServer) Addr() string { return r.port.addr() }

// URL is its address as BELLHOP_REDIS_URL takes it, with the user and password
// that deploy's ACL gives Bellhop.
func (r *RedisServer) URL() string { return r.Through(r.Addr()) }

// Through is its URL by way of something that stands before it, as a [Proxy] does.
func (r *RedisServer) Through(addr string) string { return "redis://" + login + addr }

// Client returns a client to this server who may do everything, the same one
// each time, closed at the end of the test.
func (r *RedisServer) Client() *redis.Client {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.client == nil {
		r.client = redis.NewClient(&redis.Options{Addr: r.Addr(), Username: r.user, Password: r.password, ContextTimeoutEnabled: true})
		r.t.Cleanup(func() { _ = r.client.Close() })
	}
	return r.client
}

// Kill ends the server with SIGKILL and returns when it is gone.
func (r *RedisServer) Kill() {
	r.t.Helper()
	r.proc.kill()
}

// Restart starts the server again, on its port and in its folder, and waits
// until it answers. One that still runs is killed before.
func (r *RedisServer) Restart() {
	r.t.Helper()
	r.proc.kill()
	if err := r.proc.start(); err != nil {
		r.t.Errorf("testenv: %v", err)
		return
	}
	if err := r.proc.ready(r.ping); err != nil {
		r.t.Errorf("testenv: %v", err)
	}
}

// Pause stops the server without ending it: its connections stay open and
// nothing answers.
func (r *RedisServer) Pause() {
	r.t.Helper()
	if err := r.proc.signal(syscall.SIGSTOP); err != nil {
		r.t.Errorf("testenv: pausing: %v", err)
	}
}

// Resume lets a paused server go on.
func (r *RedisServer) Resume() {
	r.t.Helper()
	if err := r.proc.signal(syscall.SIGCONT); err != nil {
		r.t.Errorf("testenv: resuming: %v", err)
	}
}

// Pid is its process's id, 0 while it does not run.
func (r *RedisServer) Pid() int { return r.proc.id() }

// Running tells whether the server runs and is not paused.
func (r *RedisServer) Running() bool { return r.proc.serving() }

// up waits until the server answers.
func (r *RedisServer) up() {
	r.t.Helper()
	if err := r.proc.ready(r.ping); err != nil {
		r.t.Fatalf("testenv: %v", err)
	}
}

// ping asks once, without a client that would try again and log. A server that
// still loads its data is not up.
func (r *RedisServer) ping() error {
	c, err := net.DialTimeout("tcp", r.Addr(), time.Second)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	if err := c.SetDeadline(time.Now().Add(time.Second)); err != nil {
		return err
	}
	ask, want := "PING\r\n", []string{"+PONG\r\n"}
	if r.user != "" {
		ask, want = "AUTH "+r.user+" "+r.password+"\r\n"+ask, []string{"+OK\r\n", want[0]}
	}
	if _, err := c.Write([]byte(ask)); err != nil {
		return err
	}
	answers := bufio.NewReader(c)
	for _, w := range want {
		answer, err := answers.ReadString('\n')
		if err != nil {
			return err
		}
		if answer != w {
			return errors.New(strings.TrimSpace(answer))
		}
	}
	return nil
}

// do asks a server, with a limit so that one that hangs is only one bad answer.
func do(r *RedisServer, args ...any) *redis.Cmd {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return r.Client().Do(ctx, args...)
}
