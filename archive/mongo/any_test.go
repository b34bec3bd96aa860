//go:build mongo_url

package mongo

import (
	"context"
	"crypto/rand"
	"net/url"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	driver "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"bellhop/archive"
	"bellhop/archive/archivetest"
)

// The contract, on the server at MONGO_URL, in databases of its own that it drops: see docs/data-model.md.
func TestContractOnAnyServer(t *testing.T) {
	server, err := url.Parse(os.Getenv("MONGO_URL"))
	require.NoError(t, err)
	require.NotEmpty(t, server.Host, "MONGO_URL names no server")
	archivetest.Run(t, archivetest.Volume{Many: 2000, Filters: 200, Words: 20, Far: 20_000}, func(t *testing.T) archive.Archive {
		u := *server
		u.Path = "/bellhop-test-" + rand.Text()
		t.Cleanup(func() { drop(t, u.String(), u.Path[1:]) })
		return openAt(t, u.String())
	}, age)
}

func drop(t *testing.T, url, name string) {
	t.Helper()
	c, err := driver.Connect(options.Client().ApplyURI(url))
	require.NoError(t, err)
	ctx := context.WithoutCancel(t.Context())
	require.NoError(t, c.Database(name).Drop(ctx))
	require.NoError(t, c.Disconnect(ctx))
}
