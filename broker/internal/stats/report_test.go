package stats

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"bellhop/broker/chat"
	"bellhop/broker/internal/store/storetest"
	"bellhop/internal/testenv"
)

// An answer names at most so many queues, the busiest.
func TestRowsHaveAnEnd(t *testing.T) {
	r := chat.StatsRequest{}
	asked, err := spanOf(&r, time.Now())
	require.NoError(t, err)
	s := newReport(r, asked)
	for i := range maxRows + 50 {
		s.add(asked.from, sheet{{strconv.Itoa(i), ""}: {"opened": int64(i + 1)}})
	}
	s.fold()
	reply := s.reply(nil, nil, nil)
	require.Len(t, reply.Queues, maxRows+1)
	require.EqualValues(t, 50*51/2, queueOf(reply, "").Opened)
	require.EqualValues(t, maxRows+50, queueOf(reply, strconv.Itoa(maxRows+49)).Opened)
}

// Days begin where their zone says, and buckets without anything are there, too.
func TestBuckets(t *testing.T) {
	at := func(s string) int64 {
		v, err := time.Parse(time.RFC3339, s)
		require.NoError(t, err)
		return v.UnixMilli()
	}
	for _, c := range []struct {
		since, until, bucket, zone string
		want                       []string
	}{
		{"2026-03-01T10:30:00Z", "2026-03-01T12:00:00Z", "hour", "", []string{"03-01T10", "03-01T11"}},
		{"2026-03-01T10:30:00Z", "2026-03-01T12:00:01Z", "", "Asia/Shanghai", []string{"03-01T10", "03-01T11", "03-01T12"}},
		{"2026-03-01T00:00:00Z", "2026-03-03T00:00:00Z", "day", "", []string{"03-01T00", "03-02T00"}},
		{"2026-03-01T00:00:00Z", "2026-03-03T00:00:00Z", "day", "Asia/Shanghai", []string{"02-28T16", "03-01T16", "03-02T16"}},
		{"2026-03-28T23:00:00Z", "2026-03-31T22:00:00Z", "day", "Europe/Berlin", []string{"03-28T23", "03-29T22", "03-30T22"}},
		{"2026-03-01T00:00:00Z", "2026-03-10T00:00:00Z", "week", "UTC", []string{"02-23T00", "03-02T00", "03-09T00"}},
		{"2026-01-31T00:00:00Z", "2026-03-01T00:00:01Z", "month", "UTC", []string{"01-01T00", "02-01T00", "03-01T00"}},
	} {
		r := chat.StatsRequest{Since: at(c.since), Until: at(c.until), Bucket: c.bucket, Zone: c.zone}
		asked, err := spanOf(&r, time.Now())
		require.NoError(t, err)
		s := newReport(r, asked)
		for h := asked.from; h < asked.to; h++ {
			s.add(h, sheet{{"q", ""}: {"opened": 1}})
		}
		s.add(asked.from-1, sheet{{"q", ""}: {"opened": 1000}})
		s.add(asked.to, sheet{{"q", ""}: {"opened": 1000}})
		reply := s.reply(nil, nil, nil)
		var got []string
		sum := int64(0)
		for _, b := range reply.Buckets {
			got = append(got, b.Start.UTC().Format("01-02T15"))
			sum += b.Opened
		}
		require.Equal(t, c.want, got, "%+v", c)
		require.Equal(t, asked.to-asked.from, sum)
		require.Equal(t, sum, reply.Totals.Opened)
	}
}

func TestRefusals(t *testing.T) {
	s := New(storetest.Open(t, testenv.Shared(t, testenv.EngineEmbedded), 2), nil, &others{}, everywhere)
	now := time.Now().UnixMilli()
	for what, r := range map[string]chat.StatsRequest{
		"bucket": {Bucket: "year"}, "no such zone": {Zone: "Mars/Phobos"}, "a path": {Zone: "../etc/passwd"}, "the machine's zone": {Zone: "Local"},
		"backwards": {Since: now, Until: now - 1}, "nothing": {Since: now, Until: now}, "before 1970": {Since: -1},
		"too long": {Since: now - 401*24*hourMS, Until: now, Bucket: "day"}, "too many": {Since: now - 1000*hourMS, Until: now},
		"queue": {Queue: "a\x00b"}, "agent": {Agent: strings.Repeat("x", 65)},
	} {
		_, err := s.Report(t.Context(), r)
		code(t, chat.CodeBadRequest, err)
		require.NotEmpty(t, chat.AsError(err).Message, what)
	}
	_, err := s.Report(t.Context(), chat.StatsRequest{Since: now - 399*24*hourMS, Until: now, Bucket: "week"})
	require.NoError(t, err)
}
