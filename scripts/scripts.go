// Package scripts holds the Lua that changes Bellhop's state in Redis, one
// transition a file, and loads it. The folders are the subjects, lib what they
// share. A script's name is its file's, so it is unique over all folders.
//
// Each file begins with what it is, in one form (see header.go): its KEYS and
// ARGV by name, what it answers and what holds. The names in the code come from
// there: the loader makes them local variables, and refuses what does not fit.
package scripts

import (
	"embed"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"
)

//go:embed */*.lua
var files embed.FS

// Options are what the Redis at hand can do.
type Options struct {
	// Sharded says that it is a cluster: scripts publish with SPUBLISH then, else
	// with PUBLISH. A channel has the name of the key it speaks of, so both stay
	// in the script's slot.
	Sharded bool
	// Flags says that it knows scripts with flags (Redis 7; the embedded one does
	// not): one that must not run, because memory is full or for another reason,
	// is refused before its first command then, never in the middle.
	Flags bool
	// Hooks says that there are webhooks: what their lines say is carried out. A
	// script that has such lines takes, after all its other KEYS, the partition's `hooks`.
	Hooks bool
}

// Script is one that Redis can run.
type Script struct {
	*redis.Script
	Name string
	Keys []Key // what it takes, in this order
	// Hooks says that the last of its keys is the partition's `hooks`, which is
	// given where there are webhooks only.
	Hooks bool
	// Fields are the names in the JSON that it takes, and whether each may be lacking. It
	// reads all of them, and no others.
	Fields map[string]bool

	// Traced says that it publishes the span that it is given as the field `trace` of its JSON.
	Traced bool

	// Each is how many keys and arguments each call brings, where the script is for many calls at once.
	Each struct{ Keys, Args int }

	least, most int // keys, without `hooks`; most is -1 where there may be any number
}

// Takes refuses a wrong number of keys; `hooks` does not count.
func (s *Script) Takes(keys int) error {
	if n := s.Each.Keys; n > 0 {
		if keys > s.least && (keys-s.least)%n == 0 {
			return nil
		}
		return fmt.Errorf("script %s: %d keys are given, and it takes %d and %d for each call", s.Name, keys, s.least, n)
	}
	if keys >= s.least && (keys <= s.most || s.most < 0) {
		return nil
	}
	return fmt.Errorf("script %s: %d keys are given, and it takes %s", s.Name, keys, strings.Join(s.KeyNames(), ", "))
}

// KeyNames are the names of its keys, in order, as its header has them: with `...` where there may be any number.
func (s *Script) KeyNames() []string {
	names := make([]string, len(s.Keys))
	for i, k := range s.Keys {
		names[i] = k.Name
		if k.Many {
			names[i] += "..."
		}
	}
	return names
}

// Load gives every script by its name.
func Load(o Options) (map[string]*Script, error) {
	h, err := own()
	if err != nil {
		return nil, err
	}
	return h.load(o), nil
}

// own is what this package holds: read and checked once.
var own = sync.OnceValues(func() (*collection, error) { return open(files) })

// Compile makes a script of a text of the same form as the files: what it includes is put in place.
func Compile(name, text string, o Options) (*Script, error) {
	h, err := own()
	if err != nil {
		return nil, err
	}
	f, err := parse(name, text)
	if err != nil {
		return nil, err
	}
	if err := h.check(f); err != nil {
		return nil, err
	}
	return h.compile(f, o), nil
}

// open reads all the Lua there is, if it fits together.
func open(from fs.FS) (*collection, error) {
	h, err := readAll(from)
	if err != nil {
		return nil, err
	}
	return h, h.sound()
}

func (h *collection) load(o Options) map[string]*Script {
	set := make(map[string]*Script, len(h.scripts))
	for name, f := range h.scripts {
		set[name] = h.compile(f, o)
	}
	return set
}

// collection is all the Lua there is.
type collection struct{ scripts, libs map[string]*file }

func readAll(from fs.FS) (*collection, error) {
	paths, err := fs.Glob(from, "*/*.lua")
	if err != nil {
		return nil, err
	}
	h := &collection{scripts: map[string]*file{}, libs: map[string]*file{}}
	for _, path := range paths {
		text, err := fs.ReadFile(from, path)
		if err != nil {
			return nil, err
		}
		f, err := parse(path, string(text))
		if err != nil {
			return nil, err
		}
		set := h.scripts
		if f.lib {
			set = h.libs
		}
		if other := set[f.name]; other != nil {
			return nil, fmt.Errorf("%s: %s has that name, too", path, other.path)
		}
		set[f.name] = f
	}
	return h, nil
}

