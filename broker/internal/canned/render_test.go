package canned

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"

	"bellhop/broker/chat"
)

func TestRender(t *testing.T) {
	st := &chat.Snapshot{Session: chat.Session{ID: "00-X", Subject: "{{user.name}}", User: chat.Person{ID: "u", Name: "小明"},
		Meta: json.RawMessage(`{"order":12345678901234567890,"vip":true,"who":"{{agent.name}}","a b.c":"spaced","no":null,"obj":{},"list":[1]}`)}}
	value := variables(About{st, "售后", &chat.Person{ID: "a", Name: "Ann"}})
	for text, want := range map[string]string{
		"":              "",
		"plain":         "plain",
		"{{user.name}}": "小明",
		"Hi {{ user.name }}, {{\tagent.name}} of {{queue.name}}": "Hi 小明, Ann of 售后",
		"{{session.id}}/{{session.subject}}":                     "00-X/{{user.name}}",
		"{{meta.who}}{{meta.order}}{{meta.vip}}":                 "{{agent.name}}12345678901234567890true",
		"{{meta.a b.c}}":                                         "spaced",
		"{{meta.no}}{{meta.obj}}{{meta.list}}":                   "{{meta.no}}{{meta.obj}}{{meta.list}}",
		"{{meta.}}{{meta.gone}}{{}}{{ }}":                        "{{meta.}}{{meta.gone}}{{}}{{ }}",
		"{{User.name}} {{user.id}} {{user}}":                     "{{User.name}} {{user.id}} {{user}}",
		"{{ {{user.name}} }}":                                    "{{ 小明 }}",
		"{{{user.name}}}":                                        "{小明}",
		"}}{{user.name}}{{":                                      "}}小明{{",
		"{{user.name":                                            "{{user.name",
		"user.name}}":                                            "user.name}}",
		"{user.name}":                                            "{user.name}",
		"{{user.name}{{agent.name}}":                             "{{user.name}Ann",
	} {
		got, ok := render(text, 1000, value)
		require.True(t, ok, text)
		require.Equal(t, want, got, text)
	}
	got, _ := render("{{agent.name}}", 99, variables(About{Session: st}))
	require.Equal(t, "{{agent.name}}", got, "nobody answers yet")
	st.Meta = json.RawMessage(`null`)
	got, _ = render("{{meta.x}}", 99, variables(About{Session: st}))
	require.Equal(t, "{{meta.x}}", got)

	long := func(string) (string, bool) { return strings.Repeat("x", 10), true }
	for text, fits := range map[string]bool{"{{a}}": true, "{{a}}.": false, ".{{a}}": false, "{{a}}{{a}}": false,
		strings.Repeat(".", 10): true, strings.Repeat(".", 11): false, ".}}........": false} {
		_, ok := render(text, 10, long)
		require.Equal(t, fits, ok, text)
	}
}

// What is rendered is what a replacer of the exact names gives, which looks at nothing twice.
func FuzzRender(f *testing.F) {
	for _, s := range []string{"{{a}}{{b}}", "{{{a}}}", "{{a{{b}}", "}}{{", "{{a}", "{{c}}{{a}}"} {
		f.Add(s, "{{b}}", "x")
	}
	f.Fuzz(func(t *testing.T, text, a, b string) {
		text = strings.Map(func(r rune) rune {
			if unicode.IsSpace(r) {
				return -1
			}
			return r
		}, text)
		value := func(name string) (string, bool) {
			v, ok := map[string]string{"a": a, "b": b}[name]
			return v, ok
		}
		want := strings.NewReplacer("{{a}}", a, "{{b}}", b).Replace(text)
		got, ok := render(text, len(want), value)
		if !ok || got != want {
			t.Fatalf("%q, %t; want %q", got, ok, want)
		}
		if _, ok := render(text, len(want)-1, value); ok {
			t.Fatal("longer than it may be")
		}
	})
}
