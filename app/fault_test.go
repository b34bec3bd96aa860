package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"bellhop/client"
	"bellhop/internal/testenv"
)

var build = sync.OnceValues(func() (string, error) {
	bin := filepath.Join(binDir, "bellhop")
	out, err := exec.Command("go", "build", "-o", bin, "bellhop/app").CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%w: %s", err, out)
	}
	return bin, err
})

// startProcess starts a node as a process of its own, which can be killed.
func startProcess(t testing.TB, redisURL string) (addr string, kill func()) {
	t.Helper()
	bin, err := build()
	require.NoError(t, err)
	addr = freeAddr(t)
	cmd := exec.Command(bin, "--addr", addr, "--redis-url", redisURL, "--data-dir", dataOf(t, redisURL), "--api-key", key, "--log-level", "error", "--send-rate", "0")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	require.NoError(t, cmd.Start())
	var once sync.Once
	kill = func() {
		once.Do(func() {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		})
	}
	t.Cleanup(kill)
	ready(t, addr)
	return addr, kill
}

func ready(t testing.TB, addr string) {
	t.Helper()
	require.Eventually(t, func() bool {
		res, err := http.Get("http://" + addr + "/readyz")
		if err != nil {
			return false
		}
		_ = res.Body.Close()
		return res.StatusCode == http.StatusOK
	}, 20*time.Second, 20*time.Millisecond)
}

// Chat through nginx in front of two nodes; one is killed, and its clients are back on the other.
func TestBehindNginx(t *testing.T) {
	url := testenv.Shared(t, testenv.EngineRedis)
	one, killOne := startProcess(t, url)
	two, killTwo := startProcess(t, url)
	front := testenv.NginxSite(t, "../deploy/nginx.conf", [2]string{one, two}, nil)
	api := client.API{BaseURL: front.URL(), Key: key}
	through := func(r client.TokenRequest) *party {
		p := &party{t: t, id: r.ID, more: make(chan struct{})}
		tok, err := api.IssueToken(t.Context(), r)
		require.NoError(t, err)
		p.Client, err = client.Dial(t.Context(), client.Options{URL: front.URL(), Token: tok.Token, OnEvent: p.saw,
			MinBackoff: 20 * time.Millisecond, MaxBackoff: 200 * time.Millisecond})
		require.NoError(t, err)
		t.Cleanup(p.Close)
		return p
	}
	q := name("q")
	uma := through(client.TokenRequest{Role: "user", ID: name("uma")})
	ann := through(client.TokenRequest{Role: "agent", ID: name("ann"), Queues: []string{q}})
	s := uma.open(q)
	_, err := ann.Grab(t.Context(), s.ID)
	require.NoError(t, err)
	uma.say(s.ID, "before")
	await(ann, func(e *client.MessageEvent) bool { return e.Text() == "before" })
	for i, kill := range []func(){killOne, killTwo} {
		if i == 1 {
			third, _ := startAt(t, one, url) // the first is back before the second goes
			ready(t, third)
			time.Sleep(5 * time.Second) // nginx leaves a failed node alone for so long
		}
		kill()
		text := fmt.Sprintf("after %d", i)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		_, err = uma.SendText(ctx, s.ID, text)
		require.NoError(t, err)
		_, err = ann.SendText(ctx, s.ID, text)
		cancel()
		require.NoError(t, err)
		await(ann, func(e *client.MessageEvent) bool { return e.Text() == text && e.From.ID == uma.id })
		await(uma, func(e *client.MessageEvent) bool { return e.Text() == text && e.From.ID == ann.id })
	}
	for _, p := range []*party{uma, ann} {
		require.NoError(t, p.gapless(s.ID))
	}
}

// startAt starts a node where another was.
func startAt(t testing.TB, addr, redisURL string) (string, func()) {
	t.Helper()
	bin, err := build()
	require.NoError(t, err)
	cmd := exec.Command(bin, "--addr", addr, "--redis-url", redisURL, "--data-dir", dataOf(t, redisURL), "--api-key", key, "--log-level", "error")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	require.NoError(t, cmd.Start())
	kill := func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	t.Cleanup(kill)
	return addr, kill
}

// gapless tells whether the messages of a session came in order and once.
func (p *party) gapless(session string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var last int64
	for _, e := range p.events {
		m, ok := e.(*client.MessageEvent)
		if !ok || m.Session != session {
			continue
		}
		if m.Seq <= last {
			return fmt.Errorf("%s: %d after %d", p.id, m.Seq, last)
		}
		last = m.Seq
	}
	return nil
}

// Clients drop at random and come back by the protocol's rule: nothing is
// missing, doubled or out of order, on two nodes, on every engine.
func TestDroppingClients(t *testing.T) {
	testenv.EachShared(t, func(t *testing.T, url string) {
		nodes := []*node{startNode(t, url), startNode(t, url)}
		q := name("q")
		const pairs, messages = 6, 60
		var wg sync.WaitGroup
		for i := range pairs {
			uma, ann := user(t, nodes[i%2]), agent(t, nodes[(i+1)%2], q)
			s := uma.open(q)
			_, err := ann.Grab(t.Context(), s.ID)
			require.NoError(t, err)
			wg.Go(func() { exchange(t, uma, ann, s.ID, messages) })
		}
		wg.Wait()
	})
}

// exchange lets both talk at once while their connections are cut, and compares
// what each has with the log.
func exchange(t *testing.T, uma, ann *party, session string, messages int) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	stop := make(chan struct{})
	var cutting, talking sync.WaitGroup
	// On a slow machine cuts would come faster than connections: each waits for a message to get through since the last one.
	through := make(chan struct{}, 1)
	cutting.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-through:
			case <-time.After(time.Second):
			}
			time.Sleep(time.Duration(rand.IntN(30)) * time.Millisecond)
			[]*party{uma, ann}[rand.IntN(2)].Drop()
		}
	})
	sent := [2]map[int64]string{{}, {}}
	for side, p := range []*party{uma, ann} {
		talking.Go(func() {
			for i := range messages {
				text := fmt.Sprintf("%d-%d", side, i)
				r, err := p.SendText(ctx, session, text)
				if err != nil {
					t.Errorf("%s: %v", p.id, err)
					return
				}
				if other, ok := sent[side][r.Seq]; ok {
					t.Errorf("%s and %s are both %d", other, text, r.Seq)
				}
				sent[side][r.Seq] = text
				select {
				case through <- struct{}{}:
				default:
				}
				time.Sleep(time.Duration(rand.IntN(5)) * time.Millisecond)
			}
		})
	}
	talking.Wait()
	close(stop)
	cutting.Wait()
	for side, p := range []*party{uma, ann} {
		other := sent[1-side]
		for seq, text := range other {
			m := await(p, func(e *client.MessageEvent) bool { return e.Session == session && e.Seq == seq })
			if m.Text() != text {
				t.Errorf("%s saw %q as %d, not %q", p.id, m.Text(), seq, text)
			}
		}
		if err := p.gapless(session); err != nil {
			t.Error(err)
		}
	}
	if len(sent[0])+len(sent[1]) != 2*messages {
		t.Errorf("%d acknowledged", len(sent[0])+len(sent[1]))
	}
}
