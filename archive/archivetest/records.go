package archivetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"bellhop/archive"
)

// record gives a record of kind k.
func record(id string, version int64, data string) archive.Record {
	r := archive.Record{Kind: "k", ID: id, Version: version}
	if data != "" {
		r.Data = []byte(data)
	}
	return r
}

// records goes through the records of kind k.
func records(t *testing.T, a archive.Archive, page int) []archive.Record {
	t.Helper()
	var all []archive.Record
	for {
		after := ""
		if len(all) > 0 {
			after = all[len(all)-1].ID
		}
		got, err := a.Records(t.Context(), "k", after, page)
		require.NoError(t, err)
		all = append(all, got...)
		if len(got) < page {
			return all
		}
	}
}

func recordsAreKept(t *testing.T, a archive.Archive) {
	var want []archive.Record
	for _, id := range []string{" ", `"q"`, "$x", "%", "A", "B.c", "_", "a", "ab", "b", "é", "客服", "😀"} { // by their bytes
		want = append(want, record(id, 1, `{"id": "`+id+`"}`))
	}
	for i := range want {
		require.NoError(t, a.PutRecords(t.Context(), []archive.Record{want[i*5%len(want)]}))
	}
	require.NoError(t, a.PutRecords(t.Context(), []archive.Record{{Kind: "K", ID: "a", Data: []byte("1")}, {Kind: "kk", ID: "a", Data: []byte("2")}}))
	require.NoError(t, a.PutRecords(t.Context(), nil))
	for _, page := range []int{1, 5, 100} {
		require.Equal(t, want, records(t, a, page))
	}
	got, err := a.Records(t.Context(), "K", "", 10)
	require.NoError(t, err)
	require.Equal(t, []archive.Record{{Kind: "K", ID: "a", Data: []byte("1")}}, got)
	got, err = a.Records(t.Context(), "none", "", 10)
	require.NoError(t, err)
	require.Empty(t, got)
}

func theLaterRecordStays(t *testing.T, a archive.Archive) {
	for i, c := range []struct {
		versions []int64 // negative ones delete
		want     string
	}{
		{[]int64{1, 2}, "2"}, {[]int64{2, 1}, "2"}, {[]int64{2, 2, 1}, "2"}, {[]int64{10, 9}, "10"},
		{[]int64{1, -2}, ""}, {[]int64{-2, 1}, ""}, {[]int64{1, -2, 1}, ""}, {[]int64{-2, -2}, ""}, {[]int64{-2, 3}, "3"}, {[]int64{3, -2}, "3"},
	} {
		for together := range 2 {
			id := fmt.Sprint(i, "-", together)
			var batch []archive.Record
			for _, v := range c.versions {
				r := record(id, max(v, -v), fmt.Sprint(v))
				if v < 0 {
					r.Data = nil
				}
				batch = append(batch, r)
			}
			if together == 1 {
				require.NoError(t, a.PutRecords(t.Context(), batch))
			}
			for k := range batch {
				if together == 0 {
					require.NoError(t, a.PutRecords(t.Context(), batch[k:k+1]))
				}
			}
			var got string
			for _, r := range records(t, a, 3) {
				if r.ID == id {
					got = string(r.Data)
				}
			}
			require.Equal(t, c.want, got, "%v", c.versions)
		}
	}
}

func recordsExpire(t *testing.T, a archive.Archive) {
	now := time.Now().UnixMilli()
	past, future := record("past", 5, "1"), record("future", 5, "2")
	past.Expires, future.Expires = now-1, now+3_600_000
	never, gone := record("never", 5, "3"), record("gone", 5, "")
	require.NoError(t, a.PutRecords(t.Context(), []archive.Record{past, future, never, gone}))
	want := []archive.Record{future, never}
	require.Equal(t, want, records(t, a, 1))

	// Until it is purged an expired one is still known.
	earlier := record("past", 4, "4")
	require.NoError(t, a.PutRecords(t.Context(), []archive.Record{earlier}))
	require.Equal(t, want, records(t, a, 10))
	require.NoError(t, a.Purge(t.Context()))
	require.NoError(t, a.Purge(t.Context()))
	require.Equal(t, want, records(t, a, 10))
	require.NoError(t, a.PutRecords(t.Context(), []archive.Record{earlier, record("gone", 4, "5"), record("never", 4, "6")}))
	require.Equal(t, []archive.Record{future, never, earlier}, records(t, a, 10))

	// What expires may be prolonged, and what does not may begin to.
	past.Version, past.Expires, never.Version, never.Expires = 6, now+3_600_000, 6, now-1
	require.NoError(t, a.PutRecords(t.Context(), []archive.Record{past, never}))
	require.Equal(t, []archive.Record{future, past}, records(t, a, 10))

	var many []archive.Record
	for i := range 2500 {
		r := record(fmt.Sprint("many", i), 1, "1")
		r.Expires = now - 1
		many = append(many, r)
	}
	require.NoError(t, a.PutRecords(t.Context(), many))
	require.NoError(t, a.Purge(t.Context()))
	require.Equal(t, []archive.Record{future, past}, records(t, a, 10))
}
