package mongo

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"
	driver "go.mongodb.org/mongo-driver/v2/mongo"

	"bellhop/archive"
	"bellhop/internal/testenv"
)

// sent notes what commands are sent, and answers for the server.
func sent(sizes *[]int, answer func(items []item) error) send {
	return func(_ context.Context, _ *driver.Collection, items []item) (int64, error) {
		*sizes = append(*sizes, len(items))
		return int64(len(items)), answer(items)
	}
}

func itemsOf(sizes ...int) []item {
	items := make([]item, len(sizes))
	for i, size := range sizes {
		items[i] = item{index: 10 + i, size: size}
	}
	return items
}

func TestWritesComeInAsManyCommandsAsItTakes(t *testing.T) {
	t.Parallel()
	var o outcome
	var sizes []int
	fine := sent(&sizes, func([]item) error { return nil })
	require.NoError(t, o.write(t.Context(), nil, itemsOf(make([]int, 2*maxItems+1)...), fine))
	const mib = 1 << 20
	require.NoError(t, o.write(t.Context(), nil, itemsOf(15*mib, 15*mib, mib, 15*mib, 33*mib, 33*mib, 1, 1), fine))
	require.NoError(t, o.write(t.Context(), nil, nil, fine))
	require.Equal(t, []int{maxItems, maxItems, 1, 3, 1, 1, 1, 2}, sizes)
	require.EqualValues(t, 2*maxItems+1+8, o.matched)
}

func TestACommandIsHalvedUntilTheItemAtFaultIsFound(t *testing.T) {
	t.Parallel()
	var o outcome
	var sizes []int
	err := o.write(t.Context(), nil, itemsOf(make([]int, 8)...), sent(&sizes, func(items []item) error {
		for _, it := range items {
			if it.index == 15 || it.index == 16 {
				return driver.CommandError{Code: 2}
			}
		}
		return nil
	}))
	require.NoError(t, err)
	require.Equal(t, []int{15, 16}, indexes(o.refusals()))
	require.Equal(t, []int{8, 4, 4, 2, 1, 1, 2, 1, 1}, sizes)

	away := driver.CommandError{Code: 91, Name: "ShutdownInProgress"}
	o, sizes = outcome{}, nil
	err = o.write(t.Context(), nil, itemsOf(make([]int, 8)...), sent(&sizes, func([]item) error { return away }))
	require.Equal(t, error(away), err)
	require.Empty(t, o.rejected)
	require.Equal(t, []int{8}, sizes)
}

func TestAnItemAtFaultIsRejectedAlone(t *testing.T) {
	t.Parallel()
	s := open(t)
	messages := make([]archive.Message, 5)
	for i := range messages {
		messages[i] = text(int64(i+1), "hello")
	}
	messages[2].Seq = 0                                        // not valid
	messages[3].Agents = []string{strings.Repeat("x", 17<<20)} // too big for a document
	rejected, err := s.PutMessages(t.Context(), messages)
	require.NoError(t, err)
	require.Equal(t, []int{2, 3}, indexes(rejected))
	stored, err := s.Messages(t.Context(), "s", 1, 99)
	require.NoError(t, err)
	require.Len(t, stored, 3)

	for _, rev := range []int64{1, 2} { // inserted, replaced
		sessions := make([]archive.Session, 4)
		for i := range sessions {
			sessions[i] = archive.Session{ID: fmt.Sprint(i), Rev: rev}
		}
		sessions[0].ID = ""
		sessions[2].UserInfo = strings.Repeat("x", 17<<20)
		rejected, err := s.PutSessions(t.Context(), sessions)
		require.NoError(t, err)
		require.Equal(t, []int{0, 2}, indexes(rejected))
		for _, id := range []string{"1", "3"} {
			got, err := s.Session(t.Context(), id)
			require.NoError(t, err)
			require.Equal(t, rev, got.Rev, id)
		}
	}
}

func indexes(rejected []archive.Rejected) []int {
	var out []int
	for _, r := range rejected {
		out = append(out, r.Index)
	}
	return out
}

func TestTheServersTroubleIsNoItemsFault(t *testing.T) {
	t.Parallel()
	bulk := func(codes ...int) driver.BulkWriteException {
		var e driver.BulkWriteException
		for i, code := range codes {
			e.WriteErrors = append(e.WriteErrors, driver.BulkWriteError{WriteError: driver.WriteError{Index: i, Code: code}})
		}
		return e
	}
	unsafe := bulk(2)
	unsafe.WriteConcernError = &driver.WriteConcernError{Code: 64}
	for _, err := range []error{
		context.DeadlineExceeded, driver.ErrClientDisconnected, unsafe, bulk(2, 14031),
		driver.CommandError{Code: 10107, Name: "NotWritablePrimary"},
		driver.CommandError{Code: 14031, Name: "OutOfDiskSpace"},
		driver.CommandError{Code: 2, Labels: []string{"NetworkError"}},
	} {
		_, doubled := duplicates(err)
		require.False(t, itemsFault(err) || doubled, "%v", err)
	}
	for _, err := range []error{driver.CommandError{Code: 10334}, bulk(2), bulk(11000, 121)} {
		require.True(t, itemsFault(fmt.Errorf("wrapped: %w", err)), "%v", err)
	}
	places, ok := duplicates(bulk(11000, 11000))
	require.True(t, ok)
	require.Equal(t, []int{0, 1}, places)
}

