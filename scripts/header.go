package scripts

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
)

// A file begins with comments:
//
//	-- claim: what it does, in words.
//	-- KEYS: session, log, waits... = waiting (of a.queues), late?, hooks?
//	-- ARGV: a = JSON (op, session, queues (as waits), bot?), ttl = number (ms), members...
//	-- reply: what it answers
//	-- holds: what is true before and after
//
// and a line may go on in the next one, indented. A key is `name`, or `name = kind` where its name
// is another than that of the kind of keys it is one of, which kinds.go has; `a|b` is one of several
// kinds. `...` stands for any number, `?` for what may be lacking, and what is in parentheses is words.
// A name that begins with `_` is not used. An argument is a text, a number or JSON, whose fields follow.
//
// A script that begins with `--#each` after its header's names is run for the calls of many callers of one partition at
// once. What one call brings is named apart, with `-- EACH KEYS:` and `-- EACH ARGV:`, and stands after the rest. The code
// up to the line `--#each` runs once, that up to `--#end` for each call, which it answers with `return`, in their order;
// the rest runs once again, at the end. A call that fails changes nothing for the others: its reply is {'error', why}.
//
// A part in lib has KEYS and ARGV, too, where its code uses them: whoever includes it must have those
// names; of JSON those fields, without a `?`, too.
const (
	includeMark = "--#include "
	flagsMark   = "--#flags "
	hooksMark   = "--#hooks " // the rest of the line is code for those who have webhooks
	eachMark    = "--#each"   // what follows is for each call
	endMark     = "--#end"    // up to here
	hooksKey    = "hooks"     // the last key of a script that has such a line
)

// Key is one of KEYS, or of ARGV, as a header names it.
type Key struct {
	Name     string
	Kinds    []string // the kinds of keys that it may be one of; of an argument, JSON or number
	Optional bool     // it may be lacking
	Many     bool     // any number of them

	fields []field // of JSON
}

type field struct {
	name     string
	optional bool
}

// file is one file of Lua.
type file struct {
	path, name string
	lib        bool
	flags      string
	keys, args []Key
	each       struct{ keys, args []Key } // what one of many calls brings
	lines      []string
	code
}

var (
	label    = regexp.MustCompile(`^-- ((?:EACH )?\w+):(?: |$)`)
	keyForm  = regexp.MustCompile(`^([a-z_]+)(\?|\.\.\.)?(?: = ([a-z_|]+))?(?: \(.*\))?$`)
	argForm  = regexp.MustCompile(`^([a-z_]+)(\?|\.\.\.)?(?: = (JSON|number))?(?: \((.*)\))?$`)
	jsonForm = regexp.MustCompile(`^([a-z_]+)(\?)?(?: \(.*\))?$`)
)

// parse reads a file.
func parse(at, text string) (*file, error) {
	f := &file{path: at, name: strings.TrimSuffix(path.Base(at), ".lua"), lib: path.Dir(at) == "lib",
		lines: slices.Collect(strings.Lines(text))}
	if len(f.lines) == 0 || !strings.HasPrefix(f.lines[0], "-- "+f.name+": ") && !f.lib {
		return nil, fmt.Errorf("%s:1: the first line must be `-- %s: what it does`", at, f.name)
	}
	told := map[string]bool{}
	for i := 0; i < len(f.lines); i++ {
		line := f.lines[i]
		if flags, ok := strings.CutPrefix(line, flagsMark); ok {
			f.flags, f.lines[i] = strings.TrimSpace(flags), "\n"
			continue
		}
		if !strings.HasPrefix(line, "--") {
			break
		}
		m := label.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		begins := i + 1
		text := strings.TrimSpace(line[len(m[0]):])
		for i+1 < len(f.lines) && strings.HasPrefix(f.lines[i+1], "--  ") {
			i++
			text += " " + strings.TrimSpace(f.lines[i][2:])
		}
		if told[m[1]] {
			return nil, fmt.Errorf("%s:%d: %s is there already", at, begins, m[1])
		}
		told[m[1]] = true
		var err error
		switch m[1] {
		case "KEYS":
			f.keys, err = f.readKeys(text)
		case "ARGV":
			f.args, err = f.readArgs(text)
		case "EACH KEYS":
			f.each.keys, err = f.readKeys(text)
		case "EACH ARGV":
			f.each.args, err = f.readArgs(text)
		}
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %s: %w", at, begins, m[1], err)
		}
	}
	for _, must := range []string{"KEYS", "ARGV", "reply", "holds"} {
		if !f.lib && !told[must] {
			return nil, fmt.Errorf("%s: the header has no `-- %s:`", at, must)
		}
	}
	var err error
	f.code, err = read(f.lines)
	if err != nil {
		return nil, fmt.Errorf("%s:%w", at, err)
	}
	if err := f.wellEach(); err != nil {
		return nil, fmt.Errorf("%s: %w", at, err)
	}
	return f, f.distinct()
}

