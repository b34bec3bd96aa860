package faults

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"bellhop/internal/testenv"
)

// node is a process of the server's, which a supervisor would start again.
type node struct {
	name, bin, addr, log string
	args, env            []string
	way                  *testenv.ProxyServer // to Redis, where it has one of its own

	mu      sync.Mutex
	cmd     *exec.Cmd
	ended   chan struct{} // closed when cmd has
	doomed  bool          // somebody ends it
	serving bool          // it was ready once
	deaths  []string      // nobody had ended it
}

// start runs it, where it does not run.
func (n *node) start() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.cmd != nil {
		return nil
	}
	log, err := os.OpenFile(n.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()    // the child has its own
	cmd := exec.Command(n.bin, n.args...) //nolint:noctx // kill ends it
	cmd.Stdout, cmd.Stderr, cmd.Env = log, log, n.env
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	n.cmd, n.ended, n.doomed, n.serving = cmd, ended, false, false
	go func() {
		_ = cmd.Wait()
		n.mu.Lock()
		defer n.mu.Unlock()
		// One that waited in vain for Redis when it started ends by itself, as documented.
		if !n.doomed && n.serving {
			n.deaths = append(n.deaths, fmt.Sprintf("%s ended by itself: %v", n.name, cmd.ProcessState))
		}
		n.cmd = nil
		close(ended)
	}()
	return nil
}

// end sends a signal that ends it, and waits; one that hangs is killed.
func (n *node) end(sig syscall.Signal, within time.Duration) {
	n.mu.Lock()
	if n.cmd == nil {
		n.mu.Unlock()
		return
	}
	n.doomed = true
	cmd, ended := n.cmd, n.ended
	n.mu.Unlock()
	_ = cmd.Process.Signal(sig)
	select {
	case <-ended:
	case <-time.After(within):
		_ = cmd.Process.Kill()
		<-ended
	}
}

func (n *node) signal(sig syscall.Signal) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.cmd != nil {
		_ = n.cmd.Process.Signal(sig)
	}
}

// pid is its process's id, 0 while it does not run.
func (n *node) pid() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.cmd == nil {
		return 0
	}
	return n.cmd.Process.Pid
}

var asking = &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}

// ready asks whether it serves, and starts it where it has given up.
func (n *node) ready(ctx context.Context) error {
	if err := n.start(); err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+n.addr+"/readyz", nil)
	if err != nil {
		return err
	}
	res, err := asking.Do(req)
	if err != nil {
		return err
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return errors.New(n.name + ": " + res.Status)
	}
	n.mu.Lock()
	n.serving = true
	n.mu.Unlock()
	return nil
}

// metrics are its gauges and counters that have no labels.
func (n *node) metrics(ctx context.Context) (map[string]float64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+n.addr+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	res, err := asking.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	out := map[string]float64{}
	lines := bufio.NewScanner(res.Body)
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), " ")
		if v, err := strconv.ParseFloat(value, 64); err == nil && !strings.Contains(name, "{") {
			out[name] = v
		}
	}
	return out, lines.Err()
}

// logTail is the end of what it wrote.
func (n *node) logTail() string {
	data, err := os.ReadFile(filepath.Clean(n.log))
	if err != nil {
		return err.Error()
	}
	return string(data[max(0, len(data)-4000):])
}
