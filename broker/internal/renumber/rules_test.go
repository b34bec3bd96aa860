package renumber

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"

	"bellhop/broker/internal/store"
	"bellhop/scripts"
)

// Each kind of keys of a partition has a rule: whoever adds one says here what becomes of it
// under another number of partitions.
func TestEachKindOfKeysHasARule(t *testing.T) {
	of := slices.DeleteFunc(slices.Clone(scripts.Kinds), func(kind string) bool { return slices.Contains([]string{"unsent", "reindex", "frozen"}, kind) })
	require.ElementsMatch(t, of, slices.Collect(maps.Keys(rules)))
}

// What each key is, is found out from its name, whatever id it has. What a partition has one of is put away
// before nodes of before can do harm.
func TestKindsOfKeys(t *testing.T) {
	p := store.Numbering{Partitions: 1}.Parts()[0]
	for m := range reflect.TypeFor[store.Partition]().Methods() {
		if m.Type.NumOut() != 1 || m.Type.Out(0).Kind() != reflect.String || slices.Contains([]string{"All", "Key", "Frozen"}, m.Name) {
			continue
		}
		var kind strings.Builder
		for i, c := range m.Name {
			if i > 0 && unicode.IsUpper(c) {
				kind.WriteByte('_')
			}
			kind.WriteRune(unicode.ToLower(c))
		}
		ids := []string{"u:uma", "a:x:load", "s:move:y", "timers", "a}~b{c}:d", ""}
		if kind.String() == "move" || kind.String() == "left" || kind.String() == "failed" ||
			slices.Contains([]string{"session", "log", "unread", "read", "keys", "authors", "recalled"}, kind.String()) {
			ids = []string{"3fa-01J0000000000000000000000Z"}
		}
		for _, id := range ids {
			args := []reflect.Value{reflect.ValueOf(p)}
			for i := 1; i < m.Type.NumIn(); i++ {
				args = append(args, reflect.ValueOf(id))
			}
			if m.Name == "Rate" {
				args[1] = reflect.ValueOf("send")
			}
			key := m.Func.Call(args)[0].String()
			_, name, ok := store.Tagged(key)
			require.True(t, ok)
			got, of := kindOf(name)
			require.Equal(t, kind.String(), got, key)
			switch {
			case m.Type.NumIn() == 1:
				require.Equal(t, name, own[got], key)
				require.Empty(t, of)
			case m.Name == "Rate":
				require.Equal(t, "send:"+id, of)
			default:
				require.Equal(t, id, of, key)
			}
			tag, thawed, ok := store.Thawed(p.Frozen(name))
			require.True(t, ok)
			require.Equal(t, p.Tag, tag)
			require.Equal(t, name, thawed)
			_, _, ok = store.Tagged(p.Frozen("timers"))
			require.False(t, ok, "nodes do not take a frozen key for one of theirs")
		}
	}
}