// Writers of all versions at the same time, through stores of their own, leave
// the latest one.
func TestTheLatestVersionWins(t *testing.T) {
	t.Parallel()
	first := open(t)
	url := testenv.SharedMongo(t).URL() + first.messages.Database().Name()
	const writers, sessions = 4, 5
	var wg sync.WaitGroup
	for w := range writers {
		s := openAt(t, url)
		wg.Go(func() {
			for rev := range int64(4) {
				var list []archive.Session
				var records []archive.Record
				for id := range sessions {
					v := rev*writers + int64(w) + 1
					list = append(list, archive.Session{ID: fmt.Sprint(id), Rev: v})
					records = append(records, archive.Record{Kind: "k", ID: fmt.Sprint(id), Version: v, Data: []byte("{}")})
				}
				rejected, err := s.PutSessions(t.Context(), list)
				if err != nil || len(rejected) > 0 {
					t.Errorf("%v, %v", rejected, err)
				}
				if err := s.PutRecords(t.Context(), records); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	for id := range sessions {
		got, err := first.Session(t.Context(), fmt.Sprint(id))
		require.NoError(t, err)
		require.EqualValues(t, 4*writers, got.Rev)
	}
	records, err := first.Records(t.Context(), "k", "", 99)
	require.NoError(t, err)
	require.Len(t, records, sessions)
	for _, r := range records {
		require.EqualValues(t, 4*writers, r.Version)
	}
}

func TestTwoVersionsInOneWrite(t *testing.T) {
	t.Parallel()
	s := open(t)
	versions := func(revs ...int64) (list []archive.Session) {
		for _, rev := range revs {
			list = append(list, archive.Session{ID: "s", Rev: rev})
		}
		return list
	}
	for _, revs := range [][]int64{{2, 3, 1}, {6, 5, 4}, {1}} {
		_, err := s.PutSessions(t.Context(), versions(revs...))
		require.NoError(t, err)
	}
	got, err := s.Session(t.Context(), "s")
	require.NoError(t, err)
	require.EqualValues(t, 6, got.Rev)
}

func TestACutConnectionFailsSoonAndDoublesNothing(t *testing.T) {
	t.Parallel()
	server := testenv.Mongo(t)
	proxy := testenv.Proxy(t, server.Addr())
	s := openAt(t, "mongodb://"+proxy.Addr()+"/chat")
	const each = 400
	write := func(ctx context.Context, batch int64) error {
		messages := make([]archive.Message, each)
		for i := range messages {
			messages[i] = text(batch*each+int64(i)+1, "hello")
		}
		_, err := s.PutMessages(ctx, messages)
		return err
	}
	for name, fault := range map[string]func(){"cut": proxy.Cut, "frozen": proxy.Freeze, "killed": server.Kill} {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		written, failed := make(chan struct{}, 1), make(chan error, 1)
		go func() {
			for batch := int64(0); ; batch = (batch + 1) % 4 { // the same ones, over and over
				if err := write(ctx, batch); err != nil {
					failed <- err
					return
				}
				select {
				case written <- struct{}{}:
				default:
				}
			}
		}()
		select {
		case <-written:
		case err := <-failed:
			cancel()
			require.NoError(t, err, name)
		}
		fault()
		begun := time.Now()
		require.Error(t, <-failed, name)
		require.Less(t, time.Since(begun), 15*time.Second, name)
		cancel()
		proxy.Restore()
		if !server.Running() {
			server.Restart()
		}
		for batch := range int64(4) {
			require.NoError(t, write(t.Context(), batch), name)
		}
		n, err := s.messages.CountDocuments(t.Context(), bson.D{})
		require.NoError(t, err)
		require.EqualValues(t, 4*each, n, name)
	}
}

func BenchmarkPut(b *testing.B) {
	s := open(b)
	const each = 1000
	seq := int64(0)
	for b.Loop() {
		messages := make([]archive.Message, each)
		for i := range messages {
			seq++
			messages[i] = text(seq, fmt.Sprintf("您好,我的订单 %06d 什么时候可以发货?谢谢, thank you!", seq))
		}
		put(b, s, messages...)
	}
	b.ReportMetric(float64(b.N*each)/b.Elapsed().Seconds(), "messages/s")
}
