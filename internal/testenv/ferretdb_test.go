package testenv

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// things is a collection of a server's.
func things(t *testing.T, url string) *mongo.Collection {
	t.Helper()
	c, err := mongo.Connect(options.Client().ApplyURI(url).SetServerSelectionTimeout(5 * time.Second))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Disconnect(context.Background()) })
	return c.Database("test").Collection("things")
}

func TestMongoKeepsItsFilesAcrossARestart(t *testing.T) {
	t.Parallel()
	m := Mongo(t)
	c, ctx := things(t, m.URL()), t.Context()
	if _, err := c.InsertOne(ctx, bson.M{"_id": "k", "v": 1}); err != nil {
		t.Fatal(err)
	}
	addr := m.Addr()
	m.Kill()
	if m.Running() || m.ping() == nil {
		t.Fatal("it answers after Kill")
	}
	m.Restart()
	if !m.Running() || m.Addr() != addr {
		t.Fatalf("restarted on %s, not %s", m.Addr(), addr)
	}
	if n, err := c.CountDocuments(ctx, bson.M{"_id": "k", "v": 1}); err != nil || n != 1 {
		t.Fatalf("%d documents, %v", n, err)
	}
}

func TestMongoPauses(t *testing.T) {
	t.Parallel()
	m := Mongo(t)
	m.Pause()
	if m.Running() || m.ping() == nil {
		t.Fatal("it answers while paused")
	}
	m.Resume()
	if err := m.ping(); err != nil || !m.Running() {
		t.Fatal(err)
	}
}

// Many clients at the same time raise a number; none lowers it.
func TestMongoUpdatesAtomically(t *testing.T) {
	t.Parallel()
	m := Mongo(t)
	ctx := t.Context()
	if _, err := things(t, m.URL()).InsertOne(ctx, bson.M{"_id": "k", "v": 0}); err != nil {
		t.Fatal(err)
	}
	const clients, each = 8, 25
	var wg sync.WaitGroup
	errs := make(chan error, 2*clients*each)
	for i := range clients {
		c := things(t, m.URL())
		wg.Go(func() {
			for j := range each {
				v := j*clients + i
				filter := bson.M{"_id": "k", "v": bson.M{"$lt": v}}
				if _, err := c.UpdateOne(ctx, filter, bson.M{"$set": bson.M{"v": v}, "$inc": bson.M{"n": 1}}); err != nil {
					errs <- err
				}
				var got struct{ V int }
				if err := c.FindOne(ctx, bson.M{"_id": "k"}).Decode(&got); err != nil {
					errs <- err
				} else if got.V < v {
					errs <- fmt.Errorf("read %d after %d was written", got.V, v)
				}
			}
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		t.Error(err)
	}
}
