package scripts

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// code is what a file's Lua names. It is no parser: a name that is declared anywhere in
// the file counts as known in all of it. What is left to find, the tests do.
type code struct {
	declared map[string]bool           // its own local names
	exports  map[string]bool           // those that are of no block: whoever includes it has them
	uses     map[string]int            // names, and the first line each is used in
	bare     map[string]bool           // those that are used otherwise than for one of their fields
	fields   map[string]map[string]int // name → field → the first line it is read in
	includes []include
}

type include struct {
	lib  string
	line int
}

type token struct {
	text string
	line int
	word bool
}

var keywords = strings.Fields(`and break do else elseif end false for function if in local nil not or repeat return
	then true until while`)

// globals are what Redis gives a script, and the embedded one, too. KEYS and ARGV are not
// among them: the header names what is in them.
var globals = strings.Fields(`redis cjson string table math tonumber tostring ipairs pairs pcall select unpack error type`)

func read(lines []string) (code, error) {
	c := code{declared: map[string]bool{}, exports: map[string]bool{}, uses: map[string]int{}, bare: map[string]bool{},
		fields: map[string]map[string]int{}}
	var tokens []token
	for i, line := range lines {
		if libs, _, ok := included(line); ok {
			for _, lib := range libs {
				c.includes = append(c.includes, include{lib, i + 1})
			}
			continue
		}
		more, err := words(line, i+1)
		if err != nil {
			return c, err
		}
		tokens = append(tokens, more...)
	}
	c.take(tokens)
	return c, nil
}

// words takes a line of code apart; no text goes over several lines.
func words(line string, n int) ([]token, error) {
	var list []token
	line = strings.Replace(line, hooksMark, "", 1)
	isWord := func(r byte) bool { return r == '_' || unicode.IsLetter(rune(r)) || unicode.IsDigit(rune(r)) }
	for i := 0; i < len(line); {
		switch c := line[i]; {
		case strings.HasPrefix(line[i:], "--"):
			return list, nil
		case c == '\'' || c == '"':
			end := i + 1
			for end < len(line) && line[end] != c {
				if line[end] == '\\' {
					end++
				}
				end++
			}
			if end >= len(line) {
				return nil, fmt.Errorf("%d: a text that does not end", n)
			}
			list, i = append(list, token{"''", n, false}), end+1
		case isWord(c):
			end := i
			for end < len(line) && isWord(line[end]) {
				end++
			}
			list, i = append(list, token{line[i:end], n, !unicode.IsDigit(rune(c))}), end
		case strings.HasPrefix(line[i:], "..."), strings.HasPrefix(line[i:], ".."), strings.HasPrefix(line[i:], "=="),
			strings.HasPrefix(line[i:], "~="), strings.HasPrefix(line[i:], "<="), strings.HasPrefix(line[i:], ">="):
			end := i + 2
			if strings.HasPrefix(line[i:], "...") {
				end++
			}
			list, i = append(list, token{line[i:end], n, false}), end
		case unicode.IsSpace(rune(c)):
			i++
		default:
			list, i = append(list, token{line[i : i+1], n, false}), i+1
		}
	}
	return list, nil
}

// take notes what the code declares and uses.
func (c *code) take(list []token) {
	w := walk{code: c, list: list}
	for w.i = 0; w.i < len(list); w.i++ {
		if !w.declares() {
			w.nests()
			w.names()
		}
	}
}

// walk goes through a file's words.
type walk struct {
	*code
	list     []token
	i        int
	depth    int      // of blocks
	brackets []string // that are open
}

func (w *walk) at(i int) string {
	if i < 0 || i >= len(w.list) {
		return ""
	}
	return w.list[i].text
}

// declares goes past names that are declared where it stands, if there are any.
func (w *walk) declares() bool {
	switch w.at(w.i) {
	case "local":
		function := w.at(w.i+1) == "function"
		if function {
			w.i++
		}
		first := w.i + 1
		last := w.declare(first)
		for i := first; w.depth == 0 && i <= last; i += 2 {
			w.exports[w.at(i)] = true
		}
		if function {
			w.i-- // what takes its parameters comes next
		} else {
			w.i = last
		}
	case "for":
		w.i = w.declare(w.i + 1)
	case "function":
		w.depth++
		for w.at(w.i) != "(" && w.i < len(w.list) {
			w.i++
		}
		w.i = max(w.declare(w.i+1), w.i)
	default:
		return false
	}
	return true
}

// declare notes the names from there on, and gives the place of the last.
func (w *walk) declare(from int) int {
	last := from - 1
	for i := from; i < len(w.list) && w.list[i].word && !slices.Contains(keywords, w.at(i)); i += 2 {
		w.declared[w.at(i)], last = true, i
		if w.at(i+1) != "," {
			break
		}
	}
	return last
}

// nests keeps count of blocks and brackets.
func (w *walk) nests() {
	switch text := w.at(w.i); text {
	case "if", "do", "repeat":
		w.depth++
	case "end", "until":
		w.depth--
	case "(", "[", "{":
		w.brackets = append(w.brackets, text)
	case ")", "]", "}":
		w.brackets = w.brackets[:max(0, len(w.brackets)-1)]
	}
}

// names notes a name that is used: no keyword, and no field of something.
func (w *walk) names() {
	t, before := w.list[w.i], w.at(w.i-1)
	if !t.word || slices.Contains(keywords, t.text) || before == "." || before == ":" {
		return
	}
	if n := len(w.brackets); n > 0 && w.brackets[n-1] == "{" && w.at(w.i+1) == "=" {
		return
	}
	w.use(t, w.at(w.i+1) == ".", w.at(w.i+2), w.at(w.i+3) == "=")
}

// use notes that a name is used, as a whole or for one of its fields, which is read or set.
func (c *code) use(t token, field bool, name string, set bool) {
	if c.uses[t.text] == 0 {
		c.uses[t.text] = t.line
	}
	switch {
	case !field:
		c.bare[t.text] = true
	case !set:
		if c.fields[t.text] == nil {
			c.fields[t.text] = map[string]int{}
		}
		if c.fields[t.text][name] == 0 {
			c.fields[t.text][name] = t.line
		}
	}
}
