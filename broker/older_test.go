package broker

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"bellhop/broker/chat"
	"bellhop/broker/internal/people"
	"bellhop/internal/testenv"
)

// A node of an earlier version beats in every partition, and takes for dead who does not: it hears of all nodes
// there. Once it is silent itself, it is buried and its connections are cleared.
func TestANodeOfAnEarlierVersion(t *testing.T) {
	t.Parallel()
	url, ctx := testenv.Redis(t).URL(), t.Context()
	var nodes []*Broker
	for range 4 {
		nodes = append(nodes, startNode(t, url, noArchive))
	}
	b := nodes[0]
	settledWorkers(t, nodes)
	uma := user(t, nodes[1], name("uma"))
	const older = "an older node"
	theirs := name("ula") // connected there
	home := b.store.Home(theirs)
	require.NoError(t, b.store.Redis.HSet(ctx, home.Conns("u:"+theirs), "phone", older+"/1").Err())
	require.NoError(t, b.store.Redis.SAdd(ctx, home.Node(older), "u:"+theirs).Err())

	quiet := make([]people.Silence, len(b.store.Parts))
	for i := range quiet {
		quiet[i] = people.Silence{}
	}
	for range 16 { // heartbeats of its, each as `take` did it
		for i, p := range b.store.Parts {
			require.NoError(t, b.store.Redis.ZIncrBy(ctx, p.Nodes(), 1, older).Err())
			beats := map[string]int64{}
			for _, z := range b.store.Redis.ZRangeWithScores(ctx, p.Nodes(), 0, -1).Val() {
				beats[z.Member.(string)] = int64(z.Score) //nolint:forcetypeassert // nodes are texts
			}
			require.Len(t, beats, 1+len(nodes), "all are there")
			delete(beats, older)
			require.Empty(t, quiet[i].Hear(beats))
			for node := range beats {
				require.Less(t, quiet[i].Of(node), 5, "a node is nearly taken for dead in partition %d", i)
			}
		}
		time.Sleep(800 * time.Millisecond) // its pace
	}
	began := time.Now()
	eventually(t, func() bool { return b.store.Redis.Exists(ctx, home.Conns("u:"+theirs)).Val() == 0 })
	within(t, began, 6*time.Second, 15*time.Second)
	for _, p := range b.store.Parts {
		eventually(t, func() bool { return b.store.Redis.ZScore(ctx, p.Nodes(), older).Err() != nil })
		for _, n := range nodes {
			require.NoError(t, b.store.Redis.ZScore(ctx, p.Nodes(), n.store.Node).Err())
		}
	}
	require.EqualValues(t, 1, b.store.Redis.HLen(ctx, b.store.Home(uma.ID).Conns(chat.Who(chat.RoleUser, uma.ID))).Val())
	clean(t, b)
}
