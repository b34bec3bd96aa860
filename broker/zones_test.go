package broker

import (
	"archive/zip"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"bellhop/broker/chat"
	"bellhop/internal/civil"
)

// The time for which every change of clocks is looked at.
var changesFrom, changesUntil = time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2029, 1, 1, 0, 0, 0, 0, time.UTC)

// zoneNames are all of the tz database that comes with Go; of those that are the same, one.
func zoneNames(t *testing.T) []string {
	t.Helper()
	root, err := exec.CommandContext(t.Context(), "go", "env", "GOROOT").Output()
	require.NoError(t, err)
	z, err := zip.OpenReader(filepath.Join(strings.TrimSpace(string(root)), "lib", "time", "zoneinfo.zip"))
	require.NoError(t, err)
	defer func() { _ = z.Close() }()
	var names []string
	seen := map[string]bool{}
	for _, f := range z.File {
		if strings.HasSuffix(f.Name, "/") {
			continue
		}
		r, err := f.Open()
		require.NoError(t, err)
		data, err := io.ReadAll(r)
		require.NoError(t, err)
		if !seen[string(data)] {
			seen[string(data)] = true
			names = append(names, f.Name)
		}
	}
	require.Greater(t, len(names), 300)
	return names
}

// change is one of a zone's clocks.
type change struct {
	zone *time.Location
	at   time.Time
}

// changes are those of all zones. Where clocks of several show the same for weeks
// before and after, one stands for them.
func changes(t *testing.T) (all []change) {
	t.Helper()
	seen := map[string]bool{}
	offset := func(at time.Time) int { _, o := at.Zone(); return o }
	for _, name := range zoneNames(t) {
		zone, err := time.LoadLocation(name)
		require.NoError(t, err)
		for at := changesFrom.In(zone); ; {
			_, next := at.ZoneBounds()
			if next.IsZero() || next.After(changesUntil) {
				break
			}
			at = next
			same := at.UTC().String()
			for around := at.AddDate(0, 0, -15); around.Before(at.AddDate(0, 0, 15)); around = around.Add(time.Hour) {
				if o := offset(around); !strings.HasSuffix(same, fmt.Sprint(" ", o)) {
					same += fmt.Sprint(" ", around.Unix(), " ", o)
				}
			}
			if !seen[same] {
				seen[same] = true
				all = append(all, change{zone, at})
			}
		}
	}
	require.Greater(t, len(all), 200)
	return all
}

// clocked is what a clock shows at an instant.
type clocked struct {
	at              time.Time
	date, yesterday string
	day, before     string // of the week
	minute          int
}

const quarter = 15 * time.Minute // clocks are changed, and spans begin and end, on these

// clocks looks at the clock again and again.
func clocks(t *testing.T, from, until time.Time) (all []clocked) {
	t.Helper()
	var c clocked
	of := 0 // the day that c is of
	for at := from; at.Before(until); at = at.Add(quarter) {
		c.at, c.minute = at, at.Hour()*60+at.Minute()
		if c.minute%15 != 0 {
			t.Fatalf("%s is on no quarter of an hour", at)
		}
		if at.Day() != of {
			of, c.date = at.Day(), at.Format(time.DateOnly)
			date, err := time.Parse(time.DateOnly, c.date)
			require.NoError(t, err)
			before := date.AddDate(0, 0, -1)
			c.yesterday = before.Format(time.DateOnly)
			c.day, c.before = strings.ToLower(date.Format("Mon")), strings.ToLower(before.Format("Mon"))
		}
		all = append(all, c)
	}
	return all
}

// plainHours are opening hours as they are written.
type plainHours struct {
	TimeZone   string              `json:"timeZone"`
	Weekly     map[string][]string `json:"weekly"`
	Exceptions map[string][]string `json:"exceptions"`
}

// open is the slow and obvious way to tell: what the clock shows is in a span.
func (h *plainHours) open(c clocked) bool {
	spans := func(date, day string) []string {
		if e, ok := h.Exceptions[date]; ok {
			return e
		}
		return h.Weekly[day]
	}
	minutes := func(clock string) int {
		return int(clock[0]-'0')*600 + int(clock[1]-'0')*60 + int(clock[3]-'0')*10 + int(clock[4]-'0')
	}
	for _, s := range spans(c.date, c.day) {
		from, to := minutes(s[:5]), minutes(s[6:])
		if c.minute >= from && (c.minute < to || to <= from) {
			return true
		}
	}
	for _, s := range spans(c.yesterday, c.before) {
		from, to := minutes(s[:5]), minutes(s[6:])
		if to <= from && c.minute < to {
			return true
		}
	}
	return false
}

