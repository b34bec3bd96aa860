package broker

import (
	"encoding/json"
	"strings"
	"time"
)

// Hours are when a queue is open: the spans of each day of the week in a time
// zone, and of single dates, which come before the week's. A day without a span
// is closed. A span is "09:00-18:00"; one that ends before it begins goes on
// into the next day, and "00:00-24:00" is all day.
type Hours struct {
	TimeZone   string            `json:"timeZone"` // IANA
	Weekly     map[string][]span `json:"weekly"`   // by mon … sun
	Exceptions map[string][]span `json:"exceptions,omitempty"`

	zone *time.Location
}

// span is in minutes from the day's beginning, as a clock shows them.
type span struct{ from, to int }

var weekdays = [7]string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

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
		if !contains(weekdays[:], day) || len(spans) > maxSpans {
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

// bounds are the instants a day's spans begin and end at.
func (h *Hours) bounds(day time.Time) [][2]time.Time {
	spans, ok := h.Exceptions[day.Format(time.DateOnly)]
	if !ok {
		spans = h.Weekly[weekdays[day.Weekday()]]
	}
	out := make([][2]time.Time, 0, len(spans))
	for _, s := range spans {
		to := s.to
		if to <= s.from {
			to += 24 * 60
		}
		at := func(minute int) time.Time {
			return time.Date(day.Year(), day.Month(), day.Day(), 0, minute, 0, 0, h.zone)
		}
		out = append(out, [2]time.Time{at(s.from), at(to)})
	}
	return out
}

// open tells whether it is open at an instant; hours that are not set are always open.
func (h *Hours) open(at time.Time) bool {
	if h == nil {
		return true
	}
	day := at.In(h.zone)
	for _, d := range []time.Time{day.AddDate(0, 0, -1), day} {
		for _, b := range h.bounds(d) {
			if !at.Before(b[0]) && at.Before(b[1]) {
				return true
			}
		}
	}
	return false
}

// next is when it opens after an instant at which it is closed; false if not within a year.
func (h *Hours) next(at time.Time) (time.Time, bool) {
	day := at.In(h.zone)
	var first time.Time
	for i := range 367 {
		for _, b := range h.bounds(day.AddDate(0, 0, i)) {
			if b[0].After(at) && (first.IsZero() || b[0].Before(first)) {
				first = b[0]
			}
		}
		if !first.IsZero() {
			return first, true
		}
	}
	return first, false
}

// opens is the next opening as the wire has it: null where it is open, or never.
func (h *Hours) opens(at time.Time) json.RawMessage {
	if !h.open(at) {
		if next, ok := h.next(at); ok {
			return json.RawMessage(encode(Time{next}))
		}
	}
	return json.RawMessage("null")
}
