package archiving

import (
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"bellhop/archive"
	"bellhop/broker/internal/store"
)

// said gives a pace that has seen so many messages a second.
func said(rate float64) *pace { return &pace{seen: rate * paceOver.Seconds(), at: time.Now()} }

// TestMuchIsGatheredLonger, up to a bound, and only where the usual delay is not a shorter one.
func TestMuchIsGatheredLonger(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		rate        float64
		usual, want time.Duration
		limit       int
	}{
		{0, archiveDelay, archiveDelay, collectLimit},
		{easyRate * 0.99, archiveDelay, archiveDelay, collectLimit},
		{easyRate * 3, archiveDelay, 3 * archiveDelay, gentleLimit},
		{easyRate * 1000, archiveDelay, longestDelay, gentleLimit},
		{easyRate * 1000, 2 * longestDelay, 2 * longestDelay, gentleLimit},
		{easyRate * 1000, archiveDelay / 2, archiveDelay / 2, collectLimit},
	} {
		got := said(c.rate).begin(c.usual)
		require.InDelta(t, c.want, got.delay, float64(20*time.Millisecond), "%+v", c)
		require.Equal(t, c.limit, got.limit, "%+v", c)
		require.Equal(t, c.limit == gentleLimit, got.gentle())
	}
	p := said(easyRate * 4)
	p.at = p.at.Add(-10 * paceOver) // that was long ago
	require.Equal(t, archiveDelay, p.begin(archiveDelay).delay)
}

// TestTurnsRest in proportion to what they read, but not where the archive is behind.
func TestTurnsRest(t *testing.T) {
	t.Parallel()
	turnOf := func(rate float64, messages int, late time.Duration) time.Duration {
		p := said(rate)
		turn := p.begin(archiveDelay)
		for _, l := range []time.Duration{0, late, late / 2} {
			turn.add(&Piece{Collected: store.Collected{Now: 1e12, Since: strconv.FormatInt(1e12-l.Milliseconds(), 10)},
				messages: make([]archive.Message, messages/3)})
		}
		require.EqualValues(t, messages, turn.messages.Load())
		return p.end(turn)
	}
	require.Zero(t, turnOf(easyRate/2, 300, 0), "little is said")
	require.InDelta(t, 50*time.Millisecond, turnOf(6000, 600, longestDelay), float64(3*time.Millisecond))
	require.InDelta(t, 100*time.Millisecond, turnOf(6000, 1200, longestDelay), float64(6*time.Millisecond))
	require.Equal(t, longestPause, turnOf(600, 6000, longestDelay))
	require.Zero(t, turnOf(6000, 600, tooLate+time.Millisecond), "it is behind")
}

// TestWhatIsBehindIsNotGentle: the turn after one that found something too late takes
// as much as it can, as many at once; and chat goes first again when that is over.
func TestWhatIsBehindIsNotGentle(t *testing.T) {
	t.Parallel()
	p := said(6000)
	at := func(late time.Duration) int {
		turn := p.begin(archiveDelay)
		turn.add(&Piece{Collected: store.Collected{Now: 1e12, Since: strconv.FormatInt(1e12-late.Milliseconds(), 10)}})
		p.end(turn)
		return turn.atOnce()
	}
	require.Equal(t, gentleAtOnce, at(tooLate*2))
	require.Equal(t, store.MaxPartitions, at(tooLate))
	require.Equal(t, gentleAtOnce, at(0))
}
