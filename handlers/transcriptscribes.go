package handlers

import (
	_ "embed" // the transcript
	"fmt"
	"html/template"
	"io"
	"strings"
	"unicode"

	"bellhop/broker/chat"
)

//go:embed transcript.html
var transcriptHTML string

var transcriptPage = template.Must(template.New("transcript").Parse(transcriptHTML))

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
	return transcriptPage.ExecuteTemplate(w, "head", struct {
		Lang, Title, Nonce string
		Head               []string
	}{s.words["lang"], s.title(), s.nonce, s.head()})
}

func (s htmlScribe) write(w io.Writer, m chat.Message) error {
	if l, ok := s.line(m); ok {
		return transcriptPage.ExecuteTemplate(w, "message", l)
	}
	return nil
}

func (s htmlScribe) end(w io.Writer) error {
	if l, ok := s.rated(); ok {
		if err := transcriptPage.ExecuteTemplate(w, "message", l); err != nil {
			return err
		}
	}
	return transcriptPage.ExecuteTemplate(w, "foot", nil)
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
