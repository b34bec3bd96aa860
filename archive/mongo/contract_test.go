package mongo

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/event"

	"bellhop/archive"
	"bellhop/archive/archivetest"
	"bellhop/internal/testenv"
)

// The contract, and that it takes all the actions that deploy/mongodb-role.js grants and no others.
func TestContract(t *testing.T) {
	t.Parallel()
	used := &actions{taken: map[string]map[string]bool{}}
	t.Cleanup(func() { // once all subtests have ended
		for collection, granted := range grants(t) {
			for _, action := range granted {
				assert.True(t, used.taken[collection][action], "%s of %s is granted and not used", action, collection)
			}
			for action := range used.taken[collection] {
				assert.True(t, slices.Contains(granted, action), "%s of %s is used and not granted", action, collection)
			}
			delete(used.taken, collection)
		}
		assert.Empty(t, used.taken, "collections that the role does not know")
		assert.Empty(t, used.strange, "commands whose actions nobody wrote down")
	})
	archivetest.Run(t, archivetest.Small, func(t *testing.T) archive.Archive {
		s, err := openHeard(t.Context(), testenv.SharedMongo(t).URL()+"test-"+rand.Text(), &event.CommandMonitor{Started: used.note})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, s.Close()) })
		return s
	}, age)
}

// age indexes everything as earlier versions did.
func age(t *testing.T, a archive.Archive) {
	t.Helper()
	s, ok := a.(*Store)
	require.True(t, ok)
	cursor, err := s.messages.Find(t.Context(), bson.D{})
	require.NoError(t, err)
	var docs []messageDoc
	require.NoError(t, cursor.All(t.Context(), &docs))
	for _, d := range docs {
		m, change := d.message(), bson.D{{Key: "$unset", Value: bson.D{{Key: "gramsVersion", Value: ""}}}}
		if g := grams(archive.OldFold(m.Text())); len(g) > 0 {
			change = append(change, bson.E{Key: "$set", Value: bson.D{{Key: "grams", Value: g}}})
		}
		_, err := s.messages.UpdateOne(t.Context(), bson.D{{Key: "_id", Value: d.ID}}, change)
		require.NoError(t, err)
	}
}

// grants are those of the role, by collection.
func grants(t *testing.T) map[string][]string {
	t.Helper()
	text, err := os.ReadFile("../../deploy/mongodb-role.js")
	require.NoError(t, err)
	found := regexp.MustCompile(`(?s)const grants = (\{.*?\});`).FindSubmatch(text)
	require.NotNil(t, found)
	var g map[string][]string
	require.NoError(t, json.Unmarshal(found[1], &g))
	require.Len(t, g, 3)
	return g
}

// actions are the privileges that commands took, by collection and MongoDB's name.
type actions struct {
	mu      sync.Mutex
	taken   map[string]map[string]bool
	strange []string
}

// note is called by several connections.
func (a *actions) note(_ context.Context, e *event.CommandStartedEvent) {
	a.mu.Lock()
	defer a.mu.Unlock()
	var needs []string
	switch e.CommandName {
	case "ping", "endSessions", "killCursors", "getMore": // everybody may, of cursors of one's own
		return
	case "find", "aggregate": // the aggregation counts, and writes nothing
		needs = []string{"find"}
	case "insert":
		needs = []string{"insert"}
	case "update":
		needs = []string{"update"}
		if upserts(e.Command) {
			needs = append(needs, "insert")
		}
	case "delete":
		needs = []string{"remove"}
	case "createIndexes":
		needs = []string{"createIndex"}
	default:
		a.strange = append(a.strange, e.CommandName)
		return
	}
	collection, _ := e.Command.Lookup(e.CommandName).StringValueOK()
	if a.taken[collection] == nil {
		a.taken[collection] = map[string]bool{}
	}
	for _, n := range needs {
		a.taken[collection][n] = true
	}
}

func upserts(command bson.Raw) bool {
	list, ok := command.Lookup("updates").ArrayOK()
	if !ok {
		return true // cannot tell
	}
	values, err := list.Values()
	for _, v := range values {
		if one, ok := v.DocumentOK(); ok {
			if upsert, _ := one.Lookup("upsert").BooleanOK(); upsert {
				return true
			}
		}
	}
	return err != nil
}
