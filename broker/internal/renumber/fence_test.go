package renumber

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"bellhop/broker/internal/store"
	"bellhop/internal/testenv"
	"bellhop/scripts"
)

// unfenced are the scripts that a node of before can carry out after the freezing.
var unfenced = map[string]string{
	"ahead":  "a revocation on the new partitions is by the later of the clocks there, and by what was shown there",
	"permit": "a count of what somebody does",
	"upload": "likewise",
	"moved":  "a mass move is begun and carried out by its timer, which is not there",
	"hold":   "a lease, under which nothing can be done",
	"entomb": "the tool's own",
}

// Whatever else a node of before begins, it needs a session, whose hash is gone, or one of its partition's own keys,
// in whose place there is what no script can use.
func TestEachScriptIsFenced(t *testing.T) {
	all, err := scripts.Load(scripts.Options{})
	require.NoError(t, err)
	for name, s := range all {
		fenced := slices.ContainsFunc(s.Keys, func(k scripts.Key) bool {
			return !k.Optional && !slices.ContainsFunc(k.Kinds, func(kind string) bool { return own[kind] == "" && kind != "session" })
		})
		require.Equal(t, unfenced[name] == "", fenced, "%s: %v", name, s.KeyNames())
	}
}

// Nodes are told to look at the record, and waited for wherever they are known: by the heartbeat that all have, also
// those that look after no partition, and in partitions, as those of an earlier version are.
func TestQuiet(t *testing.T) {
	for _, known := range []string{"everywhere", "in a partition", "nowhere"} {
		t.Run(known, func(t *testing.T) {
			t.Parallel()
			rdb, ctx := testenv.Client(t, testenv.Redis(t).URL()), t.Context()
			s := store.NewStore(rdb, slog.New(slog.DiscardHandler))
			require.NoError(t, s.Open(ctx, store.Numbering{Partitions: 4}, nil))
			t.Cleanup(func() { _ = s.Pipe.Close() })
			beats, stop := context.WithCancel(ctx)
			defer stop()
			go func() {
				for n := 1; beats.Err() == nil; n++ {
					switch known {
					case "everywhere":
						rdb.HSet(beats, s.Parts[0].Alive(), "node", fmt.Sprint(n, "|a"))
					case "in a partition":
						rdb.ZIncrBy(beats, s.Parts[3].Nodes(), 1, "node")
					}
					time.Sleep(100 * time.Millisecond)
				}
			}()
			time.Sleep(200 * time.Millisecond)
			m := New(s, store.Numbering{Partitions: 8, Generation: 1}, Needs{})
			err := m.Quiet(ctx, silence+time.Second) // one that does not beat is dead by then
			if known == "nowhere" {
				require.NoError(t, err)
			} else {
				var busy *Busy
				require.ErrorAs(t, err, &busy)
				require.Equal(t, []string{"node"}, busy.Nodes)
			}
			require.NotEmpty(t, rdb.Get(ctx, s.Parts[0].Rules()).Val())
		})
	}
}
