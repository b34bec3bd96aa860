package main

import (
	"context"
	"fmt"
	"strings"
)

type compareCommand struct {
	A string `arg:"" help:"Figures of before (JSON)."`
	B string `arg:"" help:"Figures of after."`
}

// Run shows ratios of the second to the first.
func (c *compareCommand) Run(context.Context, *options) error {
	a, err := readDocument(c.A)
	if err != nil {
		return err
	}
	b, err := readDocument(c.B)
	if err != nil {
		return err
	}
	fmt.Print(comparison(a, b))
	return nil
}

// comparison is a table of what both have, and the names of what one has.
func comparison(a, b *document) string {
	var out strings.Builder
	fmt.Fprintf(&out, "before: %s\nafter:  %s\n", heading(a), heading(b))
	var rows [][]string
	var only []string
	for _, f := range b.Figures {
		before, ok := a.get(f.Scenario, f.Name)
		if !ok {
			only = append(only, "only after: "+f.Scenario+"  "+f.Name)
			continue
		}
		ratio, word := "", ""
		if before != 0 {
			r := f.Value / before
			ratio, word = fmt.Sprintf("× %.2f", r), judge(f.Better, r)
		}
		rows = append(rows, []string{f.Scenario + "  " + f.Name, number(before), number(f.Value), f.Unit, ratio, word})
	}
	for _, f := range a.Figures {
		if _, ok := b.get(f.Scenario, f.Name); !ok {
			only = append(only, "only before: "+f.Scenario+"  "+f.Name)
		}
	}
	width := 0
	for _, r := range rows {
		width = max(width, len([]rune(r[0])))
	}
	for _, r := range rows {
		pad := strings.Repeat(" ", width-len([]rune(r[0])))
		out.WriteString(strings.TrimRight(fmt.Sprintf("%s%s %12s %12s %-12s %8s  %s", r[0], pad, r[1], r[2], r[3], r[4], r[5]), " ") + "\n")
	}
	for _, o := range only {
		out.WriteString(o + "\n")
	}
	return out.String()
}

// noise is by how much a figure may differ without a word about it.
const noise = 0.05

func judge(better string, ratio float64) string {
	switch {
	case better == "" || ratio > 1-noise && ratio < 1+noise:
		return ""
	case (better == less) == (ratio < 1):
		return "better"
	default:
		return "worse"
	}
}
