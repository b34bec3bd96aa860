package chat

import (
	"encoding/json"
	"github.com/stretchr/testify/require"
	"testing"
	"time"
)

func parseHours(t *testing.T, text string) *Hours {
	t.Helper()
	var h Hours
	require.NoError(t, json.Unmarshal([]byte(text), &h))
	return &h
}

// Open or closed, and when next, over weeks, exceptions, midnight and the change of clocks.
func TestHours(t *testing.T) {
	shanghai := `{"timeZone":"Asia/Shanghai","weekly":{"mon":["09:00-12:00","13:00-18:00"],"tue":["09:00-18:00"],"fri":["22:00-02:00"],"sun":["00:00-24:00"]},
		"exceptions":{"2026-11-24":[],"2026-11-25":["10:00-11:00"]}}`
	berlin := `{"timeZone":"Europe/Berlin","weekly":{"sun":["01:00-04:00"]}}`
	for _, c := range []struct {
		hours, at string
		open      bool
		next      string
	}{
		{shanghai, "2026-11-23T09:00:00+08:00", true, ""},
		{shanghai, "2026-11-23T08:59:59+08:00", false, "2026-11-23T09:00:00+08:00"},
		{shanghai, "2026-11-23T01:30:00Z", true, ""}, // 09:30 there
		{shanghai, "2026-11-23T12:00:00+08:00", false, "2026-11-23T13:00:00+08:00"},
		{shanghai, "2026-11-23T18:00:00+08:00", false, "2026-11-25T10:00:00+08:00"}, // Tuesday is an exception
		{shanghai, "2026-11-24T10:00:00+08:00", false, "2026-11-25T10:00:00+08:00"},
		{shanghai, "2026-11-25T10:30:00+08:00", true, ""}, // a Wednesday, an exception
		{shanghai, "2026-11-28T01:59:00+08:00", true, ""}, // Friday's night
		{shanghai, "2026-11-28T02:00:00+08:00", false, "2026-11-29T00:00:00+08:00"},
		{shanghai, "2026-11-29T23:59:59+08:00", true, ""},
		{berlin, "2026-03-29T00:30:00Z", true, ""}, // 01:30, before the clocks go on
		{berlin, "2026-03-29T01:30:00Z", true, ""}, // 03:30 then
		{berlin, "2026-03-29T02:00:00Z", false, "2026-04-04T23:00:00Z"},
		{berlin, "2026-10-25T02:59:00Z", true, ""}, // 03:59, after they went back
		{berlin, "2026-10-25T03:00:00Z", false, "2026-11-01T00:00:00Z"},
		{`{"timeZone":"UTC","weekly":{}}`, "2026-11-23T09:00:00Z", false, ""},
	} {
		h := parseHours(t, c.hours)
		at, err := time.Parse(time.RFC3339, c.at)
		require.NoError(t, err)
		require.Equal(t, c.open, h.IsOpen(at), c.at)
		if c.open {
			require.Equal(t, "null", string(h.Opens(at)))
			continue
		}
		next, ok := h.Opening(at)
		require.Equal(t, c.next != "", ok, c.at)
		if ok {
			want, err := time.Parse(time.RFC3339, c.next)
			require.NoError(t, err)
			require.True(t, want.Equal(next), "%s: next is %s", c.at, next)
		}
	}
	var none *Hours
	require.True(t, none.IsOpen(time.Now()))
}
