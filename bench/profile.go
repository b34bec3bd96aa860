package main

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// profileTo is where the profile of the first node's processor time is written while rounds are measured; "": nowhere.
var profileTo string

// profiling is compiled into the server where it is to be profiled: it begins at one signal, and ends at another.
const profiling = `package main

import (
	"os"
	"os/signal"
	"runtime/pprof"
	"syscall"
)

func init() {
	told := make(chan os.Signal, 1)
	signal.Notify(told, syscall.SIGUSR1, syscall.SIGUSR2)
	go func() {
		for s := range told {
			if s == syscall.SIGUSR2 {
				pprof.StopCPUProfile()
			} else if f, err := os.Create(os.Getenv("BENCH_PROFILE")); err == nil {
				_ = pprof.StartCPUProfile(f)
			}
		}
	}()
}
`

// overlay is what makes the build of a server that can be profiled.
func overlay(ctx context.Context, dir string) ([]string, error) {
	if profileTo == "" {
		return nil, nil
	}
	source := filepath.Join(dir, "profiling.go")
	if err := os.WriteFile(source, []byte(profiling), 0o600); err != nil {
		return nil, err
	}
	app, err := exec.CommandContext(ctx, "go", "list", "-f", "{{.Dir}}", "bellhop/app").Output()
	if err != nil {
		return nil, err
	}
	replace := map[string]map[string]string{"Replace": {filepath.Join(string(app[:len(app)-1]), "profiling.go"): source}}
	data, err := json.Marshal(replace)
	if err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "overlay.json")
	return []string{"-overlay", file}, os.WriteFile(file, data, 0o600)
}

// profiled profiles the first node until end is called. The file holds the last round.
func (b *bed) profiled() (end func()) {
	if profileTo == "" {
		return func() {}
	}
	_ = b.server.cmd.Process.Signal(syscall.SIGUSR1)
	return func() {
		_ = b.server.cmd.Process.Signal(syscall.SIGUSR2)
		time.Sleep(300 * time.Millisecond) // it is written
	}
}
