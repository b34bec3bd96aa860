// Package archivetest is the contract of archive.Archive as tests: whatever
// keeps the archive passes them.
package archivetest

import (
	"testing"

	"bellhop/archive"
)

// Volume is how many messages the tests have that need many.
type Volume struct {
	Many    int // a multiple of 10
	Filters int // a multiple of 60, and of neither 7 nor 11
	Words   int // of filterWords; 2 are one of each kind
	Far     int // a multiple of 6
}

var (
	// Full is for stores that find things by indexes.
	Full = Volume{Many: 1000, Filters: 240, Words: len(filterWords), Far: 6000}
	// Small is for a server that reads all it has for every query, as FerretDB
	// does: the time grows by the square. Far is still several batches of a cursor.
	Small = Volume{Many: 200, Filters: 60, Words: 2, Far: 900}
)

// Run tests a store. open gives one on a database of its own, empty, and may be
// called concurrently; Run closes it, so open need not. age makes a store's index
// what it would be if an earlier version had written all that is there.
func Run(t *testing.T, v Volume, open func(t *testing.T) archive.Archive, age func(t *testing.T, a archive.Archive)) {
	of := func(n int, test func(t *testing.T, a archive.Archive, n int)) func(*testing.T, archive.Archive) {
		return func(t *testing.T, a archive.Archive) { test(t, a, n) }
	}
	for _, c := range []struct {
		name string
		test func(t *testing.T, a archive.Archive)
	}{
		{"messages/kept", messagesAreKept},
		{"messages/first stays", theFirstMessageStays},
		{"messages/recalled", recalledMessagesLoseTheirContent},
		{"messages/superseded", supersededMessagesAreMarked},
		{"messages/rejected", badMessagesAreRejected},
		{"messages/ranges", messagesComeInRanges},
		{"messages/many", of(v.Many, manyMessagesOfManySessions)},
		{"sessions/kept", sessionsAreKept},
		{"sessions/later stays", theLaterSessionStays},
		{"sessions/new agents", newAgentsFindOldMessages},
		{"sessions/rejected", badSessionsAreRejected},
		{"sessions/queries", sessionsAreFound},
		{"sessions/agents", agentsFindTheirSessions},
		{"sessions/moved", changedSessionsAreFoundAsTheyAre},
		{"search/text", textIsFound},
		{"search/kinds", kindsOfMessagesAreFound},
		{"search/recalled", recalledMessagesAreNotFound},
		{"search/filters", func(t *testing.T, a archive.Archive) { searchesAreFiltered(t, a, v.Filters, v.Words) }},
		{"search/same time", messagesOfTheSameTimeAreFoundInOrder},
		{"search/far", of(v.Far, messagesFarApartAreFound)},
		{"search/anything", of(v.Many/4, searchAgrees)},
		{"reindex/nothing", aNewStoreHasNothingToReindex},
		{"reindex/old", func(t *testing.T, a archive.Archive) { anOldIndexIsRenewed(t, a, age) }},
		{"reindex/meanwhile", func(t *testing.T, a archive.Archive) { whatComesMeanwhileIsFound(t, a, age) }},
		{"records/kept", recordsAreKept},
		{"records/later stays", theLaterRecordStays},
		{"records/expired", recordsExpire},
		{"concurrent writers", writersMeet},
		{"cancelled", cancelledCallsFail},
		{"closed", closedStoresFail},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			a := open(t)
			t.Cleanup(func() { _ = a.Close() })
			c.test(t, a)
		})
	}
}
