package store

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"

	"bellhop/internal/testenv"
	"bellhop/scripts"
)

// Every 1/P of the slot space holds the tag of one partition.
func TestPartitionTagsAreSpreadEvenly(t *testing.T) {
	for _, n := range []int{1, 2, 3, 7, 16, 32, 100, 256} {
		tags := partitionTags(n, 0)
		require.Len(t, tags, n)
		for i, tag := range tags {
			require.Equal(t, i, slot(tag)*n/slots, "tag %q of %d", tag, n)
			require.LessOrEqual(t, len(tag), 3)
		}
	}
}

// named is a store of a deployment of 16 partitions, of before there were buckets.
func named() *Store {
	return &Store{Numbering: Numbering{Partitions: 16, Named: true}, Parts: newPartitions(16, 0)}
}

// No id of one thing can name another's key.
func TestIdsCannotReachOtherKeys(t *testing.T) {
	p := newPartitions(1, 0)[0]
	require.NotEqual(t, p.Load("x"), p.Profile("a:x:load"))
	require.NotEqual(t, p.Profile("a:x"), p.Profile("u:x"))
	b := named()
	good := b.NewSessionID("uma")
	for _, id := range []string{"", "-", "00-", "zz-" + good[3:], "ff-" + good[3:], good + ":log", good[:28], "0A-" + good[3:],
		good[:3] + "\x00" + good[4:], "00-" + fmt.Sprintf("%026d", 0) + "0"} {
		_, ok := b.Of(id)
		require.False(t, ok, "%q", id)
	}
	_, ok := b.Of(good)
	require.True(t, ok)
}

func FuzzSessionID(f *testing.F) {
	b := named()
	for _, s := range []string{"", "00-01J0000000000000000000000Z", b.NewSessionID("x"), "{}", "0f-\x00", "ff-01J0000000000000000000000Z"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, ok := b.Of(s)
		if ok && (len(s) != 29 || p.Index >= 16) {
			t.Fatalf("%q is taken for a session's id", s)
		}
	})
}

// The slot function is Redis's own.
func TestSlotIsRedis(t *testing.T) {
	rdb := testenv.Client(t, testenv.Shared(t, testenv.EngineCluster))
	for _, tag := range append(append(partitionTags(64, 0), partitionTags(64, 40)...), "123456789", "") {
		n, err := rdb.ClusterKeySlot(t.Context(), tag).Result()
		require.NoError(t, err)
		require.EqualValues(t, n, slot(tag))
	}
}

// Each kind of keys that scripts' headers may name is one that is made here, and the other way round.
func TestScriptsKnowTheKindsOfKeys(t *testing.T) {
	made := map[string]bool{}
	for m := range reflect.TypeFor[Partition]().Methods() {
		var name strings.Builder
		for i, c := range m.Name {
			if i > 0 && unicode.IsUpper(c) {
				name.WriteByte('_')
			}
			name.WriteRune(unicode.ToLower(c))
		}
		if m.Type.NumOut() == 1 && m.Type.Out(0).Kind() == reflect.String && m.Name != "All" && m.Name != "Key" {
			made[name.String()] = true
		}
	}
	for _, key := range []string{UnsentKey, ReindexKey} {
		made[strings.TrimPrefix(key, "bellhop:")] = true
	}
	require.ElementsMatch(t, slices.Collect(maps.Keys(made)), scripts.Kinds)
}

// Run gives each script what its header names: what the store puts together fits.
func TestKeysOfScripts(t *testing.T) {
	set, err := scripts.Load(scripts.Options{})
	require.NoError(t, err)
	s, p := &Store{scripts: set}, newPartitions(1, 0)[0]
	require.NoError(t, set["look"].Takes(len(p.Looked("s"))))
	require.Equal(t, []string{"session", "unread", "read", "log", "recalled"}, s.KeyNames("look"))
	require.NoError(t, set["join"].Takes(len(p.Transition("s"))))
	require.Nil(t, s.KeyNames("nothing"))
	_, err = s.Run(t.Context(), "join", p.Transition("s")[1:])
	require.EqualError(t, err, "script join: 10 keys are given, and it takes session, log, unread, read, authors, timers, dirty, outbox, states, rules, stats, hooks")
	_, err = s.Run(t.Context(), "nothing", p.Transition("s"))
	require.EqualError(t, err, "script nothing: there is none")
	for name, f := range set { // a transition begins and ends with the same
		names := s.KeyNames(name)
		if len(names) < 11 || names[7] != "outbox" && names[7] != "_outbox" {
			continue
		}
		n := len(names) - 1
		require.True(t, f.Hooks, name)
		require.Equal(t, []string{"session", "log", "unread", "read", "authors", "timers", "dirty"}, names[:7], name)
		require.Equal(t, []string{"states", "rules", "stats", "hooks"}, []string{names[n-3], strings.TrimPrefix(names[n-2], "_"), names[n-1], names[n]}, name)
	}
}

// What take.lua lends has the names in Go that its header has.
func TestNamesOfLentWork(t *testing.T) {
	set, err := scripts.Load(scripts.Options{})
	require.NoError(t, err)
	require.Subset(t, (&Store{scripts: set}).KeyNames("take"), []string{Timers, Outbox, Clearing})
}

// To look a script up and count its keys costs nothing beside the call.
func BenchmarkScript(b *testing.B) {
	set, err := scripts.Load(scripts.Options{})
	require.NoError(b, err)
	s, keys := &Store{scripts: set}, newPartitions(1, 0)[0].Transition("s")
	for b.Loop() {
		if _, err := s.script("join", len(keys)); err != nil {
			b.Fatal(err)
		}
	}
}
