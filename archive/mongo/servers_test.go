package mongo

import (
	"crypto/rand"
	"testing"

	"bellhop/archive"
	"bellhop/archive/archivetest"
	"bellhop/internal/testenv"
)

// The contract, on a server that stores in PostgreSQL.
func TestContractOnPostgreSQL(t *testing.T) {
	t.Parallel()
	server := testenv.MongoOnPostgres(t)
	archivetest.Run(t, archivetest.Volume{Many: 40, Filters: 60, Words: 2, Far: 300}, func(t *testing.T) archive.Archive {
		return openAt(t, server.URL()+"test-"+rand.Text())
	}, age)
}
