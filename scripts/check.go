package scripts

import (
	"fmt"
	"maps"
	"slices"
)

// sound refuses what does not fit together.
func (h *collection) sound() error {
	wanted := map[string]bool{}
	for _, set := range []map[string]*file{h.libs, h.scripts} {
		for _, name := range slices.Sorted(maps.Keys(set)) {
			if err := h.check(set[name]); err != nil {
				return err
			}
		}
	}
	for _, f := range h.scripts {
		for _, lib := range h.all(f) {
			wanted[lib.name] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(h.libs)) {
		if !wanted[name] {
			return fmt.Errorf("%s: no script includes it", h.libs[name].path)
		}
	}
	return nil
}

// check refuses a file that names what is not there, or has what it does not use.
func (h *collection) check(f *file) error {
	known := map[string]bool{}
	for name := range f.declared {
		known[name] = true
	}
	for _, k := range f.names() {
		if known[k.Name] {
			return fmt.Errorf("%s: the code has a %s of its own, which hides that of the header", f.path, k.Name)
		}
		known[k.Name] = true
	}
	for _, inc := range f.includes {
		lib := h.libs[inc.lib]
		if lib == nil {
			return fmt.Errorf("%s:%d: it includes %s, and there is no lib/%s.lua", f.path, inc.line, inc.lib, inc.lib)
		}
		used := false
		for name := range lib.exports {
			known[name] = true
			used = used || f.uses[name] > 0 && !f.declared[name]
		}
		if !used {
			return fmt.Errorf("%s:%d: it includes %s and uses nothing of it", f.path, inc.line, inc.lib)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(f.uses)) {
		switch {
		case known[name] || slices.Contains(globals, name):
		case name == "KEYS" || name == "ARGV":
			return fmt.Errorf("%s:%d: %s by number: the header names them", f.path, f.uses[name], name)
		default:
			return fmt.Errorf("%s:%d: nothing makes %s: neither the header nor what is included", f.path, f.uses[name], name)
		}
	}
	if err := f.checkFields(); err != nil {
		return err
	}
	if f.lib {
		return nil
	}
	return h.checkNeeds(f)
}

// checkFields compares the fields of JSON that a header names with those that the code reads.
func (f *file) checkFields() error {
	for _, k := range f.args {
		for _, name := range slices.Sorted(maps.Keys(f.fields[k.Name])) {
			if !slices.ContainsFunc(k.fields, func(a field) bool { return a.name == name }) && len(k.Kinds) > 0 {
				return fmt.Errorf("%s:%d: the header does not name %s.%s", f.path, f.fields[k.Name][name], k.Name, name)
			}
		}
	}
	return nil
}

// checkNeeds holds a script's header to its own code and to that of all it includes.
func (h *collection) checkNeeds(f *file) error {
	used := maps.Clone(f.uses)
	fields := map[string]bool{}
	note := func(f *file) {
		for name, list := range f.fields {
			for field := range list {
				fields[name+"."+field] = true
			}
		}
	}
	note(f)
	whole := maps.Clone(f.bare) // JSON that goes on as a whole
	for _, lib := range h.all(f) {
		note(lib)
		for _, k := range slices.Concat(lib.keys, lib.args) {
			used[k.Name]++
			if err := f.meets(lib, k); err != nil {
				return err
			}
		}
	}
	for _, k := range f.names() {
		if used[k.Name] == 0 && k.Name[0] != '_' {
			return fmt.Errorf("%s: the header names %s, and nothing uses it", f.path, k.Name)
		}
		for _, a := range k.fields {
			if !whole[k.Name] && !fields[k.Name+"."+a.name] {
				return fmt.Errorf("%s: the header names %s.%s, and nothing uses it", f.path, k.Name, a.name)
			}
		}
	}
	return nil
}

// meets holds that a script has what a part that it includes needs.
func (f *file) meets(lib *file, k Key) error {
	if f.declared[k.Name] {
		return nil
	}
	for _, own := range f.names() {
		if own.Name != k.Name {
			continue
		}
		for _, a := range k.fields {
			if !a.optional && !slices.ContainsFunc(own.fields, func(b field) bool { return b.name == a.name }) {
				return fmt.Errorf("%s: the header does not name %s.%s, which %s uses", f.path, k.Name, a.name, lib.path)
			}
		}
		return nil
	}
	return fmt.Errorf("%s: the header does not name %s, which %s uses", f.path, k.Name, lib.path)
}

// all are the parts that a file includes, and those that these do, each once, by name.
func (h *collection) all(f *file) []*file {
	there := map[string]bool{}
	var walk func(f *file)
	walk = func(f *file) {
		for _, inc := range f.includes {
			if lib := h.libs[inc.lib]; lib != nil && !there[inc.lib] {
				there[inc.lib] = true
				walk(lib)
			}
		}
	}
	walk(f)
	var list []*file
	for _, name := range slices.Sorted(maps.Keys(there)) {
		list = append(list, h.libs[name])
	}
	return list
}
