package main

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var somePrices = prices{Message: 30, ServerMessage: 60, Life: 600, ServerLife: 900, Partition: 500, Connect: 60, ServerConnect: 200, Return: 180,
	ServerReturn: 600, ConnectionKB: 8, SessionKB: 15, Archived: 20000}

var someDemand = demand{Connections: 100_000, Sessions: 20_000, Messages: 20_000, Opens: 100, Comings: 200, Skew: 0.5, Partitions: 64, Failover: 2e9}

// One kind of work is the textbook's M/G/1 queue: Pollaczek and Khinchine say what its mean wait is.
func TestTheQueueWaitsAsTheFormulaSays(t *testing.T) {
	for _, rho := range []float64{0.3, 0.6, 0.8} {
		const cost = 100.0
		ran := run([]work{{rho / cost * 1e6, cost, true}}, 200, 0, 0, 7)
		const scv = 0.25 // half of a cost is fixed, half exponential
		want := rho * cost * (1 + scv) / 2 / (1 - rho)
		require.InEpsilon(t, want+cost, ran.waits.Mean(), 0.03, "at %.0f %%", 100*rho)
	}
}

// What comes is carried out, none is lost and none made, also through a loss; and as many come as should.
func TestMessagesInAreMessagesOut(t *testing.T) {
	for _, away := range []float64{0, 3} {
		ran := run([]work{{2000, 100, true}, {500, 300, false}}, 50, away, 1e6, 3)
		require.Equal(t, ran.in, ran.out)
		require.EqualValues(t, ran.in, ran.waits.TotalCount())
		require.InEpsilon(t, 100_000, ran.in, 0.02)
		require.InDelta(t, 2000*away, ran.backlog, 300)
	}
	for _, masters := range []int{1, 3, 16, 100} {
		var messages, sessions float64
		partitions := 0
		for _, m := range someDemand.spread(masters, 5) {
			messages, sessions, partitions = messages+m.messages, sessions+m.sessions, partitions+m.partitions
		}
		require.InDelta(t, 1, messages, 1e-9)
		require.InDelta(t, 1, sessions, 1e-9)
		require.Equal(t, someDemand.Partitions, partitions)
	}
}

func TestMoreLoadIsNeverEasier(t *testing.T) {
	last := outcome{}
	for _, messages := range []float64{5000, 20_000, 40_000, 60_000, 90_000} {
		d := someDemand
		d.Messages = messages
		o := simulate(d, somePrices, 3, 1, 1)
		require.Greater(t, o.most, last.most)
		require.GreaterOrEqual(t, o.p99, last.p99*0.95)
		require.GreaterOrEqual(t, o.lost.worked, last.lost.worked)
		last = o
	}
	require.True(t, math.IsInf(func() float64 {
		d := someDemand
		d.Messages = 1e6
		return simulate(d, somePrices, 3, 0.1, 1).lost.worked
	}(), 1))
}

func TestPartitionsBoundTheMasters(t *testing.T) {
	d := someDemand
	d.Partitions = 16
	require.Equal(t, 16, simulate(d, somePrices, 64, 0.2, 1).used)
	require.Equal(t, 3, simulate(d, somePrices, 3, 0.2, 1).used)
	even, uneven := d, d
	even.Skew, uneven.Skew = 0, 1
	require.Less(t, simulate(even, somePrices, 16, 0.2, 1).most, simulate(uneven, somePrices, 16, 0.2, 1).most)
}

func TestTheSameSeedGivesTheSame(t *testing.T) {
	require.Equal(t, simulate(someDemand, somePrices, 16, 0.3, 9), simulate(someDemand, somePrices, 16, 0.3, 9))
	require.NotEqual(t, simulate(someDemand, somePrices, 16, 0.3, 9), simulate(someDemand, somePrices, 16, 0.3, 10))
}

func TestDemandsThatCannotBe(t *testing.T) {
	require.NoError(t, someDemand.check())
	for _, change := range []func(*demand){
		func(d *demand) { d.Partitions = 0 }, func(d *demand) { d.Sessions = 0 }, func(d *demand) { d.Messages = math.NaN() },
		func(d *demand) { d.Skew = -1 }, func(d *demand) { d.Messages = 0 }, func(d *demand) { d.Failover = -1 },
	} {
		d := someDemand
		change(&d)
		require.Error(t, d.check())
	}
	_, err := pricesOf(&document{})
	require.ErrorContains(t, err, "was not measured")
}

// docs/scaling.md has what the figures in the repository give.
func TestTheDocumentKeepsStep(t *testing.T) {
	file := filepath.Join("..", "docs", "scaling.md")
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	p, d, err := (&simCommand{}).figures()
	require.NoError(t, err)
	text := scalingTables(p, d, 1)
	require.True(t, strings.Contains(string(data), simBegin+"\n\n"+text+"\n"+blockEnd), "docs/scaling.md is behind: go run ./bench sim --write docs/scaling.md")
	perf, err := os.ReadFile(filepath.Join("..", "docs", "performance.md"))
	require.NoError(t, err)
	require.True(t, strings.Contains(string(perf), goalsBegin+"\n\n"+goalsTable(d)+"\n"+blockEnd), "docs/performance.md is behind: go run ./bench goals --write docs/performance.md")
}
