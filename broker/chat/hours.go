package chat

import (
	"encoding/json"
	"strings"
	"time"

	"bellhop/internal/civil"
)

// Hours are when a queue is open: the spans of each day of the week in a time
// zone, and of single dates, which come before the week's. A day without a span
// is closed. A span is "09:00-18:00"; one that ends before it begins goes on
// into the next day, and "00:00-24:00" is all day. Where clocks are changed, what
// they show counts: an hour that is skipped is in no span, one that comes twice
// is twice.
type Hours struct {
	TimeZone   string            `json:"timeZone"` // IANA
	Weekly     map[string][]span `json:"weekly"`   // by mon … sun
	Exceptions map[string][]span `json:"exceptions,omitempty"`

	zone *time.Location
}

// span is in minutes from the day's beginning, as a clock shows them.
type span struct{ from, to int }

// Weekdays are the names of days in Hours.Weekly, by time.Weekday.
var Weekdays = [7]string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

const maxSpans = 24 // of one day

// UnmarshalJSON refuses unknown names: a misspelt day would be closed.
func (h *Hours) UnmarshalJSON(data []byte) error {
	type plain Hours
	d := json.NewDecoder(strings.NewReader(string(data)))
	d.DisallowUnknownFields()
	if err := d.Decode((*plain)(h)); err != nil {
		return Errorf(CodeBadRequest, `hours: {"timeZone", "weekly": {"mon": ["09:00-18:00"], …}, "exceptions": {"2026-12-25": []}}`)
	}
	return h.validate()
}

func (s span) MarshalText() ([]byte, error) {
	clock := func(m int) string { return time.Date(0, 1, 1, m/60, m%60, 0, 0, time.UTC).Format("15:04") }
	to := clock(s.to)
	if s.to == 24*60 {
		to = "24:00"
	}
	return []byte(clock(s.from) + "-" + to), nil
}

func (s *span) UnmarshalText(text []byte) error {
	from, to, ok := strings.Cut(string(text), "-")
	begin, err := time.Parse("15:04", from)
	if err != nil || !ok {
		return Errorf(CodeBadRequest, "hours: %q is not 09:00-18:00", text)
	}
	s.from = begin.Hour()*60 + begin.Minute()
	if to == "24:00" {
		s.to = 24 * 60
		return nil
	}
	end, err := time.Parse("15:04", to)
	if err != nil {
		return Errorf(CodeBadRequest, "hours: %q is not 09:00-18:00", text)
	}
	s.to = end.Hour()*60 + end.Minute()
	return nil
}

// validate finds the time zone; hours that are not set are valid.
func (h *Hours) validate() error {
	if h == nil {
		return nil
	}
	zone, err := time.LoadLocation(h.TimeZone)
	if err != nil || h.TimeZone == "Local" {
		return Errorf(CodeBadRequest, "hours: timeZone: an IANA name, as Asia/Shanghai")
	}
	h.zone = zone
	for day, spans := range h.Weekly {
		if !Contains(Weekdays[:], day) || len(spans) > maxSpans {
			return Errorf(CodeBadRequest, "hours: weekly: mon to sun, at most %d spans each", maxSpans)
		}
	}
	if len(h.Exceptions) > 366 {
		return Errorf(CodeTooLarge, "hours: exceptions: at most 366")
	}
	for date, spans := range h.Exceptions {
		if _, err := time.Parse(time.DateOnly, date); err != nil || len(spans) > maxSpans {
			return Errorf(CodeBadRequest, "hours: exceptions: dates as 2026-12-25, at most %d spans each", maxSpans)
		}
	}
	return nil
}

// bounds are the walls that a day's spans begin and end at.
func (h *Hours) bounds(day time.Time) [][2]time.Time {
	spans, ok := h.Exceptions[day.Format(time.DateOnly)]
	if !ok {
		spans = h.Weekly[Weekdays[day.Weekday()]]
	}
	out := make([][2]time.Time, 0, len(spans))
	for _, s := range spans {
		to := s.to
		if to <= s.from {
			to += 24 * 60
		}
		at := func(minute int) time.Time {
			return time.Date(day.Year(), day.Month(), day.Day(), 0, minute, 0, 0, time.UTC)
		}
		out = append(out, [2]time.Time{at(s.from), at(to)})
	}
	return out
}

// IsOpen tells whether it is open at an instant: whether the clock shows a time
// within a span. Hours that are not set are always open.
func (h *Hours) IsOpen(at time.Time) bool {
	if h == nil {
		return true
	}
	w := civil.Wall(at.In(h.zone))
	first, ok := h.from(w, 0)
	return ok && first.Equal(w)
}

// from is the first wall not before another that is within a span; false if there
// is none up to so many days later.
func (h *Hours) from(w time.Time, days int) (time.Time, bool) {
	var first time.Time
	for i := -1; i <= days; i++ { // yesterday's may go on
		for _, b := range h.bounds(w.AddDate(0, 0, i)) {
			if !b[1].After(w) {
				continue
			}
			if b[0].Before(w) {
				return w, true
			}
			if first.IsZero() || b[0].Before(first) {
				first = b[0]
			}
		}
		if !first.IsZero() {
			return first, true
		}
	}
	return first, false
}

// aYear is how far ahead an opening is looked for.
const aYear = 367 * civil.Day

// Opening is when it opens after an instant at which it is closed; false if not within a year.
func (h *Hours) Opening(at time.Time) (time.Time, bool) {
	last := at.Add(aYear).In(h.zone)
	for local := at.In(h.zone); local.Before(last); {
		_, until := local.ZoneBounds() // while the clock goes evenly
		if until.IsZero() || until.After(last) {
			until = last
		}
		w := civil.Wall(local)
		if first, ok := h.from(w, 1+int(until.Sub(local)/civil.Day)); ok {
			if opens := local.Add(first.Sub(w)); opens.Before(until) {
				return opens, true
			}
		}
		local = until
	}
	return time.Time{}, false
}

// Opens is the next opening as the wire has it: null where it is open, or never.
func (h *Hours) Opens(at time.Time) json.RawMessage {
	if !h.IsOpen(at) {
		if next, ok := h.Opening(at); ok {
			return json.RawMessage(Encode(Time{next}))
		}
	}
	return json.RawMessage("null")
}
