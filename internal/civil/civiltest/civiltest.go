// Package civiltest finds every moment at which the clocks of a time zone are
// changed, for the tests of what reckons in days.
package civiltest

import (
	"archive/zip"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The time for which every change of clocks is looked at.
var changesFrom, changesUntil = time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2029, 1, 1, 0, 0, 0, 0, time.UTC)

// zoneNames are all of the tz database that comes with Go; of those that are the same, one.
func zoneNames(t testing.TB) []string {
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

// Change is one of the clocks of a zone.
type Change struct {
	Zone *time.Location
	At   time.Time
}

// Changes are those of all zones. Where clocks of several show the same for weeks
// before and after, one stands for them.
func Changes(t testing.TB) (all []Change) {
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
				all = append(all, Change{zone, at})
			}
		}
	}
	require.Greater(t, len(all), 200)
	return all
}

// Shown is what a clock shows at an instant.
type Shown struct {
	At              time.Time
	Date, Yesterday string
	Day, Before     string // of the week
	Minute          int    // of the day
}

// Quarter is of an hour: clocks are changed, and spans begin and end, on these.
const Quarter = 15 * time.Minute

// Clocks looks at the clock again and again.
func Clocks(t testing.TB, from, until time.Time) (all []Shown) {
	t.Helper()
	var c Shown
	of := 0 // the day that c is of
	for at := from; at.Before(until); at = at.Add(Quarter) {
		c.At, c.Minute = at, at.Hour()*60+at.Minute()
		if c.Minute%15 != 0 {
			t.Fatalf("%s is on no quarter of an hour", at)
		}
		if at.Day() != of {
			of, c.Date = at.Day(), at.Format(time.DateOnly)
			date, err := time.Parse(time.DateOnly, c.Date)
			require.NoError(t, err)
			before := date.AddDate(0, 0, -1)
			c.Yesterday = before.Format(time.DateOnly)
			c.Day, c.Before = strings.ToLower(date.Format("Mon")), strings.ToLower(before.Format("Mon"))
		}
		all = append(all, c)
	}
	return all
}
