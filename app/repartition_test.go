package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"bellhop/archive/sqlite"
	"bellhop/broker"
	"bellhop/client"
	"bellhop/internal/testenv"
)

// serving is a node as `bellhop serve` runs it, at an address that stays.
func serving(t *testing.T, redisURL, dir string) (url string, stop func()) {
	t.Helper()
	s := Settings{Stores: Stores{RedisURL: NewSecret(redisURL), DataDir: dir, LogLevel: "error", LogFormat: "text"},
		Addr: freeAddr(t), APIKey: newSecrets(key), Archiver: true, Drain: 300 * time.Millisecond, readRate: -1}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- (&serveCommand{s}).Run(ctx, io.Discard) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			require.NoError(t, <-done)
		})
	}
	t.Cleanup(stop)
	api := client.API{BaseURL: "http://" + s.Addr, Key: key}
	require.Eventually(t, func() bool {
		_, err := api.IssueToken(ctx, client.TokenRequest{Role: "user", ID: "first"})
		return err == nil
	}, 20*time.Second, 20*time.Millisecond)
	return "http://" + s.Addr, stop
}

// talker is a user that chats through the shipped client and knows what was acknowledged.
type talker struct {
	*client.Client
	session string
	acked   map[string]int64 // key → seq
}

// Two nodes serve clients that chat, open sessions and grab them; meanwhile the deployment gets more
// partitions, and then fewer. Nodes and clients come back by themselves; nothing that was acknowledged is lost or there twice.
func TestARepartitionUnderLoad(t *testing.T) {
	redisURL, dir := testenv.Redis(t).URL(), t.TempDir()
	ctx := t.Context()
	a, stopA := serving(t, redisURL, dir)
	b, stopB := serving(t, redisURL, dir)
	urls := []string{a, b}
	queue := name("q")
	until, cancel := context.WithCancel(ctx)
	defer cancel()
	dialTo := func(url string, r client.TokenRequest) *client.Client {
		tok, err := client.API{BaseURL: url, Key: key}.IssueToken(ctx, r)
		require.NoError(t, err)
		c, err := client.Dial(ctx, client.Options{URL: url, Token: tok.Token, MinBackoff: 20 * time.Millisecond, MaxBackoff: 200 * time.Millisecond})
		require.NoError(t, err)
		t.Cleanup(c.Close)
		return c
	}
	var wg sync.WaitGroup
	var sent, grabbed atomic.Int64
	talkers := make([]*talker, 20)
	opened := make(chan string, 1000)
	for i := range talkers {
		c := dialTo(urls[i%2], client.TokenRequest{Role: "user", ID: fmt.Sprint("user", i), Name: "U"})
		o, err := c.Open(ctx, client.OpenRequest{Queue: queue})
		require.NoError(t, err)
		talkers[i] = &talker{c, o.ID, map[string]int64{}}
		opened <- o.ID
		wg.Go(func() { talkers[i].talk(until, &sent) })
	}
	for i := range 4 {
		c := dialTo(urls[i%2], client.TokenRequest{Role: "agent", ID: fmt.Sprint("agent", i), Queues: []string{queue}, Capacity: 100})
		wg.Go(func() {
			for until.Err() == nil {
				select {
				case id := <-opened:
					for until.Err() == nil {
						_, err := c.Grab(until, id)
						var refused *client.Error
						if err == nil || errors.As(err, &refused) && refused.Code == "taken" {
							grabbed.Add(1)
							break
						}
						time.Sleep(20 * time.Millisecond)
					}
				case <-until.Done():
				}
			}
		})
	}
	moved := func(n int) {
		before := sent.Load()
		require.Eventually(t, func() bool { return sent.Load() > before+200 }, 20*time.Second, 10*time.Millisecond)
		cmd := repartitionCommand{Stores: Stores{RedisURL: NewSecret(redisURL), DataDir: dir, LogLevel: "error", LogFormat: "text", Partitions: n}, Wait: time.Minute}
		began := time.Now()
		require.NoError(t, cmd.Run(ctx, io.Discard))
		took := time.Since(began)
		before = sent.Load()
		require.Eventually(t, func() bool { return sent.Load() > before+200 }, 20*time.Second, 10*time.Millisecond, "they go on by themselves")
		t.Logf("%d partitions: %s, and clients talk again %s after the beginning", n, took, time.Since(began))
		require.Less(t, took, 15*time.Second)
	}
	moved(100)
	moved(9)
	require.Eventually(t, func() bool { return grabbed.Load() >= int64(len(talkers)) }, 20*time.Second, 10*time.Millisecond)
	cancel()
	wg.Wait()

	for _, u := range talkers {
		seen, last := map[string]int64{}, int64(0)
		for {
			h, err := u.History(ctx, client.HistoryRequest{Session: u.session, After: &last, Limit: 200})
			require.NoError(t, err)
			for _, m := range h.Messages {
				require.Equal(t, last+1, m.Seq)
				last = m.Seq
				if m.Type == "text" {
					text := m.Text()
					require.Zero(t, seen[text], "twice: %s", text)
					seen[text] = m.Seq
				}
			}
			if len(h.Messages) == 0 {
				break
			}
		}
		for text, seq := range u.acked {
			require.Equal(t, seq, seen[text], text)
		}
	}
	stopA()
	stopB()
	o, closed := audited(t, redisURL, dir)
	defer closed()
	require.Eventually(t, func() bool {
		found, err := broker.Audit(ctx, o, broker.AuditOptions{Rate: 1e6, Slack: -time.Hour})
		require.NoError(t, err)
		return len(found) == 0
	}, 30*time.Second, 100*time.Millisecond)
}

func audited(t *testing.T, redisURL, dir string) (broker.Options, func()) {
	t.Helper()
	rdb, err := broker.Dial(redisURL)
	require.NoError(t, err)
	file, err := sqlite.Open(t.Context(), filepath.Join(dir, "archive.db"))
	require.NoError(t, err)
	return broker.Options{Redis: rdb, Archive: file}, func() {
		_ = file.Close()
		_ = rdb.Close()
	}
}

func (u *talker) talk(ctx context.Context, sent *atomic.Int64) {
	for n := 0; ctx.Err() == nil; n++ {
		text := fmt.Sprint(u.session, " ", n)
		for { // a message is sent until it is acknowledged
			r, err := u.Send(context.WithoutCancel(ctx), client.SendRequest{Session: u.session, Key: text, Body: text})
			if err == nil {
				u.acked[text] = r.Seq
				sent.Add(1)
				break
			}
			if errors.Is(err, context.Canceled) {
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
		time.Sleep(5 * time.Millisecond)
	}
}