// compile makes a script, and counts its keys.
func (h *collection) compile(f *file, o Options) *Script {
	s := &Script{Script: redis.NewScript(h.source(f, o)), Name: f.name, Keys: f.keys, most: len(f.keys)}
	for _, k := range f.keys {
		switch {
		case k.Many:
			s.most = -1
		case k.Name == hooksKey && k.Optional:
			s.Hooks = true
		case !k.Optional:
			s.least++
		}
	}
	if s.Hooks && s.most > 0 {
		s.most--
	}
	for _, part := range append(h.all(f), f) {
		for _, a := range part.args {
			s.Traced = s.Traced || slices.ContainsFunc(a.fields, func(f field) bool { return f.name == "trace" })
		}
	}
	s.Each.Keys, s.Each.Args = len(f.each.keys), len(f.each.args)
	for _, a := range f.args {
		for _, field := range a.fields {
			if s.Fields == nil {
				s.Fields = map[string]bool{}
			}
			s.Fields[field.name] = field.optional
		}
	}
	return s
}

// source is what Redis gets.
func (h *collection) source(f *file, o Options) string {
	var b strings.Builder
	if o.Flags {
		b.WriteString("#!lua flags=" + f.flags + "\n")
	}
	given := f.keys
	if n := len(given); n > 0 && !o.Hooks && given[n-1].Name == hooksKey && given[n-1].Optional {
		given = given[:n-1]
	}
	declare(&b, "KEYS", given)
	declare(&b, "ARGV", f.args)
	if len(f.each.keys) == 0 {
		h.emit(&b, f, map[string]bool{})
	} else {
		h.emitEach(&b, f, len(given))
	}
	src := b.String()
	if o.Sharded {
		src = strings.ReplaceAll(src, "'PUBLISH'", "'SPUBLISH'")
	}
	if o.Hooks {
		src = strings.ReplaceAll(src, hooksMark, "")
	}
	return src
}

// emit writes a file with what it includes put in place, since Redis has no
// require: each once. What is included within a block is there in that block only.
func (h *collection) emit(b *strings.Builder, f *file, there map[string]bool) {
	for _, line := range f.lines {
		libs, indented, ok := included(line)
		if !ok {
			b.WriteString(line)
			continue
		}
		within := there
		if indented {
			within = maps.Clone(there)
		}
		for _, lib := range libs {
			if !within[lib] {
				within[lib] = true
				h.emit(b, h.libs[lib], within)
			}
		}
	}
}

// emitEach writes a script for many calls: a function for each, and what calls it.
func (h *collection) emitEach(b *strings.Builder, f *file, shared int) {
	begin, end := slices.Index(f.lines, eachMark+"\n"), slices.Index(f.lines, endMark+"\n")
	part := func(lines []string, there map[string]bool) map[string]bool {
		h.emit(b, &file{lines: lines}, there)
		return there
	}
	there := part(f.lines[:begin], map[string]bool{})
	b.WriteString("local function each(key, arg)\n")
	declareAt(b, "KEYS", "key", f.each.keys)
	declareAt(b, "ARGV", "arg", f.each.args)
	part(f.lines[begin+1:end], maps.Clone(there))
	fmt.Fprintf(b, "end\nlocal replies = {}\nfor n = 0, (#KEYS - %d) / %d - 1 do\n", shared, len(f.each.keys))
	fmt.Fprintf(b, "  local ok, reply = pcall(each, %d + n * %d, %d + n * %d)\n", shared, len(f.each.keys), len(f.args), len(f.each.args))
	b.WriteString("  replies[n + 1] = ok and reply or {'error', type(reply) == 'table' and reply.err or tostring(reply)}\nend\n")
	part(f.lines[end+1:], there)
	b.WriteString("return replies\n")
}

// declareAt makes the names of what one call brings local variables.
func declareAt(b *strings.Builder, list, offset string, names []Key) {
	var left, right []string
	for i, k := range names {
		at := fmt.Sprintf("%s[%s + %d]", list, offset, i+1)
		left, right = append(left, k.Name), append(right, converted(k, at))
	}
	if len(left) > 0 {
		fmt.Fprintf(b, "local %s = %s\n", strings.Join(left, ", "), strings.Join(right, ", "))
	}
}

// converted is an argument as the code wants it.
func converted(k Key, at string) string {
	switch {
	case len(k.Kinds) == 1 && k.Kinds[0] == "JSON":
		return "cjson.decode(" + at + ")"
	case len(k.Kinds) == 1 && k.Kinds[0] == "number":
		return "tonumber(" + at + ")"
	default:
		return at
	}
}

// declare makes the names of a header local variables. What comes after a
// name of many is counted from the end.
func declare(b *strings.Builder, list string, names []Key) {
	var left, right []string
	many := -1
	for i, k := range names {
		at := fmt.Sprintf("%s[%d]", list, i+1)
		switch {
		case k.Many:
			many = i
			continue
		case many >= 0:
			at = fmt.Sprintf("%s[#%s - %d]", list, list, len(names)-1-i)
		}
		left, right = append(left, k.Name), append(right, converted(k, at))
	}
	if len(left) > 0 {
		fmt.Fprintf(b, "local %s = %s\n", strings.Join(left, ", "), strings.Join(right, ", "))
	}
	if many >= 0 {
		fmt.Fprintf(b, "local %s = {} for i = %d, #%s - %d do %s[i - %d] = %s[i] end\n", names[many].Name, many+1, list,
			len(names)-1-many, names[many].Name, many, list)
	}
}
