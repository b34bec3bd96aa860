package broker

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"bellhop/archive"
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

// What is said, and archived, while a session is compared with the archive is not taken for what Redis lost.
func TestComparedWhileItIsArchived(t *testing.T) {
	t.Parallel()
	busy := &busyArchive{}
	b := startNode(t, testenv.Redis(t).URL(), func(o *Options) { busy.Archive, o.Archive, o.NoArchiver = o.Archive, busy, true })
	ctx, q := t.Context(), name("q")
	uma, ann := user(t, b, name("uma")), agent(t, b, name("ann"), q)
	s := uma.open(q)
	ann.grab(s.ID)
	require.NoError(t, b.archiver.Flush(ctx))
	_, err := b.Label(ctx, ann.Actor, LabelRequest{Session: s.ID, Add: []string{"vip"}}) // Redis has gone on
	require.NoError(t, err)
	meanwhile := func() {
		for range 3 {
			uma.send(s.ID, "hello")
		}
		require.NoError(t, b.archiver.Flush(ctx))
	}
	busy.first.Store(&meanwhile)
	p, _ := b.store.Of(s.ID)
	require.NoError(t, b.archiver.Compare(ctx, p, s.ID))
	require.Nil(t, busy.first.Load(), "nothing was compared")
	list, err := busy.Archive.Messages(ctx, s.ID, 1, 100)
	require.NoError(t, err)
	require.Len(t, list, 5)
	for _, m := range list {
		require.False(t, m.Superseded, "%d was said meanwhile", m.Seq)
	}
	clean(t, b)
}
