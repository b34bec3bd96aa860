package chat

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"bellhop/internal/civil"
	"bellhop/internal/civil/civiltest"
)

// plainHours are opening hours as they are written.
type plainHours struct {
	TimeZone   string              `json:"timeZone"`
	Weekly     map[string][]string `json:"weekly"`
	Exceptions map[string][]string `json:"exceptions"`
}

// open is the slow and obvious way to tell: what the clock shows is in a span.
func (h *plainHours) open(c civiltest.Shown) bool {
	spans := func(date, day string) []string {
		if e, ok := h.Exceptions[date]; ok {
			return e
		}
		return h.Weekly[day]
	}
	minutes := func(clock string) int {
		return int(clock[0]-'0')*600 + int(clock[1]-'0')*60 + int(clock[3]-'0')*10 + int(clock[4]-'0')
	}
	for _, s := range spans(c.Date, c.Day) {
		from, to := minutes(s[:5]), minutes(s[6:])
		if c.Minute >= from && (c.Minute < to || to <= from) {
			return true
		}
	}
	for _, s := range spans(c.Yesterday, c.Before) {
		from, to := minutes(s[:5]), minutes(s[6:])
		if to <= from && c.Minute < to {
			return true
		}
	}
	return false
}

// everyDay is a week of the same spans.
func everyDay(spans ...string) map[string][]string {
	week := map[string][]string{}
	for _, d := range Weekdays {
		week[d] = spans
	}
	return week
}

// schedules are opening hours that a change of clocks on a date might trouble.
func schedules(zone string, c civiltest.Shown) []plainHours {
	others := everyDay("00:00-24:00")
	delete(others, c.Day)
	return []plainHours{
		{zone, everyDay("09:00-18:00"), nil},
		{zone, everyDay("22:00-06:00"), nil},
		{zone, everyDay("23:15-00:45", "01:30-02:30", "03:00-03:15"), nil},
		{zone, everyDay("00:00-00:15", "00:30-02:00", "02:45-03:45", "23:30-24:00"), nil},
		{zone, map[string][]string{c.Day: {"00:00-24:00"}}, nil},
		{zone, map[string][]string{c.Before: {"23:30-00:00"}, c.Day: {"00:30-01:30"}}, nil},
		{zone, others, nil},
		{zone, everyDay("20:00-04:00"), map[string][]string{c.Date: {}}},
		{zone, nil, map[string][]string{c.Date: {"00:15-00:30", "23:45-01:15"}, c.Yesterday: {"23:00-00:00"}}},
	}
}

// In every zone, around every change of its clocks within five years, queues are open when
// the clock shows that they are, and it is told right when they open next.
func TestHoursWhereClocksAreChanged(t *testing.T) {
	t.Parallel()
	for _, c := range civiltest.Changes(t) {
		clock := civiltest.Clocks(t, c.At.Add(-30*time.Hour), c.At.Add(10*civil.Day))
		for _, plain := range schedules(c.Zone.String(), civiltest.Clocks(t, c.At, c.At.Add(civiltest.Quarter))[0]) {
			text, err := json.Marshal(plain)
			require.NoError(t, err)
			agree(t, &plain, parseHours(t, string(text)), clock, c.At)
		}
	}
}

// agree compares hours with the oracle, up to 30 hours from a change: every quarter of an hour near it, else every hour.
func agree(t *testing.T, plain *plainHours, h *Hours, clock []civiltest.Shown, change time.Time) {
	t.Helper()
	opens := make([]time.Time, len(clock)) // when next, from each on
	for i := len(clock) - 1; i >= 0; i-- {
		if plain.open(clock[i]) {
			opens[i] = clock[i].At
		} else if i+1 < len(clock) {
			opens[i] = opens[i+1]
		}
	}
	for i := 0; clock[i].At.Before(change.Add(30 * time.Hour)); i++ {
		at, open := clock[i].At, opens[i].Equal(clock[i].At)
		if i%4 != 0 && at.Sub(change).Abs() > 4*time.Hour {
			continue
		}
		if h.IsOpen(at) != open || h.IsOpen(at.Add(civiltest.Quarter-time.Second)) != open {
			t.Fatalf("%v at %s: open is %v", *plain, at, open)
		}
		if next, ok := h.Opening(at); !open && !opens[i].IsZero() && (!ok || !next.Equal(opens[i])) {
			t.Fatalf("%v at %s: opens %s, not %s", *plain, at, opens[i], next)
		}
	}
}
