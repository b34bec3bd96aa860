package mongo

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"bellhop/archive"
)

func TestSessionComesBackAsItWas(t *testing.T) {
	t.Parallel()
	s := open(t)
	want := archive.Session{
		ID: "s.$1", Rev: 3, Seq: 4, Reads: 5, State: "serving", Queue: "q", User: "u", UserInfo: `{"a.b":"$c"}`,
		UserKind: "web", Agent: "a", AgentInfo: "{}", Target: "b", Agents: []string{"a", "b"},
		Created: 1, Grabbed: 2, Ended: 3, Read: map[string]int64{"u:$x.y": 1, "a:.": 2, "": 3}, Snapshot: `{"$":{".":1}}`,
	}
	_, err := s.PutSessions(t.Context(), []archive.Session{want, {ID: "bare"}})
	require.NoError(t, err)
	got, err := s.Session(t.Context(), want.ID)
	require.NoError(t, err)
	require.Equal(t, want, got)
	got, err = s.Session(t.Context(), "bare")
	require.NoError(t, err)
	require.Equal(t, archive.Session{ID: "bare"}, got)
	_, err = s.Session(t.Context(), "none")
	require.ErrorIs(t, err, archive.ErrNotFound)
}

func TestRecordsOfAKind(t *testing.T) {
	t.Parallel()
	s := open(t)
	now := time.Now().UnixMilli()
	kept := []archive.Record{
		{Kind: "a", ID: "/b", Version: 1, Data: []byte("{}")},
		{Kind: "a", ID: "0", Version: 1, Data: []byte("1"), Expires: now + 60_000},
		{Kind: "a", ID: "é$.", Version: 1, Data: []byte("2")},
	}
	require.NoError(t, s.PutRecords(t.Context(), append([]archive.Record{
		{Kind: "a", ID: "gone", Version: 2},
		{Kind: "a", ID: "expired", Version: 1, Data: []byte("3"), Expires: now - 1},
		{Kind: "a/", ID: "b", Version: 1, Data: []byte("4")},
		{Kind: "a0", ID: "b", Version: 1, Data: []byte("5")},
		{Kind: "", ID: "a/b", Version: 1, Data: []byte("6")},
	}, kept...)))
	require.NoError(t, s.PutRecords(t.Context(), []archive.Record{{Kind: "a", ID: "gone", Version: 1, Data: []byte("late")}}))
	got, err := s.Records(t.Context(), "a", "", 9)
	require.NoError(t, err)
	require.Equal(t, kept, got)
	got, err = s.Records(t.Context(), "a", "/b", 1)
	require.NoError(t, err)
	require.Equal(t, kept[1:2], got)

	require.NoError(t, s.Purge(t.Context()))
	n, err := s.records.CountDocuments(t.Context(), bson.D{})
	require.NoError(t, err)
	require.EqualValues(t, 7, n)
}
