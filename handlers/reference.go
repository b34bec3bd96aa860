package handlers

import (
	"sort"
	"strings"

	"github.com/goccy/go-yaml"
)

// reference is the specification as the page shows it.
type reference struct {
	Title       string
	Description string
	Operations  []operation
	Schemas     []schema
}

type operation struct {
	Method, Path, Summary, Description string
	Parameters                         []parameter
	Body, Answer                       string
	Answers                            []answer
}

type parameter struct{ Name, In, Description string }

type answer struct{ Status, Description string }

type schema struct{ Name, Text string }

// document is the part of OpenAPI that the page shows.
type document struct {
	Info struct {
		Title       string `yaml:"title"`
		Description string `yaml:"description"`
	} `yaml:"info"`
	Paths      map[string]map[string]any `yaml:"paths"`
	Components struct {
		Parameters map[string]map[string]any `yaml:"parameters"`
		Schemas    map[string]any            `yaml:"schemas"`
	} `yaml:"components"`
}

// readReference makes the page's content of the specification.
func readReference(spec []byte) (reference, error) {
	var d document
	if err := yaml.Unmarshal(spec, &d); err != nil {
		return reference{}, err
	}
	r := reference{Title: d.Info.Title, Description: d.Info.Description}
	for path, item := range d.Paths {
		for _, method := range []string{"get", "post", "put", "delete"} {
			if op, ok := item[method].(map[string]any); ok {
				shared, _ := item["parameters"].([]any)
				r.Operations = append(r.Operations, d.operation(strings.ToUpper(method), path, op, shared))
			}
		}
	}
	sort.Slice(r.Operations, func(i, j int) bool {
		a, b := r.Operations[i], r.Operations[j]
		return a.Path < b.Path || a.Path == b.Path && a.Method < b.Method
	})
	for name, s := range d.Components.Schemas {
		text, err := yaml.Marshal(s)
		if err != nil {
			return r, err
		}
		r.Schemas = append(r.Schemas, schema{name, string(text)})
	}
	sort.Slice(r.Schemas, func(i, j int) bool { return r.Schemas[i].Name < r.Schemas[j].Name })
	return r, nil
}

func (d *document) operation(method, path string, op map[string]any, shared []any) operation {
	o := operation{Method: method, Path: path, Summary: text(op, "summary"), Description: text(op, "description")}
	own, _ := op["parameters"].([]any)
	for _, p := range append(shared, own...) {
		m, _ := p.(map[string]any)
		if ref := text(m, "$ref"); ref != "" {
			m = d.Components.Parameters[ref[strings.LastIndex(ref, "/")+1:]]
		}
		o.Parameters = append(o.Parameters, parameter{text(m, "name"), text(m, "in"), text(m, "description")})
	}
	o.Body = schemaName(dig(op, "requestBody"))
	answers, _ := op["responses"].(map[string]any)
	for status, a := range answers {
		m, _ := a.(map[string]any)
		o.Answers = append(o.Answers, answer{status, text(m, "description")})
		if status == "200" {
			o.Answer = schemaName(m)
		}
	}
	sort.Slice(o.Answers, func(i, j int) bool { return o.Answers[i].Status < o.Answers[j].Status })
	return o
}

func text(m map[string]any, key string) string {
	s, _ := m[key].(string)
	return s
}

func dig(m map[string]any, keys ...string) map[string]any {
	for _, k := range keys {
		m, _ = m[k].(map[string]any)
	}
	return m
}

// schemaName is the name of the schema a body refers to.
func schemaName(m map[string]any) string {
	ref := text(dig(m, "content", "application/json", "schema"), "$ref")
	return ref[strings.LastIndex(ref, "/")+1:]
}