// wellEach holds that a script for many calls says what each brings and where the code for each is.
func (f *file) wellEach() error {
	begin, end := slices.Index(f.lines, eachMark+"\n"), slices.Index(f.lines, endMark+"\n")
	if len(f.each.keys) == 0 {
		if begin >= 0 || end >= 0 {
			return fmt.Errorf("%s: the header has no `-- EACH KEYS:`", eachMark)
		}
		return nil
	}
	if begin < 0 || end < begin {
		return fmt.Errorf("EACH KEYS: there is no %s with an %s after it", eachMark, endMark)
	}
	for _, k := range slices.Concat(f.each.keys, f.each.args) {
		if k.Many || k.Optional {
			return fmt.Errorf("%s: each call brings the same number of keys and arguments", k.Name)
		}
	}
	for _, k := range f.keys {
		if k.Many || k.Optional && k.Name != hooksKey {
			return fmt.Errorf("%s: all calls share the same keys", k.Name)
		}
	}
	return nil
}

// names are all that a header names.
func (f *file) names() []Key { return slices.Concat(f.keys, f.args, f.each.keys, f.each.args) }

// readKeys reads what a header says of KEYS.
func (f *file) readKeys(text string) ([]Key, error) {
	items, err := items(text)
	if err != nil {
		return nil, err
	}
	var keys []Key
	for _, item := range items {
		m := keyForm.FindStringSubmatch(item)
		if m == nil {
			return nil, fmt.Errorf("%q is not of the form name, name?, name... or name = kind", item)
		}
		k := Key{Name: m[1], Kinds: []string{m[1]}, Optional: m[2] == "?", Many: m[2] == "..."}
		if m[3] != "" {
			k.Kinds = strings.Split(m[3], "|")
		}
		for _, kind := range k.Kinds {
			if !slices.Contains(Kinds, kind) {
				return nil, fmt.Errorf("%s: there are no keys of the kind %q", k.Name, kind)
			}
		}
		keys = append(keys, k)
	}
	return keys, f.order(keys)
}

// readArgs reads what a header says of ARGV.
func (f *file) readArgs(text string) ([]Key, error) {
	list, err := items(text)
	if err != nil {
		return nil, err
	}
	var args []Key
	for _, item := range list {
		m := argForm.FindStringSubmatch(item)
		if m == nil {
			return nil, fmt.Errorf("%q is not of the form name, name?, name..., name = number or name = JSON (fields)", item)
		}
		k := Key{Name: m[1], Optional: m[2] == "?", Many: m[2] == "..."}
		if m[3] != "" {
			k.Kinds = []string{m[3]}
		}
		if m[3] == "JSON" {
			fields, err := items(m[4])
			if err != nil {
				return nil, err
			}
			for _, text := range fields {
				n := jsonForm.FindStringSubmatch(text)
				if n == nil {
					return nil, fmt.Errorf("%s: %q is no field", k.Name, text)
				}
				k.fields = append(k.fields, field{n[1], n[2] == "?"})
			}
		}
		args = append(args, k)
	}
	return args, f.order(args)
}

// order holds that it is clear which of a list is which.
func (f *file) order(names []Key) error {
	if f.lib { // it says what there must be, not where
		return nil
	}
	many, optional := false, false
	for i, k := range names {
		last := k.Name == hooksKey && i == len(names)-1
		switch {
		case k.Many && (many || optional), k.Optional && many && !last:
			return fmt.Errorf("%s: it is not clear where it begins", k.Name)
		case !k.Many && !k.Optional && optional:
			return fmt.Errorf("%s: it comes after one that may be lacking", k.Name)
		}
		many, optional = many || k.Many, optional || k.Optional
	}
	return nil
}

// distinct holds that no name is there twice.
func (f *file) distinct() error {
	there := map[string]bool{}
	for _, k := range f.names() {
		if there[k.Name] {
			return fmt.Errorf("%s: the header has the name %s twice", f.path, k.Name)
		}
		there[k.Name] = true
	}
	return nil
}

// items takes a list apart at the commas that are in no parentheses; `none` is an empty one.
func items(text string) ([]string, error) {
	if text == "none" {
		return nil, nil
	}
	var list []string
	depth, from := 0, 0
	for i, c := range text {
		switch c {
		case '(':
			depth++
		case ')':
			depth--
		case ',':
			if depth == 0 {
				list = append(list, strings.TrimSpace(text[from:i]))
				from = i + 1
			}
		}
		if depth < 0 {
			break
		}
	}
	if depth != 0 {
		return nil, fmt.Errorf("parentheses that do not fit in %q", text)
	}
	return append(list, strings.TrimSpace(text[from:])), nil
}

// included are the parts that a line includes, and whether it stands within a block.
func included(line string) (libs []string, indented, ok bool) {
	bare := strings.TrimLeft(line, " ")
	list, ok := strings.CutPrefix(bare, includeMark)
	return strings.Fields(list), len(bare) < len(line), ok
}
