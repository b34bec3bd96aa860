package testenv

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"bellhop/scripts"
)

// ReadsAll fails the test where a script does not read a field of the struct that it is
// given as JSON, or reads one that is not there and may not be lacking, but for those
// named in but. What a script reads is what its header says: the loader sees to that.
func ReadsAll(t *testing.T, script string, args any, but ...string) {
	t.Helper()
	all, err := scripts.Load(scripts.Options{Hooks: true})
	if err != nil || all[script] == nil {
		t.Fatalf("no script %s: %v", script, err)
	}
	given := map[string]bool{}
	jsonNames(reflect.TypeOf(args), given)
	for name := range given {
		if _, read := all[script].Fields[name]; !read && !slices.Contains(but, name) {
			t.Errorf("%s.lua is given %q and does not read it", script, name)
		}
	}
	for name, optional := range all[script].Fields {
		if !given[name] && !optional && !slices.Contains(but, name) {
			t.Errorf("%s.lua reads %q, which it is not given", script, name)
		}
	}
}

// jsonNames are a struct's.
func jsonNames(of reflect.Type, names map[string]bool) {
	for i := range of.NumField() {
		f := of.Field(i)
		if f.Anonymous {
			jsonNames(f.Type, names)
			continue
		}
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		names[name] = true
	}
}
