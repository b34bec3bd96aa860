//go:build unix

package testenv

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// process is a server run by the test. No goroutine waits for it, so that
// tests that look for leaked goroutines do not find ours.
type process struct {
	path  string
	args  []string
	dir   string
	death syscall.Signal      // what it gets when this process dies (Linux)
	as    *syscall.Credential // whose process it is; nil for ours

	mu     sync.Mutex
	pid    int // 0 when it does not run
	paused bool
}

// program finds an executable; Debian keeps some where only root looks.
func program(t testing.TB, name string) string {
	t.Helper()
	candidates := []string{name, "/usr/sbin/" + name, "/usr/local/sbin/" + name}
	versions, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
	slices.Reverse(versions) // the newest first
	for _, candidate := range append(candidates, versions...) {
		if path, err := exec.LookPath(candidate); err == nil {
			return path
		}
	}
	t.Fatalf("testenv: %s is not installed; `make test-deps` installs it", name)
	return ""
}

// start starts it. What it writes to its standard output and error is
// appended to its log.
func (p *process) start() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.pid != 0 {
		return fmt.Errorf("%s runs already", p.path)
	}
	log, err := os.OpenFile(p.logFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }() // the child has its own
	cmd := exec.Command(p.path, p.args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = p.dir, log, log
	cmd.SysProcAttr = childAttr(p.death)
	cmd.SysProcAttr.Credential = p.as
	if err := cmd.Start(); err != nil {
		return err
	}
	p.pid, p.paused = cmd.Process.Pid, false
	return cmd.Process.Release() // reaped by its id, below
}

// signal reaches the process and what it forked: it leads a group.
func (p *process) signal(sig syscall.Signal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.pid == 0 {
		return fmt.Errorf("%s does not run", filepath.Base(p.path))
	}
	if err := syscall.Kill(-p.pid, sig); err != nil {
		return err
	}
	p.paused = sig == syscall.SIGSTOP
	return nil
}

// kill ends it at once, children included, and waits until it is gone. It may
// have ended before.
func (p *process) kill() {
	if p.signal(syscall.SIGKILL) == nil {
		p.reap(0)
	}
}

// terminate asks it to end, and kills it if it has not after a while.
func (p *process) terminate() {
	if p.signal(syscall.SIGTERM) != nil {
		return
	}
	_ = p.signal(syscall.SIGCONT) // one that is paused would not hear
	err := eventually(5*time.Second, func() error {
		if p.running() {
			return errors.New("still runs")
		}
		return nil
	})
	if err != nil {
		p.kill()
	}
}

// running tells whether it has not ended, paused or not.
func (p *process) running() bool {
	p.reap(syscall.WNOHANG)
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.pid != 0
}

// serving tells whether it can answer.
func (p *process) serving() bool {
	if !p.running() {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.paused
}

func (p *process) reap(options int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.pid == 0 {
		return
	}
	for {
		pid, err := syscall.Wait4(p.pid, nil, options, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil, pid == p.pid: // ended
			p.pid = 0
			return
		default: // runs
			return
		}
	}
}

// ready waits until ask is content, unless the process ends before.
func (p *process) ready(ask func() error) error {
	var died bool
	err := eventually(startLimit, func() error {
		if died = !p.running(); died {
			return nil
		}
		return ask()
	})
	if died {
		err = errors.New("it ended")
	}
	if err != nil {
		return fmt.Errorf("%s did not come up: %w\n%s", filepath.Base(p.path), err, p.tail())
	}
	return nil
}

func (p *process) logFile() string { return filepath.Join(p.dir, "log") }

// tail is the end of its log.
func (p *process) tail() string {
	const lines = 30
	data, err := os.ReadFile(p.logFile())
	if err != nil {
		return err.Error()
	}
	all := strings.Split(strings.TrimSpace(string(data)), "\n")
	return "its log ends:\n" + strings.Join(all[max(0, len(all)-lines):], "\n")
}

// id is its process id, 0 while it does not run.
func (p *process) id() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.pid
}
