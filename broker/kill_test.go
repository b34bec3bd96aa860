package broker

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"bellhop/archive"
	"bellhop/archive/sqlite"
	"bellhop/broker/internal/archiving"
	"bellhop/internal/testenv"
)

// doomedNode, set to "point|Redis URL|archive file, if any", makes this program a node
// that archives and kills itself at that point.
const doomedNode = "BELLHOP_TEST_DOOMED_NODE"

// Points of archiving.
const (
	beforeInsert     = "before the insert"
	beforeAck        = "between the insert and the acknowledgement"
	beforeTrim       = "between the acknowledgement and the trim"
	doomedNodeFailed = 3 // exit status
)

// reaper is an archive whose process dies at a point.
type reaper struct {
	archive.Archive
	point string
}

func (r reaper) die(at string) {
	if r.point == at {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
}

// PutMessages implements archive.Archive.
func (r reaper) PutMessages(ctx context.Context, m []archive.Message) ([]archive.Rejected, error) {
	r.die(beforeInsert)
	rejected, err := r.Archive.PutMessages(ctx, m)
	r.die(beforeAck)
	return rejected, err
}

// PutSessions implements archive.Archive. Its messages have been acknowledged when it comes.
func (r reaper) PutSessions(ctx context.Context, s []archive.Session) ([]archive.Rejected, error) {
	rejected, err := r.Archive.PutSessions(ctx, s)
	r.die(beforeTrim)
	return rejected, err
}

// beDoomed runs a doomed node; it does not come back from a kill.
func beDoomed(spec string) int {
	ctx := context.Background()
	f := strings.SplitN(spec, "|", 3)
	o := Options{ArchiveDelay: time.Millisecond, Log: slog.New(slog.DiscardHandler)}
	if f[2] != "" {
		store, err := sqlite.Open(ctx, f[2])
		if err != nil {
			return doomedNodeFailed
		}
		o.Archive = reaper{store, f[0]}
	}
	rdb, err := Dial(f[1])
	if err != nil {
		return doomedNodeFailed
	}
	o.Redis = rdb
	if _, err := New(ctx, o); err != nil {
		return doomedNodeFailed
	}
	time.Sleep(20 * time.Second) // it should have died long before
	return 0
}

// A node killed with -9 at any point of archiving loses nothing and doubles
// nothing; another one finishes what it began.
func TestAKilledArchiver(t *testing.T) {
	for _, point := range []string{beforeInsert, beforeAck, beforeTrim} {
		t.Run(point, func(t *testing.T) {
			t.Parallel()
			url, file, ctx := testenv.Redis(t).URL(), filepath.Join(t.TempDir(), "archive.db"), t.Context()
			store, err := sqlite.Open(ctx, file)
			require.NoError(t, err)
			t.Cleanup(func() { _ = store.Close() })
			idle := startNode(t, url, func(o *Options) { o.Archive, o.NoArchiver = store, true })
			uma := user(t, idle, name("uma"))
			s := uma.open(name("q"))
			for i := range 400 {
				uma.send(s.ID, fmt.Sprint(i))
			}

			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), doomedNode+"="+point+"|"+url+"|"+file)
			cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
			require.Error(t, cmd.Run())
			status, _ := cmd.ProcessState.Sys().(syscall.WaitStatus)
			require.Equal(t, syscall.SIGKILL, status.Signal(), cmd.ProcessState)
			p, _ := idle.store.Of(s.ID)
			require.EqualValues(t, 401, idle.store.Redis.XLen(ctx, p.Log(s.ID)).Val(), "nothing leaves Redis that is not marked")

			if point != beforeAck { // one waits for the lease to run out; the others pretend that it has
				require.NoError(t, idle.store.Redis.ZAdd(ctx, p.Dirty(), redis.Z{Score: 1, Member: s.ID}).Err())
			}
			next := startNode(t, url, soon, func(o *Options) { o.Archive = store })
			archived(t, next, s.ID)
			list, err := store.Messages(ctx, s.ID, 1, 1000)
			require.NoError(t, err)
			require.Len(t, list, 401)
			for i := range list {
				require.EqualValues(t, i+1, list[i].Seq)
			}
			require.LessOrEqual(t, idle.store.Redis.XLen(ctx, p.Log(s.ID)).Val(), int64(archiving.KeepLog))
			require.Len(t, history(t, next, uma.Actor, s.ID, 200), 401)
			clean(t, next)
		})
	}
}
