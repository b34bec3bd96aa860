package archive

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"
	"unicode"
	"unicode/utf8"

	"bellhop/internal/fold"
)

// MaxItem is the longest body of a message and snapshot of a session a store
// takes, in bytes: with it a document stays below MongoDB's limit of 16 MiB.
const MaxItem = 8 << 20

// Valid is nil for a message that any store can take.
func (m *Message) Valid() error {
	switch {
	case m.Mid == "" || m.Session == "" || m.Seq < 1:
		return errors.New("no mid, session or seq")
	case len(m.Body) > MaxItem:
		return fmt.Errorf("a body of %d bytes; at most %d", len(m.Body), MaxItem)
	case m.Body != "" && !isPlain(m.Body) && !json.Valid([]byte(m.Body)):
		return errors.New("the body is no JSON")
	case !utf8.ValidString(m.Mid + m.Session + m.By + m.Sender + m.Role + m.Name + m.Type + m.Command + m.Body + m.Key + m.User + m.Queue):
		return errors.New("not UTF-8")
	}
	return nil
}

// Valid is nil for a session that any store can take.
func (s *Session) Valid() error {
	switch {
	case s.ID == "":
		return errors.New("no id")
	case len(s.Snapshot) > MaxItem:
		return fmt.Errorf("a snapshot of %d bytes; at most %d", len(s.Snapshot), MaxItem)
	case !utf8.ValidString(s.ID + s.State + s.Queue + s.User + s.UserInfo + s.UserKind + s.Agent + s.AgentInfo + s.Target + s.Snapshot + strings.Join(s.Labels, "")):
		return errors.New("not UTF-8")
	}
	return nil
}

// Text is what a message is found by: a text, a file's name, a card's strings.
func (m *Message) Text() string {
	if m.Type == "system" || m.Body == "" {
		return ""
	}
	isFile := m.Type == "image" || m.Type == "voice" || m.Type == "video" || m.Type == "file"
	if !isFile && isPlain(m.Body) {
		return m.Body[1 : len(m.Body)-1]
	}
	var v any
	if json.Unmarshal([]byte(m.Body), &v) != nil {
		return ""
	}
	if isFile {
		file, _ := v.(map[string]any)
		name, _ := file["name"].(string)
		return name
	}
	return strings.Join(texts(v, nil), "\n")
}

// isPlain tells whether JSON is a string that means what is between its quotes,
// as nearly all bodies are: reading those is much of what archiving costs.
func isPlain(body string) bool {
	n := len(body)
	if n < 2 || body[0] != '"' || body[n-1] != '"' {
		return false
	}
	for i := 1; i < n-1; i++ {
		if c := body[i]; c < ' ' || c == '"' || c == '\\' {
			return false
		}
	}
	return utf8.ValidString(body)
}

// texts collects the strings in a JSON value, an object's by the order of its keys.
func texts(v any, out []string) []string {
	switch v := v.(type) {
	case string:
		out = append(out, v)
	case []any:
		for _, e := range v {
			out = texts(e, out)
		}
	case map[string]any:
		keys := make([]string, 0, len(v))
		for k := range v {
			keys = append(keys, k)
		}
		sort.Strings(keys)
		for _, k := range keys {
			out = texts(v[k], out)
		}
	}
	return out
}

// Fold makes text comparable: in it cases, widths and other forms of a character
// are one, and what cannot be seen is not there (see package fold).
func Fold(s string) string { return fold.String(s) }

// OldFold is how texts were folded that a store has not indexed again yet: rune
// by rune, cases alone.
func OldFold(s string) string {
	return strings.Map(func(r rune) rune { return unicode.ToLower(unicode.ToUpper(r)) }, s)
}

// Words splits what somebody searches for at white space, folds it, and leaves out what comes twice.
func Words(query string) []string { return words(Fold(query)) }

// OldWords are those that what is not indexed again yet is found by.
func OldWords(query string) []string { return words(OldFold(query)) }

func words(folded string) []string {
	var out []string
	for _, w := range strings.Fields(folded) {
		if !slices.Contains(out, w) {
			out = append(out, w)
		}
	}
	return out
}

// Holds tells whether a folded text has all the words.
func Holds(folded string, words []string) bool {
	for _, w := range words {
		if !strings.Contains(folded, w) {
			return false
		}
	}
	return true
}
