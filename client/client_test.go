package client_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"bellhop/client"
)

func dial(t *testing.T, f *fake, o client.Options) (*client.Client, func() []client.Event) {
	t.Helper()
	var mu sync.Mutex
	var events []client.Event
	o.URL, o.MinBackoff, o.MaxBackoff = f.URL, time.Millisecond, max(o.MaxBackoff, 20*time.Millisecond)
	if o.Token == "" && o.TokenFunc == nil {
		o.Token = "good"
	}
	o.OnEvent = func(e client.Event) {
		mu.Lock()
		defer mu.Unlock()
		events = append(events, e)
	}
	c, err := client.Dial(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c, func() []client.Event {
		mu.Lock()
		defer mu.Unlock()
		return append([]client.Event{}, events...)
	}
}

func start(t *testing.T) *fake {
	f := newFake()
	t.Cleanup(f.stop)
	return f
}

func seqs(events []client.Event) (out []int64) {
	for _, e := range events {
		if m, ok := e.(*client.MessageEvent); ok {
			out = append(out, m.Seq)
		}
	}
	return out
}

// A send whose answer was lost goes out again under its key, and is one message.
func TestLostAnswers(t *testing.T) {
	f := start(t)
	f.lose = 3
	c, _ := dial(t, f, client.Options{})
	for i := range 5 {
		r, err := c.SendText(t.Context(), session, fmt.Sprint(i))
		require.NoError(t, err)
		require.EqualValues(t, i+1, r.Seq)
	}
	require.Len(t, f.log, 5)
	for i, l := range f.log {
		require.Equal(t, fmt.Sprint(i), l.body)
	}
}

// Connections that are lost before hello, or never get one, are tried again, one
// at a time: in the end there is one, and none after Close.
func TestLostBeforeHello(t *testing.T) {
	f := start(t)
	c, events := dial(t, f, client.Options{DialTimeout: 30 * time.Millisecond})
	for i := range 30 {
		f.mu.Lock()
		f.rude, f.silent = i%4, (i+1)%2
		f.mu.Unlock()
		f.drop(0)
		r, err := c.SendText(t.Context(), session, fmt.Sprint(i))
		require.NoError(t, err)
		require.EqualValues(t, i+1, r.Seq)
	}
	open := func(n int) func() bool {
		return func() bool {
			f.mu.Lock()
			defer f.mu.Unlock()
			return len(f.conns) == n
		}
	}
	require.Eventually(t, open(1), 5*time.Second, time.Millisecond)
	time.Sleep(100 * time.Millisecond) // one more would be on its way for no longer, and nothing tells that there is none
	require.True(t, open(1)())
	lost := 0
	for _, e := range events() {
		if _, ok := e.(*client.Disconnected); ok {
			lost++
		}
	}
	require.Equal(t, 30, lost, "one that never came up is not lost")
	c.Close()
	require.Eventually(t, open(0), 5*time.Second, time.Millisecond)
}

// What was missed comes before what is live, each once, in order.
func TestResume(t *testing.T) {
	f := start(t)
	f.locked(func() { f.post("1", "2", "3", "4", "5") })
	_, events := dial(t, f, client.Options{})
	require.Eventually(t, func() bool { return len(seqs(events())) == 5 }, 5*time.Second, time.Millisecond)
	f.drop(0)
	f.locked(func() { f.post("6", "7", "8") })
	require.Eventually(t, func() bool { return len(seqs(events())) == 8 }, 5*time.Second, time.Millisecond)
	f.locked(func() {
		f.tell(`{"event":"message",%s`, message(8, f.log[7])[1:])
		f.post("9")
	})
	require.Eventually(t, func() bool { return len(seqs(events())) == 9 }, 5*time.Second, time.Millisecond)
	require.Equal(t, []int64{1, 2, 3, 4, 5, 6, 7, 8, 9}, seqs(events()))
}

// An overloaded server is asked again, with the same key, until it takes the message.
func TestOverloaded(t *testing.T) {
	f := start(t)
	f.busy = 2
	c, _ := dial(t, f, client.Options{})
	r, err := c.SendText(t.Context(), session, "x")
	require.NoError(t, err)
	require.EqualValues(t, 1, r.Seq)
	f.mu.Lock()
	f.busy = 1000
	f.mu.Unlock()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = c.SendText(ctx, session, "y")
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

// The server's wish for the next reconnect is honoured.
func TestClosing(t *testing.T) {
	f := start(t)
	_, events := dial(t, f, client.Options{})
	f.say(`{"event":"closing","reason":"draining","reconnectAfter":300,"jittered":true}`)
	require.Eventually(t, func() bool {
		return slices.ContainsFunc(events(), func(e client.Event) bool { _, ok := e.(*client.Closing); return ok })
	}, 5*time.Second, time.Millisecond)
	began := time.Now()
	f.drop(1001)
	require.Eventually(t, func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		return len(f.dials) == 2
	}, 5*time.Second, time.Millisecond)
	require.GreaterOrEqual(t, f.dials[1].Sub(began), 250*time.Millisecond)
}

// A server that is gone without a word is given up soon after its next heartbeat;
// one that is slow is not: each byte is a sign of life.
func TestSilence(t *testing.T) {
	f := start(t)
	f.heartbeat = 1
	_, events := dial(t, f, client.Options{DialTimeout: 500 * time.Millisecond})
	f.locked(func() {
		for ws := range f.conns {
			typing := `{"event":"typing","session":"` + session + `","by":"ann","text":"slowly"}`
			for _, b := range append([]byte{0x81, byte(len(typing))}, typing...) {
				_, err := ws.NetConn().Write([]byte{b})
				require.NoError(t, err)
				time.Sleep(25 * time.Millisecond) // more than two seconds in all
			}
		}
	})
	is := func(e client.Event) bool { _, ok := e.(*client.Typing); return ok }
	lost := func(e client.Event) bool { _, ok := e.(*client.Disconnected); return ok }
	require.Eventually(t, func() bool { return slices.ContainsFunc(events(), is) }, 5*time.Second, time.Millisecond)
	require.False(t, slices.ContainsFunc(events(), lost), "while something came")
	began := time.Now()
	require.Eventually(t, func() bool { return slices.ContainsFunc(events(), lost) }, 5*time.Second, time.Millisecond)
	require.Greater(t, time.Since(began), time.Second)
}

// Some closes are for good; a token that ended is replaced where there is a way to.
func TestForGood(t *testing.T) {
	for code, again := range map[uint16]bool{4001: false, 4002: false, 4005: false, 4003: true, 4008: true, 1001: true} {
		f := start(t)
		c, events := dial(t, f, client.Options{})
		f.drop(code)
		require.Eventually(t, func() bool {
			for _, e := range events() {
				if d, ok := e.(*client.Disconnected); ok {
					require.Equal(t, again, d.WillRetry, code)
					return true
				}
			}
			return false
		}, 5*time.Second, time.Millisecond)
		if !again {
			_, err := c.SendText(t.Context(), session, "x")
			require.ErrorIs(t, err, &client.Error{Code: "disconnected"})
		}
	}
	f := start(t)
	n := 0
	dial(t, f, client.Options{TokenFunc: func(context.Context) (string, error) { n++; return fmt.Sprint("t", n), nil }})
	f.drop(4001)
	require.Eventually(t, func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		return len(f.tokens) == 2 && f.tokens[1] == "t2"
	}, 5*time.Second, time.Millisecond)
}

// Refusals are errors with their codes, of the handshake and of commands.
func TestRefusals(t *testing.T) {
	f := start(t)
	_, err := client.Dial(t.Context(), client.Options{URL: f.URL, Token: "bad"})
	var e *client.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, "unauthorized", e.Code)
	require.Equal(t, 401, e.Status)
	c, _ := dial(t, f, client.Options{})
	_, err = c.Grab(t.Context(), session)
	require.ErrorAs(t, err, &e)
	require.Equal(t, "bea", e.By)
	require.True(t, errors.Is(err, &client.Error{Code: "taken"}))
	_, err = client.Dial(t.Context(), client.Options{URL: "http://127.0.0.1:1", Token: "x"})
	require.Error(t, err)
}
