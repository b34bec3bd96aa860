// Package archivetest is the contract of archive.Archive as tests: whatever
// keeps the archive passes them.
package archivetest

import (
	"testing"

	"bellhop/archive"
)

// Run tests a store. open gives one on a database of its own, empty; Run
// closes it, so open need not.
func Run(t *testing.T, open func(t *testing.T) archive.Archive) {
	for _, c := range []struct {
		name string
		test func(t *testing.T, a archive.Archive)
	}{
		{"messages/kept", messagesAreKept},
		{"messages/first stays", theFirstMessageStays},
		{"messages/recalled", recalledMessagesLoseTheirContent},
		{"messages/rejected", badMessagesAreRejected},
		{"messages/ranges", messagesComeInRanges},
		{"messages/many", manyMessagesOfManySessions},
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
		{"search/filters", searchesAreFiltered},
		{"search/same time", messagesOfTheSameTimeAreFoundInOrder},
		{"search/far", messagesFarApartAreFound},
		{"records/kept", recordsAreKept},
		{"records/later stays", theLaterRecordStays},
		{"records/expired", recordsExpire},
		{"concurrent writers", writersMeet},
		{"cancelled", cancelledCallsFail},
		{"closed", closedStoresFail},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := open(t)
			t.Cleanup(func() { _ = a.Close() })
			c.test(t, a)
		})
	}
}
