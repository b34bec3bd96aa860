package civil

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"bellhop/internal/civil/civiltest"
)

// A wall is what the clock shows, in every zone, around every change of its clocks within five years.
func TestWallsWhereClocksAreChanged(t *testing.T) {
	t.Parallel()
	for _, c := range civiltest.Changes(t) {
		for _, k := range civiltest.Clocks(t, c.At.Add(-Day), c.At.Add(Day)) {
			w := Wall(k.At)
			require.Equal(t, time.UTC, w.Location())
			require.Equal(t, k.Date, w.Format(time.DateOnly))
			require.Equal(t, k.Minute, w.Hour()*60+w.Minute())
		}
	}
}

// A day begins when the clock first shows its date, in every zone, around every change of its clocks within five years.
func TestMidnightsWhereClocksAreChanged(t *testing.T) {
	t.Parallel()
	for _, c := range civiltest.Changes(t) {
		first := map[string]time.Time{}
		clock := civiltest.Clocks(t, c.At.Add(-3*Day), c.At.Add(3*Day))
		for _, k := range clock {
			if first[k.Date].IsZero() {
				first[k.Date] = k.At
			}
		}
		for date, begins := range first {
			if begins.Equal(clock[0].At) {
				continue // before what was looked at
			}
			day, err := time.Parse(time.DateOnly, date)
			require.NoError(t, err)
			y, m, d := day.Date()
			require.True(t, begins.Equal(Midnight(y, m, d, c.Zone)), "%s in %s", date, c.Zone)
		}
	}
}

// A date that no clock of the zone ever showed begins when the next one does.
func TestMidnightOfADayThatNeverWas(t *testing.T) {
	apia, err := time.LoadLocation("Pacific/Apia") // from one side of the date line to the other
	require.NoError(t, err)
	want := time.Date(2011, 12, 31, 0, 0, 0, 0, apia)
	require.True(t, want.Equal(Midnight(2011, 12, 30, apia)))
	require.True(t, want.Equal(Midnight(2011, 12, 31, apia)))
}
