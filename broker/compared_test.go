package broker

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"bellhop/archive"
	"bellhop/broker/chat"
	"bellhop/internal/testenv"
)

// busyArchive has something done just before messages are read.
type busyArchive struct {
	archive.Archive
	first atomic.Pointer[func()]
}

func (a *busyArchive) Messages(ctx context.Context, session string, from, to int64) ([]archive.Message, error) {
	if f := a.first.Swap(nil); f != nil {
		(*f)()
	}
	return a.Archive.Messages(ctx, session, from, to)
}

// What is said and archived while a session is compared with the archive is not taken for what Redis
// lost, nor is a session that leaves Redis then.
func TestComparedWhileItIsArchived(t *testing.T) {
	t.Parallel()
	for what, meanwhile := range map[string]func(b *Broker, uma *party, s string){
		"more is said": func(_ *Broker, uma *party, s string) {
			for range 3 {
				uma.send(s, "hello")
			}
		},
		"it leaves Redis": func(b *Broker, uma *party, s string) {
			_, err := b.End(t.Context(), uma.Actor, chat.EndRequest{Session: s})
			require.NoError(t, err)
			require.NoError(t, b.archiver.Flush(t.Context()))
			shelve(t, b, s)
		},
	} {
		t.Run(what, func(t *testing.T) {
			busy := &busyArchive{}
			b := startNode(t, testenv.Redis(t).URL(), func(o *Options) {
				busy.Archive, o.Archive, o.NoArchiver, o.expire = o.Archive, busy, true, time.Millisecond
			})
			ctx, q := t.Context(), name("q")
			uma, ann := user(t, b, name("uma")), agent(t, b, name("ann"), q)
			s := uma.open(q)
			ann.grab(s.ID)
			require.NoError(t, b.archiver.Flush(ctx))
			_, err := b.Label(ctx, ann.Actor, LabelRequest{Session: s.ID, Add: []string{"vip"}}) // Redis has gone on
			require.NoError(t, err)
			first := func() {
				meanwhile(b, uma, s.ID)
				require.NoError(t, b.archiver.Flush(ctx))
			}
			busy.first.Store(&first)
			p, _ := b.store.Of(s.ID)
			require.NoError(t, b.archiver.Compare(ctx, p, s.ID))
			require.Nil(t, busy.first.Load(), "nothing was compared")
			list, err := busy.Archive.Messages(ctx, s.ID, 1, 100)
			require.NoError(t, err)
			require.Greater(t, len(list), 2)
			for _, m := range list {
				require.False(t, m.Superseded, "%d", m.Seq)
			}
			clean(t, b)
		})
	}
}
