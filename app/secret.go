package main

import (
	"fmt"
	"io"
	"log/slog"
)

// Secret is a setting whose text may hold a password: a key, or a URL. Whatever prints,
// logs or encodes it tells only whether it is set; Reveal alone gives the text. Its zero
// value is not set.
//
// The text is held by a function, since printers reach into unexported fields, too,
// where they call no methods.
type Secret struct{ text func() string }

const redacted = "[redacted]"

// NewSecret holds a text; "" is as good as none.
func NewSecret(text string) Secret {
	if text == "" {
		return Secret{}
	}
	return Secret{func() string { return text }}
}

// newSecrets holds several.
func newSecrets(texts ...string) []Secret {
	list := make([]Secret, len(texts))
	for i, t := range texts {
		list[i] = NewSecret(t)
	}
	return list
}

// Reveal gives the text. It must go neither into a log nor into an error, nor must any
// error of who parses it: those quote what they could not parse.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return s.text()
}

// revealAll gives the texts of several.
func revealAll(list []Secret) []string {
	texts := make([]string, len(list))
	for i, s := range list {
		texts[i] = s.Reveal()
	}
	return texts
}

// IsSet tells whether there is a text.
func (s Secret) IsSet() bool { return s.text != nil }

func (s Secret) String() string {
	if !s.IsSet() {
		return ""
	}
	return redacted
}

// Format implements fmt.Formatter: with every verb the same.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// LogValue implements slog.LogValuer.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText implements encoding.TextMarshaler, for JSON and YAML, too.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil } //nolint:unparam // the interface

// UnmarshalText implements encoding.TextUnmarshaler: internal/cli reads a setting by it.
func (s *Secret) UnmarshalText(text []byte) error { //nolint:unparam // the interface
	*s = NewSecret(string(text))
	return nil
}
