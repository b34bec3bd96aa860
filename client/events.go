package client

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"
)

// PanicError tells that a function of the application's panicked.
type PanicError struct {
	// Event is what OnEvent was given; nil for TokenFunc.
	Event Event
	// Value is the panic's; nil where OnEvent ended its goroutine, as a test's
	// FailNow does.
	Value any
	// Stack is where.
	Stack []byte
}

// Error implements error.
func (e *PanicError) Error() string {
	what := "TokenFunc"
	if e.Event != nil {
		what = fmt.Sprintf("OnEvent(%T)", e.Event)
	}
	if e.Value == nil {
		return "bellhop: " + what + " did not return"
	}
	return fmt.Sprintf("bellhop: %s panicked: %v", what, e.Value)
}

// Unwrap gives the error that was panicked with, if it was one.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// emit queues an event for OnEvent; mu is held.
func (c *Client) emit(e Event) {
	if c.opt.OnEvent == nil || c.deaf {
		return
	}
	c.events = append(c.events, e)
	if c.emitting == "" {
		c.emitting = "soon"
		c.wg.Go(c.drain)
	}
}

// after is work for when OnEvent has handled all events before it.
type after func()

func (after) event() {}

// drain hands events on until there are none. Where OnEvent ends the
// goroutine, another one goes on.
func (c *Client) drain() {
	returned := false
	defer func() {
		if !returned {
			c.wg.Go(c.drain)
		}
	}()
	id := goroutine()
	for {
		c.mu.Lock()
		if len(c.events) == 0 || c.deaf {
			c.events, c.emitting = nil, ""
			returned = true
			c.mu.Unlock()
			return
		}
		e := c.events[0]
		c.events, c.emitting = c.events[1:], id
		c.mu.Unlock()
		if then, ok := e.(after); ok {
			then()
		} else {
			c.hand(e)
		}
	}
}

// hand calls OnEvent; what it panics with is reported.
func (c *Client) hand(e Event) {
	returned := false
	defer func() {
		if !returned {
			c.report(&PanicError{e, recover(), debug.Stack()})
		}
	}()
	c.opt.OnEvent(e)
	returned = true
}

// askToken calls TokenFunc; a panic is an error like another, and reported.
func (c *Client) askToken(ctx context.Context) (token string, err error) {
	defer func() {
		if v := recover(); v != nil {
			e := &PanicError{nil, v, debug.Stack()}
			c.report(e)
			err = e
		}
	}()
	return c.opt.TokenFunc(ctx)
}

// report tells OnError, or, where there is none or it panics too, the log.
func (c *Client) report(e *PanicError) {
	tell := c.opt.OnError
	if tell == nil {
		slog.Error(e.Error(), "stack", string(e.Stack))
		return
	}
	defer func() {
		if v := recover(); v != nil {
			slog.Error(e.Error(), "stack", string(e.Stack), "onError", v)
		}
	}()
	tell(e)
}

// goroutine is the id of the one that runs: nothing else tells a Close within
// OnEvent, which would wait for itself, from one beside it.
func goroutine() string {
	var buf [64]byte
	head := buf[:runtime.Stack(buf[:], false)]
	id, _, _ := bytes.Cut(bytes.TrimPrefix(head, []byte("goroutine ")), []byte(" "))
	return string(id)
}
