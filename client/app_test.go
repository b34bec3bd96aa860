package client_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"bellhop/client"
)

// app holds one session's messages as an application does: what events and
// the answers of its sends tell, until a Reset.
type app struct {
	f *fake
	c *client.Client
	// sending is held, for reading, from a send to the noting of its answer: one
	// must not be noted after a Reset that came after it.
	sending sync.RWMutex
	mu      sync.Mutex
	held    map[int64]string // mids by seq
	told    map[string]bool  // mids that came as events
	resets  int
	resumed int
	wrong   []string
}

func newApp(t require.TestingT, f *fake, o client.Options) *app {
	a := &app{f: f, held: map[int64]string{}, told: map[string]bool{}}
	o.URL, o.Token, o.OnEvent = f.URL, "good", a.on
	o.MinBackoff, o.MaxBackoff = time.Millisecond, max(o.MaxBackoff, 20*time.Millisecond)
	c, err := client.Dial(context.Background(), o)
	require.NoError(t, err)
	a.c = c
	return a
}

func (a *app) on(e client.Event) {
	switch e := e.(type) {
	case *client.Reset:
		a.sending.Lock()
		defer a.sending.Unlock()
		a.mu.Lock()
		defer a.mu.Unlock()
		clear(a.held)
		clear(a.told)
		a.resets++
	case *client.MessageEvent:
		a.mu.Lock()
		defer a.mu.Unlock()
		if a.told[e.Mid] {
			a.wrong = append(a.wrong, "told twice: "+e.Mid)
		}
		a.told[e.Mid] = true
		a.held[e.Seq] = e.Mid
	case *client.Resumed:
		a.mu.Lock()
		defer a.mu.Unlock()
		a.resumed++
	}
}

func (a *app) send(text string) error {
	a.sending.RLock()
	defer a.sending.RUnlock()
	r, err := a.c.SendText(context.Background(), session, text)
	if err == nil {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.held[r.Seq] = r.Mid
	}
	return err
}

func (a *app) count() (resets, resumed int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.resets, a.resumed
}

// differs tells how what is held differs from the server's log.
func (a *app) differs() string {
	a.f.mu.Lock()
	defer a.f.mu.Unlock()
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.wrong) > 0 {
		return fmt.Sprint(a.wrong)
	}
	for i, l := range a.f.log {
		if got := a.held[int64(i+1)]; got != l.mid {
			return fmt.Sprintf("%d is %q, not %s", i+1, got, l.mid)
		}
	}
	if len(a.held) != len(a.f.log) {
		return fmt.Sprintf("%d held of %d", len(a.held), len(a.f.log))
	}
	return ""
}

// holdsTheLog waits until it does.
func (a *app) holdsTheLog(t require.TestingT) {
	deadline := time.Now().Add(10 * time.Second)
	why := a.differs()
	for ; why != "" && time.Now().Before(deadline); why = a.differs() {
		time.Sleep(time.Millisecond)
	}
	require.Empty(t, why)
}

// hold makes a client that holds a log of n messages of others'.
func hold(t *testing.T, n int) (*fake, *app) {
	t.Helper()
	f := start(t)
	f.locked(func() {
		for i := range n {
			f.post(fmt.Sprint(i + 1))
		}
	})
	a := newApp(t, f, client.Options{})
	t.Cleanup(a.c.Close)
	a.holdsTheLog(t)
	return f, a
}

// back cuts the connection, and waits until the next one is resumed.
func (a *app) back(t *testing.T, f *fake, meanwhile func()) {
	t.Helper()
	_, before := a.count()
	f.locked(func() { f.cut(0); meanwhile() })
	require.Eventually(t, func() bool { _, n := a.count(); return n > before }, 10*time.Second, time.Millisecond)
}
