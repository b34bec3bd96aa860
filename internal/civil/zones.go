// Package civil reckons in days of time zones, also where clocks are changed.
package civil

import (
	"time"
	_ "time/tzdata" // days are of any time zone, whatever the machine knows
)

// Day is how long a day takes.
const Day = 24 * time.Hour // of a wall, or of UTC

// Wall is what the clock on a zone's wall shows, as if that were UTC: in it every
// day has 24 hours and every minute comes once, also where clocks are changed, be
// it at midnight. Days are reckoned in walls, never in instants.
func Wall(at time.Time) time.Time {
	_, offset := at.Zone()
	return at.UTC().Add(time.Duration(offset) * time.Second)
}

// Midnight is when a day begins in a zone: the first instant at which its clock
// shows that date, or a later one where it never does.
func Midnight(year int, month time.Month, date int, zone *time.Location) time.Time {
	begin := time.Date(year, month, date, 0, 0, 0, 0, time.UTC)
	for at := begin.Add(-Day).In(zone); ; { // no zone is as much as a day ahead of UTC
		first := at.Add(begin.Sub(Wall(at)))
		if first.Before(at) {
			first = at // midnight was skipped
		}
		_, until := at.ZoneBounds() // while the clock goes evenly
		if until.IsZero() || first.Before(until) {
			return first
		}
		at = until
	}
}
