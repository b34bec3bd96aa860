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
	at := func(i int) string {
		if i < 0 || i >= len(list) {
			return ""
		}
		return list[i].text
	}
	names := func(i int) (last int) { // a list of names, declared here
		for ; i < len(list) && list[i].word && !slices.Contains(keywords, at(i)); i += 2 {
			c.declared[at(i)] = true
			if last = i; at(i+1) != "," {
				return i
			}
		}
		return max(last, i-1)
	}
	depth, open := 0, []string{}
	for i := 0; i < len(list); i++ {
		t := list[i]
		switch t.text {
		case "local":
			first := i + 1
			if at(first) == "function" {
				first++
			}
			last := names(first)
			for j := first; depth == 0 && j <= last; j += 2 {
				c.exports[at(j)] = true
			}
			if first == i+1 {
				i = last
			}
			continue
		case "for":
			i = names(i + 1)
			continue
		case "function":
			depth++
			for i++; at(i) != "(" && i < len(list); i++ { //nolint:revive // its name is declared already
			}
			i = max(names(i+1), i)
			continue
		case "if", "do", "repeat":
			depth++
		case "end", "until":
			depth--
		case "(", "[", "{":
			open = append(open, t.text)
		case ")", "]", "}":
			open = open[:max(0, len(open)-1)]
		}
		if !t.word || slices.Contains(keywords, t.text) || at(i-1) == "." || at(i-1) == ":" {
			continue
		}
		if len(open) > 0 && open[len(open)-1] == "{" && at(i+1) == "=" { // a field of a table
			continue
		}
		c.use(t, at(i+1) == ".", at(i+2), at(i+3) == "=")
	}
}

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
