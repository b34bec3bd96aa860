package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"bellhop/client"
)

// talker is somebody who says something now and then by the shipped client, and remembers what was acknowledged and what it saw.
type talker struct {
	c       *client.Client
	session string
	name    string

	mu     sync.Mutex
	acked  map[string]int64 // seqs by text
	saw    []client.Message // by events
	last   time.Time        // of an acknowledgement
	lost   time.Time        // since when it is not connected; zero while it is
	away   time.Duration    // the longest it was not, since spell
	waited time.Duration    // the longest for an acknowledgement
	broken error
}

// heard takes an event.
func (t *talker) heard(e client.Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch e := e.(type) {
	case *client.MessageEvent:
		t.saw = append(t.saw, e.Message)
	case *client.Reset:
		t.broken = errors.Join(t.broken, fmt.Errorf("%s was told to begin anew", t.name))
	case *client.Disconnected:
		t.lost = time.Now()
	case *client.Hello:
		if !t.lost.IsZero() {
			t.away, t.lost = max(t.away, time.Since(t.lost)), time.Time{}
		}
	}
}

// talk says something about so often, until the context ends; what it began is acknowledged then, or given up after a minute.
func (t *talker) talk(ctx context.Context, every time.Duration) {
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-time.After(every/2 + rand.N(every)):
		}
		if err := t.say(context.WithoutCancel(ctx), fmt.Sprintf("%s %d", t.name, n)); err != nil {
			return
		}
	}
}

// say sends a text and waits until it is acknowledged.
func (t *talker) say(ctx context.Context, text string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	began := time.Now()
	r, err := t.c.SendText(ctx, t.session, text)
	t.mu.Lock()
	defer t.mu.Unlock()
	if err != nil {
		t.broken = errors.Join(t.broken, fmt.Errorf("%q was not acknowledged: %w", text, err))
		return err
	}
	t.acked[text], t.last = r.Seq, time.Now()
	t.waited = max(t.waited, t.last.Sub(began))
	return nil
}

// spell begins to measure anew.
func (t *talker) spell() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.away, t.waited = 0, 0
}

// backSince tells whether it talks again.
func (t *talker) backSince(at time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.broken != nil || t.lost.IsZero() && t.last.After(at)
}

// holds compares what it saw and what was acknowledged with the log, of which all texts are given by their seqs.
func (t *talker) holds(log map[int64]string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.broken != nil {
		return t.broken
	}
	has, last := map[int64]string{}, int64(0)
	for _, m := range t.saw {
		if m.Seq <= last {
			return fmt.Errorf("%s saw %d after %d", t.name, m.Seq, last)
		}
		last = m.Seq
		if m.Type == "text" {
			has[m.Seq] = m.Text()
		}
	}
	for text, seq := range t.acked {
		if _, twice := has[seq]; twice {
			return fmt.Errorf("%s saw its own %q as another's", t.name, text)
		}
		has[seq] = text
	}
	for seq, text := range log {
		if has[seq] != text {
			return fmt.Errorf("%s has %q as %d, where the log has %q", t.name, has[seq], seq, text)
		}
	}
	if len(has) != len(log) {
		return fmt.Errorf("%s has %d messages, the log %d", t.name, len(has), len(log))
	}
	return nil
}

// logOf reads all texts of a session; none may be there twice, and none may be missing.
func (t *talker) logOf(ctx context.Context) (map[int64]string, error) {
	log, seqs, last := map[int64]string{}, map[string]int64{}, int64(0)
	for {
		page, err := t.c.History(ctx, client.HistoryRequest{Session: t.session, After: &last, Limit: 200})
		if err != nil {
			return nil, err
		}
		for _, m := range page.Messages {
			if m.Seq != last+1 {
				return nil, fmt.Errorf("%s: %d follows %d", t.session, m.Seq, last)
			}
			last = m.Seq
			if m.Type != "text" {
				continue
			}
			if other, twice := seqs[m.Text()]; twice {
				return nil, fmt.Errorf("%s: %q is there twice, as %d and %d", t.session, m.Text(), other, m.Seq)
			}
			log[m.Seq], seqs[m.Text()] = m.Text(), m.Seq
		}
		if len(page.Messages) == 0 {
			return log, nil
		}
	}
}
