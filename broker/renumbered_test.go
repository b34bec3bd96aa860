package broker

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"bellhop/archive"
	"bellhop/broker/chat"
	"bellhop/internal/testenv"
)

// interrupted is an archive of which one call, the nth, waits for something else first.
type interrupted struct {
	archive.Archive
	mu    sync.Mutex
	left  int
	first func()
}

func (i *interrupted) call() {
	i.mu.Lock()
	i.left--
	now := i.left == 0
	i.mu.Unlock()
	if now {
		i.first()
	}
}

func (i *interrupted) Records(ctx context.Context, kind, after string, limit int) ([]archive.Record, error) {
	i.call()
	return i.Archive.Records(ctx, kind, after, limit)
}

func (i *interrupted) PutRecords(ctx context.Context, records []archive.Record) error {
	i.call()
	return i.Archive.PutRecords(ctx, records)
}

// Whatever it is doing at its start when the deployment gets other partitions, a node
// comes up with those.
func TestANodeThatStartsMeanwhileKnowsTheNewPartitions(t *testing.T) {
	for n := 1; ; n++ {
		d := deploymentOf(t, testenv.Redis(t).URL(), 16)
		b, leave := d.node()
		s, err := b.Open(t.Context(), host, chat.OpenRequest{User: chat.Person{ID: "uma"}})
		require.NoError(t, err)
		leave()
		i := &interrupted{Archive: d.archive, left: n, first: func() { d.repartition(11) }}
		started, leave := d.node(func(o *Options) { o.Archive = i })
		i.mu.Lock()
		fewer := i.left > 0
		i.left = 0
		i.mu.Unlock()
		if fewer {
			require.Greater(t, n, 3)
			return
		}
		if len(started.store.Parts) != 11 { // it had started: it leaves, and the next one is begun
			select {
			case <-started.Renumbered():
			case <-time.After(10 * time.Second):
				t.Fatalf("call %d: it goes on with other partitions", n)
			}
			leave()
			started, _ = d.node()
		}
		require.Len(t, started.store.Parts, 11)
		_, err = started.Session(t.Context(), host, s.ID)
		require.NoError(t, err)
	}
}
