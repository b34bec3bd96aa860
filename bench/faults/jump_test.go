package faults

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// steps are Redis's clock half a minute ahead from 10 to 20, and an hour behind from 40 to 50.
func steps() []step {
	return []step{{at(0), at(0), 0}, {at(10), at(10), 30 * time.Second}, {at(20), at(20), 0}, {at(40), at(40), -time.Hour}, {at(50), at(50), 0}}
}

// Timers are late by what the clock went back, until it has caught up.
func TestHowLateTimersMayBe(t *testing.T) {
	require.Zero(t, owed(nil, at(0)))
	require.Equal(t, 30*time.Second, owed(steps()[:3], at(20)))
	require.Equal(t, 12*time.Second, owed(steps()[:3], at(38)))
	require.Zero(t, owed(steps()[:3], at(60)))
	require.Equal(t, time.Hour+5*time.Second, owed(steps()[:4], at(45)), "one that was set while it was ahead")
	require.Zero(t, owed(steps(), at(60)))
}

// A time by a clock that was off is another one by ours.
func TestTimesByAClockThatWasOff(t *testing.T) {
	for name, c := range map[string]struct{ at, from, to time.Time }{
		"before":                       {at(5), at(5), at(5)},
		"ahead, or when it was behind": {at(45), at(15), at(15)},
		"behind":                       {at(45).Add(-time.Hour), at(45), at(45)},
		"once more after it went back": {at(32), at(32), at(32)},
		"after all":                    {at(70), at(70), at(70)},
	} {
		from, to := when(steps(), c.at)
		require.Equal(t, []time.Time{c.from, c.to}, []time.Time{from, to}, name)
	}
	few := steps()[:3]
	from, to := when(few, at(45)) // it said so twice
	require.Equal(t, []time.Time{at(15), at(45)}, []time.Time{from, to})
}

// What the broker does by itself has its place among the commands, although Redis's clock was off.
func TestTheBrokersStepsWhileTheClockIsOff(t *testing.T) {
	e := sound()
	back := said(6, `"requeued","reason":"agent-gone"`)
	back.At = back.At.Add(-time.Hour)
	e.add(back)
	e.add(said(7, `"grabbed","agent":{"id":"agent-01"}`))
	e.session(func(f *facts) { f.Agent = "agent-01" })
	e.capacity["agent-01"] = 1
	e.ops = append(e.ops, op{"s", opGrab, "agent-01", "", at(6.9), at(7.1), outOK})
	e.views, e.counts = e.views[:1], nil
	require.NotEmpty(t, e.all())
	e.clock = []step{{at(0), at(0), 0}, {at(5.5), at(5.6), -time.Hour}, {at(6.4), at(6.5), 0}}
	require.Empty(t, e.all())
}
