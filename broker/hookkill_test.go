package broker

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"bellhop/internal/testenv"
	"bellhop/webhook"
)

// doomedHook, set to "point|Redis URL|receiver's URL", makes this program a node
// that delivers and kills itself at that point of its third event.
const doomedHook = "BELLHOP_TEST_DOOMED_HOOK"

const (
	beforeRequest = "before the request"
	beforeMark    = "between the answer and its mark"
)

// hookReaper is a hook whose process dies at a point.
type hookReaper struct {
	Hook
	point string
	n     int // of one session, so one at a time
}

func (h *hookReaper) Deliver(ctx context.Context, id string, body []byte) error {
	h.n++
	if h.n == 3 && h.point == beforeRequest {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
	err := h.Hook.Deliver(ctx, id, body)
	if h.n == 3 {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
	return err
}

// beDoomedHook runs a doomed node; it does not come back from a kill.
func beDoomedHook(spec string) int {
	f := strings.SplitN(spec, "|", 3)
	e, err := webhook.New(webhook.Options{URL: f[2], Secrets: []string{hookSecret}})
	if err != nil {
		return doomedNodeFailed
	}
	rdb, err := Dial(f[1])
	if err != nil {
		return doomedNodeFailed
	}
	if _, err := New(context.Background(), Options{Redis: rdb, Hook: &hookReaper{Hook: e, point: f[0]}, Log: slog.New(slog.DiscardHandler)}); err != nil {
		return doomedNodeFailed
	}
	time.Sleep(20 * time.Second) // it should have died long before
	return 0
}

// A node killed with -9 while it delivers: another one goes on where it was.
// What was taken and not marked comes again with the same id; nothing is left out.
func TestANodeKilledWhileItDelivers(t *testing.T) {
	for point, times := range map[string]int{beforeRequest: 1, beforeMark: 2} {
		t.Run(point, func(t *testing.T) {
			t.Parallel()
			url, ctx, r := testenv.Redis(t).URL(), t.Context(), newReceiver(t)
			// A node that makes events and delivers none.
			maker := startNode(t, url, func(o *Options) { o.Hook = refuser{} }, func(o *Options) { o.HookRetries = []time.Duration{time.Hour} })
			uma := user(t, maker, name("uma"))
			s := uma.open(name("q"))
			for i := range 5 {
				uma.send(s.ID, fmt.Sprint(i))
			}
			p, _ := maker.store.Of(s.ID)
			require.Eventually(t, func() bool { return maker.HookStats().Failed > 0 }, 5*time.Second, time.Millisecond)
			require.NoError(t, maker.store.Redis.ZAdd(ctx, p.Hooks(), overdue(s.ID)).Err()) // an hour is over
			maker.hooks.Close(ctx)
			require.NoError(t, maker.store.Redis.ZAdd(ctx, p.Hooks(), overdue(s.ID)).Err())

			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), doomedHook+"="+point+"|"+url+"|"+r.URL)
			cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
			require.Error(t, cmd.Run())
			status, _ := cmd.ProcessState.Sys().(syscall.WaitStatus)
			require.Equal(t, syscall.SIGKILL, status.Signal(), cmd.ProcessState)
			r.mu.Lock()
			require.Len(t, of(r.taken, s.ID), 1+times)
			r.mu.Unlock()

			next := startNode(t, url, tellsTo(t, r))
			if point == beforeMark { // one waits for the lease to run out; the other pretends that it has
				lease := maker.store.Redis.ZScore(ctx, p.Hooks(), s.ID).Val()
				require.Greater(t, lease, float64(time.Now().UnixMilli()), "leased to the dead")
				r.until("all", func() bool { return last(r.taken, s.ID) == 6 })
				require.GreaterOrEqual(t, float64(time.Now().UnixMilli())+100, lease, "not before the lease was over")
			} else {
				require.NoError(t, maker.store.Redis.ZAdd(ctx, p.Hooks(), overdue(s.ID)).Err())
				r.until("all", func() bool { return last(r.taken, s.ID) == 6 })
			}
			require.Positive(t, next.HookStats().Delivered)
			r.mu.Lock()
			defer r.mu.Unlock()
			var ids []string
			n := map[string]int{}
			for _, e := range of(r.taken, s.ID) {
				if n[e.ID]++; n[e.ID] == 1 {
					ids = append(ids, e.ID)
					require.EqualValues(t, len(ids), e.Data.Message.Seq, "in order, without a gap")
				}
			}
			require.Len(t, ids, 6)
			for i, id := range ids {
				want := 1
				if i == 2 {
					want = times
				}
				require.Equal(t, want, n[id], "seq %d", i+1)
			}
		})
	}
}
