package client_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"bellhop/client"
)

var errOops = errors.New("oops")

// faults are ways in which a listener does not return.
var faults = map[string]func(){
	"an error":         func() { panic(errOops) },
	"a text":           func() { panic("oops") },
	"nil":              func() { panic(nil) },
	"out of range":     func() { var none []int; _ = none[len(none)] },
	"nil map":          func() { none := map[string]map[string]int{}["none"]; none["x"]++ },
	"end of goroutine": runtime.Goexit,
}

// Nothing that OnEvent does stops or skips what comes after.
func TestPanickingListener(t *testing.T) {
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			f := start(t)
			var mu sync.Mutex
			var heard []string
			var told []error
			c, err := client.Dial(t.Context(), client.Options{URL: f.URL, Token: "good", MinBackoff: time.Millisecond,
				OnEvent: func(e client.Event) {
					if m, ok := e.(*client.MessageEvent); ok {
						mu.Lock()
						heard = append(heard, m.Text())
						mu.Unlock()
					}
					fault()
				},
				OnError: func(err error) {
					mu.Lock()
					defer mu.Unlock()
					told = append(told, err)
					if len(told) == 2 {
						panic("and this one, too")
					}
				}})
			require.NoError(t, err)
			t.Cleanup(c.Close)
			var want []string
			for i := range 60 {
				want = append(want, fmt.Sprint(i))
			}
			f.locked(func() { f.post(want[:30]...) })
			require.Eventually(t, func() bool { mu.Lock(); defer mu.Unlock(); return len(heard) == 30 }, 10*time.Second, time.Millisecond)
			f.locked(func() { f.append("", want[30]) })
			c.Drop()
			require.Eventually(t, func() bool { mu.Lock(); defer mu.Unlock(); return len(heard) == 31 }, 10*time.Second, time.Millisecond)
			f.locked(func() { f.post(want[31:]...) })
			require.Eventually(t, func() bool { mu.Lock(); defer mu.Unlock(); return len(heard) == 60 }, 10*time.Second, time.Millisecond)
			require.Equal(t, want, heard)
			c.Close()
			require.GreaterOrEqual(t, len(told), 60)
			var p *client.PanicError
			require.ErrorAs(t, told[0], &p)
			require.NotNil(t, p.Event)
			require.Contains(t, string(p.Stack), "events_test.go")
			require.Equal(t, name == "an error", errors.Is(told[0], errOops))
		})
	}
}

// Without OnError the log tells.
func TestPanicIsLogged(t *testing.T) {
	f := start(t)
	var log bytes.Buffer
	was := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	defer slog.SetDefault(was)
	c, err := client.Dial(t.Context(), client.Options{URL: f.URL, Token: "good", OnEvent: func(client.Event) { panic(errOops) }})
	require.NoError(t, err)
	c.Close()
	require.Contains(t, log.String(), "OnEvent(*client.Hello) panicked: oops")
	require.Contains(t, log.String(), "events_test.go")
}

// A TokenFunc that panics has no token this time.
func TestPanickingTokenFunc(t *testing.T) {
	f := start(t)
	asked, told := 0, make(chan error, 9)
	o := client.Options{OnError: func(err error) { told <- err }, TokenFunc: func(context.Context) (string, error) {
		if asked++; asked == 2 {
			panic(errOops)
		}
		return "good", nil
	}}
	c, events := dial(t, f, o)
	c.Drop()
	require.ErrorIs(t, <-told, errOops)
	hellos := func() (n int) {
		for _, e := range events() {
			if _, ok := e.(*client.Hello); ok {
				n++
			}
		}
		return n
	}
	require.Eventually(t, func() bool { return hellos() == 2 }, 10*time.Second, time.Millisecond)
	o.URL, o.TokenFunc = f.URL, func(context.Context) (string, error) { panic(errOops) }
	_, err := client.Dial(t.Context(), o)
	require.ErrorIs(t, err, errOops)
}

// OnEvent may close the client: it does not wait for itself, and hears no more.
func TestCloseWithinListener(t *testing.T) {
	f := start(t)
	var c *client.Client
	var heard []string
	dialled, closed := make(chan struct{}), make(chan struct{})
	c, err := client.Dial(t.Context(), client.Options{URL: f.URL, Token: "good", OnEvent: func(e client.Event) {
		<-dialled
		m, ok := e.(*client.MessageEvent)
		if !ok {
			return
		}
		if heard = append(heard, m.Text()); len(heard) == 3 {
			c.Close()
			c.Close()
			close(closed)
		}
	}})
	require.NoError(t, err)
	close(dialled)
	f.locked(func() { f.post("1", "2", "3", "4", "5") })
	select {
	case <-closed:
	case <-time.After(10 * time.Second):
		t.Fatal("Close waits for itself")
	}
	c.Close() // this one waits
	require.Equal(t, []string{"1", "2", "3"}, heard)
	_, err = c.SendText(t.Context(), session, "late")
	require.Error(t, err)
}

// Close from elsewhere waits for an OnEvent that works.
func TestCloseWaits(t *testing.T) {
	f := start(t)
	began, done := make(chan struct{}), false
	c, err := client.Dial(t.Context(), client.Options{URL: f.URL, Token: "good", OnEvent: func(e client.Event) {
		if _, ok := e.(*client.Hello); ok {
			close(began)
			time.Sleep(50 * time.Millisecond) // Close is called meanwhile, and does not say that it waits
			done = true
		}
	}})
	require.NoError(t, err)
	<-began
	c.Close()
	require.True(t, done)
}
