// Package filter finds the words of a list in texts and blanks them. It knows
// nothing of chat. docs/limits.md says what is found and what is not.
package filter

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"bellhop/internal/fold"
)

const (
	// MaxWord is how long a word may be, in bytes.
	MaxWord = 256
	// MaxWords is how many a list may have. Each takes about 60 bytes, and 15 for each byte of a long one.
	MaxWords = 100_000
)

// Words finds a list's words. It may be used concurrently.
type Words struct {
	automaton *automaton
}

// Read makes Words of a list in UTF-8: a word a line; empty lines, and those
// that begin with #, are none. An error names the line.
func Read(r io.Reader) (*Words, error) {
	var words []string
	scan := bufio.NewScanner(r)
	n := 1
	for ; scan.Scan(); n++ {
		line := scan.Text()
		if n == 1 {
			line = strings.TrimPrefix(line, "\ufeff")
		}
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		if err := check(line); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		words = append(words, line)
	}
	if err := scan.Err(); errors.Is(err, bufio.ErrTooLong) {
		return nil, fmt.Errorf("line %d: %w", n, errLong)
	} else if err != nil {
		return nil, err
	}
	return New(words)
}

var errLong = fmt.Errorf("a word of more than %d bytes", MaxWord)

func check(word string) error {
	switch {
	case len(word) > MaxWord:
		return errLong
	case !utf8.ValidString(word):
		return errors.New("not UTF-8")
	case folded(word) == "":
		return errors.New("a word without a character that can be seen")
	}
	return nil
}

// New makes Words of a list. Words that differ in nothing that matters are one.
func New(words []string) (*Words, error) {
	seen := make(map[string]bool, len(words))
	list := make([]string, 0, len(words))
	for _, word := range words {
		if err := check(word); err != nil {
			return nil, err
		}
		if f := folded(word); !seen[f] {
			seen[f] = true
			list = append(list, f)
		}
	}
	switch {
	case len(list) == 0:
		return nil, errors.New("no words")
	case len(list) > MaxWords:
		return nil, fmt.Errorf("more than %d words", MaxWords)
	}
	return &Words{newAutomaton(list)}, nil
}

var folds = sync.Pool{New: func() any { return new(text) }}

// Mask gives the text with a * for each character of a listed word, and whether
// there was one. All else stays as it was, byte for byte. The result is never
// longer than the text, in bytes.
func (w *Words) Mask(text string) (masked string, found bool) {
	masked, found = w.mask(text)
	// A star ends a word: what stood against a listed one may be one itself now.
	for last := text; found && masked != last; {
		last = masked
		masked, _ = w.mask(last)
	}
	return masked, found
}

func (w *Words) mask(s string) (masked string, found bool) {
	f := folds.Get().(*text) //nolint:forcetypeassert // only these are put in
	defer folds.Put(f)
	f.of(s)
	spans := w.spans(f)
	if len(spans) == 0 {
		return s, false
	}
	var b strings.Builder
	b.Grow(len(s))
	done := 0
	for _, p := range spans {
		b.WriteString(s[done:p.from])
		stars := 0
		for _, r := range s[p.from:p.to] {
			if !fold.Ignorable(r) && !control(r) && !unicode.In(r, unicode.Mn, unicode.Me) {
				stars++
			}
		}
		b.WriteString(strings.Repeat("*", max(1, stars)))
		done = p.to
	}
	b.WriteString(s[done:])
	return b.String(), true
}

// span is a piece of a text, in bytes.
type span struct{ from, to int }

// spans are the pieces of the text that listed words cover, ascending, apart.
// Every occurrence counts, those that overlap, too: nothing of a word is left.
func (w *Words) spans(f *text) []span {
	var spans []span
	w.automaton.each(f.Bytes, func(start, end int) {
		if !f.whole(start, end) {
			return
		}
		s := span{int(f.From[start]), int(f.To[end-1])}
		// They come in the order of their ends.
		for n := len(spans); n > 0 && spans[n-1].to > s.from; n = len(spans) {
			s.from, s.to = min(s.from, spans[n-1].from), max(s.to, spans[n-1].to)
			spans = spans[:n-1]
		}
		spans = append(spans, s)
	})
	return spans
}
