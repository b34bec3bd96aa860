package testenv

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// echo serves connections by saying what it hears.
func echo(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", freePorts(t, 1)[0].addr())
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				_, _ = io.Copy(c, c)
				_ = c.Close()
			})
		}
	})
	t.Cleanup(func() { _ = l.Close(); wg.Wait() })
	return l.Addr().String()
}

func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func say(c net.Conn, word string, limit time.Duration) error {
	if _, err := io.WriteString(c, word); err != nil {
		return err
	}
	return hear(c, word, limit)
}

func hear(c net.Conn, word string, limit time.Duration) error {
	if err := c.SetReadDeadline(time.Now().Add(limit)); err != nil {
		return err
	}
	b := make([]byte, len(word))
	if _, err := io.ReadFull(c, b); err != nil {
		return err
	}
	if string(b) != word {
		return errors.New("heard " + string(b))
	}
	return nil
}

const patience = 10 * time.Second

func TestProxyCutsAndRestores(t *testing.T) {
	t.Parallel()
	p := Proxy(t, echo(t))
	c := dial(t, p.Addr())
	if err := say(c, "hello", patience); err != nil {
		t.Fatal(err)
	}
	p.Cut()
	p.Cut() // again is fine
	if err := say(c, "hello", patience); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("a cut connection: %v", err)
	}
	if c, err := net.Dial("tcp", p.Addr()); err == nil {
		_ = c.Close()
		t.Fatal("it accepts while cut")
	}
	p.Restore()
	if err := say(dial(t, p.Addr()), "again", patience); err != nil {
		t.Fatal(err)
	}
}

func TestProxyFreezes(t *testing.T) {
	t.Parallel()
	p := Proxy(t, echo(t))
	c := dial(t, p.Addr())
	if err := say(c, "hello", patience); err != nil {
		t.Fatal(err)
	}
	p.Freeze()
	fresh := dial(t, p.Addr())
	for _, c := range []net.Conn{c, fresh} {
		if err := say(c, "frozen", 100*time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("a frozen connection: %v", err)
		}
	}
	p.Restore()
	for _, c := range []net.Conn{c, fresh} {
		if err := hear(c, "frozen", patience); err != nil {
			t.Fatal(err)
		}
	}
	p.Freeze()
	_, _ = io.WriteString(c, "lost")
	p.Cut()
	if err := hear(c, "lost", patience); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("a cut connection: %v", err)
	}
}

func TestProxyDelays(t *testing.T) {
	t.Parallel()
	p := Proxy(t, echo(t))
	c := dial(t, p.Addr())
	const d = 50 * time.Millisecond
	p.Latency(d)
	start := time.Now()
	if err := say(c, "slow", patience); err != nil || time.Since(start) < 2*d {
		t.Fatalf("%v, after %v", err, time.Since(start))
	}
	p.Latency(0)
	if err := say(c, "quick", patience); err != nil {
		t.Fatal(err)
	}
}

// Connections that are cut with bytes on their way in both directions leave
// nothing behind.
func TestProxyLeavesNoGoroutine(t *testing.T) {
	ignore := goleak.IgnoreCurrent()
	t.Run("cut", func(t *testing.T) {
		p := Proxy(t, echo(t))
		var wg sync.WaitGroup
		for range 5 {
			for range 8 {
				c := dial(t, p.Addr())
				wg.Go(func() {
					b := make([]byte, 1<<16)
					for _, err := c.Write(b); err == nil; _, err = c.Write(b) {
					}
				})
				wg.Go(func() { _, _ = io.Copy(io.Discard, c) })
			}
			if err := say(dial(t, p.Addr()), "among them", patience); err != nil {
				t.Error(err)
			}
			p.Cut()
			wg.Wait()
			p.Restore()
		}
	})
	if err := goleak.Find(ignore); err != nil {
		t.Fatal(err)
	}
}
