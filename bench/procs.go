package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/shirou/gopsutil/v4/process"

	"bellhop/client"
)

const apiKey = "bench"

// proc is a server that the benchmark started.
type proc struct {
	cmd  *exec.Cmd
	addr string
	stat *process.Process
}

// start runs a program until the benchmark stops it or ends.
func start(addr, program string, args ...string) (*proc, error) {
	cmd := exec.Command(program, args...) //nolint:noctx // stop ends it
	cmd.Stderr = os.Stderr
	if profileTo != "" {
		cmd.Env = append(os.Environ(), "BENCH_PROFILE="+profileTo)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	stat, err := process.NewProcess(int32(cmd.Process.Pid))
	if err != nil {
		return nil, err
	}
	return &proc{cmd, addr, stat}, nil
}

func (p *proc) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	t := time.AfterFunc(10*time.Second, func() { _ = p.cmd.Process.Kill() })
	defer t.Stop()
	_ = p.cmd.Wait()
}

// cpu is the processor time the process has used, in µs.
func (p *proc) cpu() float64 {
	t, err := p.stat.Times()
	if err != nil {
		return 0
	}
	return (t.User + t.System) * 1e6
}

// rss is its resident memory in bytes.
func (p *proc) rss() float64 {
	m, err := p.stat.MemoryInfo()
	if err != nil {
		return 0
	}
	return float64(m.RSS)
}

// files is how many it has open, sockets included.
func (p *proc) files() (int, error) {
	all, err := p.stat.NumFDs()
	return int(all), err
}

// freeAddr is a loopback address nobody listens at now.
func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // at once
	if err != nil {
		return "", err
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String(), nil
}

func startRedis(ctx context.Context, args ...string) (*proc, *redis.Client, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, nil, err
	}
	_, port, _ := net.SplitHostPort(addr)
	p, err := start(addr, "redis-server", append([]string{"--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
		"--loglevel", "warning"}, args...)...)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: `make test-deps` installs it", err)
	}
	c := redis.NewClient(&redis.Options{Addr: addr, PoolSize: 4})
	return p, c, until(ctx, func() error { return c.Ping(ctx).Err() })
}

// startReplica starts a replica, which is in step when it returns.
func startReplica(ctx context.Context, of *proc) (*proc, error) {
	host, port, _ := net.SplitHostPort(of.addr)
	p, c, err := startRedis(ctx, "--replicaof", host+" "+port)
	if c != nil {
		defer func() { _ = c.Close() }()
	}
	if err != nil {
		return p, err
	}
	return p, until(ctx, func() error {
		info, err := c.Info(ctx, "replication").Result()
		if err == nil && !strings.Contains(info, "master_link_status:up") {
			err = errors.New("the replica is not in step")
		}
		return err
	})
}

// built is the server's binary, which all beds of this process run.
var built struct {
	once sync.Once
	dir  string
	err  error
}

// build makes the server's binary once.
func build(ctx context.Context) (string, error) {
	built.once.Do(func() {
		if built.dir, built.err = os.MkdirTemp("", "bellhop-bench-"); built.err != nil {
			return
		}
		var extra []string
		if extra, built.err = overlay(ctx, built.dir); built.err != nil {
			return
		}
		bin := filepath.Join(built.dir, "bellhop")
		cmd := exec.CommandContext(ctx, "go", append(append([]string{"build"}, extra...), "-o", bin, "bellhop/app")...)
		cmd.Stderr = os.Stderr
		built.err = cmd.Run()
	})
	return filepath.Join(built.dir, "bellhop"), built.err
}

// unbuild removes the binary.
func unbuild() {
	if built.dir != "" {
		_ = os.RemoveAll(built.dir)
	}
}

func startServer(ctx context.Context, bin, dir string, rdb *proc, args ...string) (*proc, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	return startServerAt(ctx, addr, bin, dir, rdb, args...)
}

// startServerAt starts a node at an address of one's own choice.
func startServerAt(ctx context.Context, addr, bin, dir string, rdb *proc, args ...string) (*proc, error) {
	p, err := start(addr, bin, append([]string{"--addr", addr, "--redis-url", "redis://" + rdb.addr, "--data-dir", dir, "--no-archiver",
		"--api-key", apiKey, "--send-rate", "0", "--log-level", "warn", "--drain", "1s"}, args...)...)
	if err != nil {
		return nil, err
	}
	return p, until(ctx, func() error {
		res, err := http.Get("http://" + addr + "/readyz") //nolint:noctx // loopback, once
		if err != nil {
			return err
		}
		defer func() { _ = res.Body.Close() }()
		if res.StatusCode != http.StatusOK {
			return errors.New(res.Status)
		}
		return nil
	})
}

// until asks every 20 ms, for 20 s at most.
func until(ctx context.Context, ready func() error) error {
	var err error
	for range 1000 {
		if err = ready(); err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
	return err
}

// dial connects a participant with a token of its own.
func dial(ctx context.Context, server *proc, r client.TokenRequest, on func(client.Event)) (*client.Client, error) {
	url := "http://" + server.addr
	t, err := client.API{BaseURL: url, Key: apiKey, HTTP: pooled}.IssueToken(ctx, r)
	if err != nil {
		return nil, err
	}
	return client.Dial(ctx, client.Options{URL: url, Token: t.Token, OnEvent: on, NoReconnect: true})
}

var pooled = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}

func id(prefix string, n int) string { return prefix + strconv.Itoa(n) }
