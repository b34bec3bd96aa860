package main

import (
	"context"
	"fmt"
	"strings"
)

type goalsCommand struct {
	From  string `help:"Figures of a run (JSON); unset: those in the repository." placeholder:"FILE"`
	Write string `help:"Write the table into this file, between its marks." placeholder:"FILE"`
}

// Run shows the goals as a table of a document.
func (c *goalsCommand) Run(context.Context, *options) error {
	_, d, err := (&simCommand{From: c.From}).figures()
	if err != nil {
		return err
	}
	if c.Write != "" {
		return replaceBlock(c.Write, goalsBegin, goalsTable(d))
	}
	fmt.Print(goalsTable(d))
	return nil
}

func goalsTable(d *document) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Measured: %s.\n\n| scenario | what | measured | goal | met |\n| --- | --- | --- | --- | --- |\n", heading(d))
	for _, f := range d.Figures {
		met, ok := f.met()
		if !ok {
			continue
		}
		word := "yes"
		if !met {
			word = "**no**"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s %s | %s %s | %s |\n", f.Scenario, f.Name, number(f.Value), f.Unit, sign(f), number(*f.Goal), word)
	}
	return b.String()
}

const (
	simBegin   = "<!-- generated: go run ./bench sim --write docs/scaling.md -->"
	goalsBegin = "<!-- generated: go run ./bench goals --write docs/performance.md -->"
	blockEnd   = "<!-- end of what is generated -->"
)