// everyDay is a week of the same spans.
func everyDay(spans ...string) map[string][]string {
	week := map[string][]string{}
	for _, d := range chat.Weekdays {
		week[d] = spans
	}
	return week
}

// schedules are opening hours that a change of clocks on a date might trouble.
func schedules(zone string, c clocked) []plainHours {
	others := everyDay("00:00-24:00")
	delete(others, c.day)
	return []plainHours{
		{zone, everyDay("09:00-18:00"), nil},
		{zone, everyDay("22:00-06:00"), nil},
		{zone, everyDay("23:15-00:45", "01:30-02:30", "03:00-03:15"), nil},
		{zone, everyDay("00:00-00:15", "00:30-02:00", "02:45-03:45", "23:30-24:00"), nil},
		{zone, map[string][]string{c.day: {"00:00-24:00"}}, nil},
		{zone, map[string][]string{c.before: {"23:30-00:00"}, c.day: {"00:30-01:30"}}, nil},
		{zone, others, nil},
		{zone, everyDay("20:00-04:00"), map[string][]string{c.date: {}}},
		{zone, nil, map[string][]string{c.date: {"00:15-00:30", "23:45-01:15"}, c.yesterday: {"23:00-00:00"}}},
	}
}

// In every zone, around every change of its clocks within five years, queues are open when
// the clock shows that they are, and it is told right when they open next.
func TestHoursWhereClocksAreChanged(t *testing.T) {
	t.Parallel()
	for _, c := range changes(t) {
		clock := clocks(t, c.at.Add(-30*time.Hour), c.at.Add(10*civil.Day))
		for _, plain := range schedules(c.zone.String(), clocks(t, c.at, c.at.Add(quarter))[0]) {
			text, err := json.Marshal(plain)
			require.NoError(t, err)
			agree(t, &plain, parseHours(t, string(text)), clock, c.at)
		}
	}
}

// agree compares hours with the oracle, up to 30 hours from a change: every quarter of an hour near it, else every hour.
func agree(t *testing.T, plain *plainHours, h *chat.Hours, clock []clocked, change time.Time) {
	t.Helper()
	opens := make([]time.Time, len(clock)) // when next, from each on
	for i := len(clock) - 1; i >= 0; i-- {
		if plain.open(clock[i]) {
			opens[i] = clock[i].at
		} else if i+1 < len(clock) {
			opens[i] = opens[i+1]
		}
	}
	for i := 0; clock[i].at.Before(change.Add(30 * time.Hour)); i++ {
		at, open := clock[i].at, opens[i].Equal(clock[i].at)
		if i%4 != 0 && at.Sub(change).Abs() > 4*time.Hour {
			continue
		}
		if h.IsOpen(at) != open || h.IsOpen(at.Add(quarter-time.Second)) != open {
			t.Fatalf("%v at %s: open is %v", *plain, at, open)
		}
		if next, ok := h.Opening(at); !open && !opens[i].IsZero() && (!ok || !next.Equal(opens[i])) {
			t.Fatalf("%v at %s: opens %s, not %s", *plain, at, opens[i], next)
		}
	}
}

// In every zone a day begins when its clock first shows that date, and so do weeks and months.
func TestBucketsWhereClocksAreChanged(t *testing.T) {
	t.Parallel()
	for _, c := range changes(t) {
		first := map[string]time.Time{}
		clock := clocks(t, c.at.Add(-9*civil.Day), c.at.Add(3*civil.Day))
		for _, k := range clock {
			if first[k.date].IsZero() {
				first[k.date] = k.at
			}
		}
		s := statsSpan{zone: c.zone}
		for _, k := range clock[9*24*4-2*24*4:] {
			if k.at.UnixMilli()%hourMS != 0 {
				continue
			}
			date, err := time.Parse(time.DateOnly, k.date)
			require.NoError(t, err)
			monday := date.AddDate(0, 0, -(int(date.Weekday())+6)%7)
			for bucket, begins := range map[string]time.Time{"day": date, "week": monday, "month": date.AddDate(0, 0, 1-date.Day())} {
				want := first[begins.Format(time.DateOnly)]
				if want.IsZero() || want.Equal(clock[0].at) {
					continue // before what was looked at
				}
				require.True(t, want.Equal(s.bucket(bucket, k.at.UnixMilli()/hourMS)), "%s of %s", bucket, k.at)
			}
		}
	}
}
