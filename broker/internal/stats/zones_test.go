package stats

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"bellhop/internal/civil"
	"bellhop/internal/civil/civiltest"
)

// In every zone a day begins when its clock first shows that date, and so do weeks and months.
func TestBucketsWhereClocksAreChanged(t *testing.T) {
	t.Parallel()
	for _, c := range civiltest.Changes(t) {
		first := map[string]time.Time{}
		clock := civiltest.Clocks(t, c.At.Add(-9*civil.Day), c.At.Add(3*civil.Day))
		for _, k := range clock {
			if first[k.Date].IsZero() {
				first[k.Date] = k.At
			}
		}
		s := span{zone: c.Zone}
		for _, k := range clock[9*24*4-2*24*4:] {
			if k.At.UnixMilli()%hourMS != 0 {
				continue
			}
			date, err := time.Parse(time.DateOnly, k.Date)
			require.NoError(t, err)
			monday := date.AddDate(0, 0, -(int(date.Weekday())+6)%7)
			for bucket, begins := range map[string]time.Time{"day": date, "week": monday, "month": date.AddDate(0, 0, 1-date.Day())} {
				want := first[begins.Format(time.DateOnly)]
				if want.IsZero() || want.Equal(clock[0].At) {
					continue // before what was looked at
				}
				require.True(t, want.Equal(s.bucket(bucket, k.At.UnixMilli()/hourMS)), "%s of %s", bucket, k.At)
			}
		}
	}
}
