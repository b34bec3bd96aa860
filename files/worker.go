package files

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync"
	"time"
)

// A picture is decoded by a process of its own, which begins with nothing but
// the picture and ends with it: what its pixels take of memory and time is bounded
// there, and goes when it goes.
const (
	workerWord   = "make-thumbnail" // the argument by which the process knows what it is
	workerMemory = 216 << 20        // bytes, besides the program's own: below 256 MiB together
	workerTime   = 1600 * time.Millisecond
	workerWall   = 20 * time.Second // where the machine has other things to do
	placeWait    = 30 * time.Second // for another picture to be done with

	maxThumbnail = 1 << 20 // bytes
	exitPicture  = 3       // it is not one that can be read
)

// ErrBusy says that too many pictures are waiting to be looked at.
var ErrBusy = errors.New("files: too many pictures at once")

// workers make thumbnails, as many at a time as there are cores, and of one
// uploader one at a time: whoever uploads many has only its own wait.
type workers struct {
	program string // to start; "": in this process, for tests
	places  chan struct{}

	mu    sync.Mutex
	turns map[string]*queue // by uploader, while any of its pictures is here
}

// queue is one uploader's pictures.
type queue struct {
	taken chan struct{} // whose turn it is
	n     int           // of them; under workers.mu
}

func newWorkers(program string) *workers {
	return &workers{program: program, places: make(chan struct{}, runtime.GOMAXPROCS(0)), turns: map[string]*queue{}}
}

// queue gives an uploader's, which is kept until leave.
func (w *workers) queue(by string) (q *queue, leave func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if q = w.turns[by]; q == nil {
		q = &queue{taken: make(chan struct{}, 1)}
		w.turns[by] = q
	}
	q.n++
	return q, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if q.n--; q.n == 0 {
			delete(w.turns, by)
		}
	}
}

// place waits for the uploader's turn, and then for a place; done gives both back.
func (w *workers) place(ctx context.Context, by string) (done func(), err error) {
	wait := time.NewTimer(placeWait)
	defer wait.Stop()
	q, leave := w.queue(by)
	var held []chan struct{}
	done = func() {
		for _, c := range held {
			<-c
		}
		leave()
	}
	for _, c := range []chan struct{}{q.taken, w.places} {
		select {
		case c <- struct{}{}:
			held = append(held, c)
			continue
		case <-wait.C:
			err = ErrBusy
		case <-ctx.Done():
			err = ctx.Err()
		}
		done()
		return nil, err
	}
	return done, nil
}

// ThisProgram is a program for Options.Worker: the one that runs, if it calls Worker.
func ThisProgram() (string, error) {
	if runtime.GOOS == "linux" {
		return "/proc/self/exe", nil // even after it was replaced
	}
	return os.Executable()
}

// Worker makes a thumbnail and gives the exit status, where this process was
// started for that. A program that is an Options.Worker calls it first of all.
func Worker(args []string) (status int, is bool) {
	if len(args) != 3 || args[1] != workerWord {
		return 0, false
	}
	runtime.GOMAXPROCS(1)
	debug.SetMemoryLimit(workerMemory - 16<<20)
	time.AfterFunc(workerWall, func() { os.Exit(1) }) //nolint:forbidigo // should nobody be left to end it
	if err := limitProcess(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1, true
	}
	turned, _ := strconv.ParseUint(args[2], 10, 8)
	b, err := thumbnail(os.Stdin, byte(turned))
	if err != nil {
		return exitPicture, true
	}
	if _, err := os.Stdout.Write(b); err != nil {
		return 1, true
	}
	return 0, true
}

// thumbnail makes one of what an uploader's file holds. errMalformed if it is no
// picture, errCostly if it takes too much, ErrBusy if it cannot be looked at now.
func (w *workers) thumbnail(ctx context.Context, by string, picture *os.File, turned byte) ([]byte, error) {
	done, err := w.place(ctx, by)
	if err != nil {
		return nil, err
	}
	defer done()
	if w.program == "" {
		b, err := thumbnail(picture, turned)
		if err != nil {
			err = errMalformed
		}
		return b, err
	}
	return w.start(ctx, picture, turned)
}

// start starts a process and waits for it. It never outlives this one.
func (w *workers) start(ctx context.Context, picture *os.File, turned byte) ([]byte, error) {
	runtime.LockOSThread() // the system ends the process with the thread that has started it
	defer runtime.UnlockOSThread()
	limited, cancel := context.WithTimeout(ctx, workerWall)
	defer cancel()
	cmd := exec.CommandContext(limited, w.program, workerWord, strconv.Itoa(int(turned))) //nolint:gosec // our own
	var out capped
	cmd.Stdin, cmd.Stdout, cmd.WaitDelay = picture, &out, time.Second
	cmd.Env = []string{"GOTRACEBACK=none"} // none of this one's secrets
	endWithUs(cmd)
	err := cmd.Run()
	var ended *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err == nil:
		return out.Bytes(), nil
	case !errors.As(err, &ended):
		return nil, fmt.Errorf("files: a thumbnail's process: %w", err)
	case ended.ExitCode() == exitPicture:
		return nil, errMalformed
	}
	return nil, errCostly
}

// capped takes what a thumbnail may have.
type capped struct{ bytes.Buffer }

func (c *capped) Write(p []byte) (int, error) {
	if c.Len()+len(p) > maxThumbnail {
		return 0, io.ErrShortWrite
	}
	return c.Buffer.Write(p)
}
