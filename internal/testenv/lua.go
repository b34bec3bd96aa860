package testenv

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
)

var (
	luaFunction = regexp.MustCompile(`(?ms)^local function (\w+)\(.*?^end\n|^local function (\w+)\([^\n]* end\n`)
	luaRead     = regexp.MustCompile(`\b[ae]\.(\w+)(?:\.(\w+))?`) // of what ARGV[1] was decoded into
)

// ReadsAll fails the test where a script does not read a field of the struct that it
// is given as JSON, or reads one that is not there, but for those named in but.
func ReadsAll(t *testing.T, script string, args any, but ...string) {
	t.Helper()
	read := map[string]bool{}
	for _, m := range luaRead.FindAllStringSubmatch(luaUsed(t, script), -1) {
		read[m[1]] = true
		if m[2] != "" {
			read[m[1]+"."+m[2]] = true
		}
	}
	given := map[string]bool{}
	jsonNames(reflect.TypeOf(args), "", given)
	for name := range given {
		if !read[name] && !slices.Contains(but, name) {
			t.Errorf("%s.lua is given %q and does not read it", script, name)
		}
	}
	for name := range read {
		if !given[name] && !slices.Contains(but, name) {
			t.Errorf("%s.lua reads %q, which it is not given", script, name)
		}
	}
}

// jsonNames are a struct's, and those of the structs in it.
func jsonNames(of reflect.Type, before string, names map[string]bool) {
	for i := range of.NumField() {
		f := of.Field(i)
		if f.Anonymous {
			jsonNames(f.Type, before, names)
			continue
		}
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		names[before+name] = true
		inner := f.Type
		if inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		if inner.Kind() == reflect.Struct {
			jsonNames(inner, before+name+".", names)
		}
	}
}

// luaUsed is a script with what it includes, without comments and functions that nothing calls.
func luaUsed(t *testing.T, script string) string {
	t.Helper()
	_, here, _, _ := runtime.Caller(0)
	files := map[string]string{}
	err := filepath.WalkDir(filepath.Join(filepath.Dir(here), "../../scripts"), func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || path.Ext(p) != ".lua" {
			return err
		}
		text, err := os.ReadFile(p)
		name := strings.TrimSuffix(filepath.Base(p), ".lua")
		if filepath.Base(filepath.Dir(p)) == "lib" {
			name = "lib/" + name
		}
		files[name] = string(text)
		return err
	})
	if err != nil || files[script] == "" {
		t.Fatalf("no script %s: %v", script, err)
	}
	text := luaWhole(files, files[script])
	for {
		before := text
		text = luaFunction.ReplaceAllStringFunc(text, func(f string) string {
			m := luaFunction.FindStringSubmatch(f)
			if calls := regexp.MustCompile(`\b` + m[1] + m[2] + `\(`); len(calls.FindAllString(before, -1)) == len(calls.FindAllString(f, -1)) {
				return ""
			}
			return f
		})
		if text == before {
			return text
		}
	}
}

// luaWhole puts what a text includes in its place.
func luaWhole(files map[string]string, text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if libs, ok := strings.CutPrefix(line, "--#include "); ok {
			for _, lib := range strings.Fields(libs) {
				b.WriteString(luaWhole(files, files["lib/"+path.Base(lib)]))
			}
		} else if !strings.HasPrefix(strings.TrimSpace(line), "--") {
			b.WriteString(line)
		}
	}
	return b.String()
}
