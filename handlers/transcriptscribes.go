package handlers

import (
	"cmp"
	_ "embed" // the transcript
	"fmt"
	"html"
	"io"
	"strings"
	"unicode"

	"bellhop/broker/chat"
)

//go:embed transcript.html
var transcriptHTML string // up to its messages; a format for markup

type textScribe struct{ *teller }

func (s textScribe) begin(w io.Writer) error {
	for _, l := range append([]string{s.title()}, s.head()...) {
		if _, err := fmt.Fprintln(w, indented(l)); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintln(w)
	return err
}

func (s textScribe) write(w io.Writer, m chat.Message) error {
	if l, ok := s.line(m); ok {
		return s.put(w, l)
	}
	return nil
}

func (s textScribe) put(w io.Writer, l line) error {
	var b strings.Builder
	fmt.Fprintf(&b, "[%s] ", l.When)
	if l.Who != "" {
		b.WriteString(indented(l.Who) + ": ")
	} else {
		b.WriteString("* ")
	}
	for i, part := range []string{l.Kind, l.What, l.URL, l.More} {
		switch {
		case part == "", i == 2 && part == l.What:
			continue
		case i == 3:
			part = "\n" + part
		case i > 0 && !strings.HasSuffix(b.String(), " "):
			part = " " + part
		}
		b.WriteString(indented(part))
	}
	_, err := fmt.Fprintln(w, b.String())
	return err
}

func (s textScribe) end(w io.Writer) error {
	if l, ok := s.rated(); ok {
		return s.put(w, l)
	}
	return nil
}

// indented is text whose further lines stand further in, so that none passes for
// another message, and that does nothing to the terminal it is shown on.
func indented(s string) string {
	return strings.ReplaceAll(strings.Map(func(r rune) rune {
		switch {
		case r == '\r':
			return -1
		case r == '\u2028', r == '\u2029':
			return '\n'
		case unicode.IsControl(r) && r != '\n' && r != '\t':
			return unicode.ReplacementChar
		}
		return r
	}, s), "\n", "\n    ")
}

type htmlScribe struct {
	*teller
	nonce string
}

func (s htmlScribe) begin(w io.Writer) error {
	page := markup(transcriptHTML, s.words["lang"], s.title(), s.nonce)
	for _, h := range s.head() {
		page += markup("  <p dir=\"auto\">%s</p>\n", h)
	}
	_, err := io.WriteString(w, page+"</header>\n<ol>\n")
	return err
}

func (s htmlScribe) write(w io.Writer, m chat.Message) error {
	if l, ok := s.line(m); ok {
		return s.put(w, l)
	}
	return nil
}

func (s htmlScribe) put(w io.Writer, l line) error {
	item := markup(`  <li class="%s">`, l.Class)
	if l.Who != "" {
		item += markup("<b><bdi>%s</bdi></b> ", l.Who)
	}
	item += markup(`<time datetime="%s">%s</time><div class="what" dir="auto">`, l.At, l.When)
	if l.Kind != "" {
		item += markup("%s ", l.Kind)
	}
	if l.URL != "" {
		item += markup(`<a href="%s" target="_blank" rel="noopener noreferrer nofollow">%s</a>`, l.URL, cmp.Or(l.What, l.URL))
	} else {
		item += markup("%s", l.What)
	}
	if l.More != "" {
		item += markup("\n%s", l.More)
	}
	_, err := io.WriteString(w, item+"</div></li>\n")
	return err
}

func (s htmlScribe) end(w io.Writer) error {
	if l, ok := s.rated(); ok {
		if err := s.put(w, l); err != nil {
			return err
		}
	}
	_, err := io.WriteString(w, "</ol>\n</body>\n</html>\n")
	return err
}

// markup is HTML with texts in it: each is escaped, for a place between tags or in a
// quoted attribute. (html/template looks methods up by name, for which the linker would
// have to keep every method of the program.)
func markup(format string, texts ...string) string {
	escaped := make([]any, len(texts))
	for i, t := range texts {
		escaped[i] = html.EscapeString(t)
	}
	return fmt.Sprintf(format, escaped...)
}

// jsonScribe writes {"session":…,"messages":[…]}.
type jsonScribe struct {
	session chat.Session
	begun   bool
}

func (j *jsonScribe) begin(w io.Writer) error {
	_, err := w.Write(append(appendJSON([]byte(`{"session":`), j.session), `,"messages":[`...))
	return err
}

func (j *jsonScribe) write(w io.Writer, m chat.Message) error {
	var b []byte
	if j.begun {
		b = append(b, ',')
	}
	j.begun = true
	_, err := w.Write(appendJSON(b, m))
	return err
}

func (j *jsonScribe) end(w io.Writer) error {
	_, err := io.WriteString(w, "]}")
	return err
}
