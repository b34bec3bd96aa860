package main

import (
	"context"
	"fmt"
	"strings"
)

// report is what a scenario measured.
type report interface {
	title() string
	figures() []figure
}

// plotted is a report with lines to draw.
type plotted interface{ series() []series }

// scenario is a command that measures.
type scenario interface {
	measure(ctx context.Context) (report, error)
}

// pick makes a figure of one number of each round.
func pick[R any](scenario, name, unit, better string, rounds []R, f func(R) float64) figure {
	all := make([]float64, len(rounds))
	for i, r := range rounds {
		all[i] = f(r)
	}
	return of(scenario, name, unit, better, all...)
}

// table shows figures, with their goals and whether they are met.
func table(figures []figure) string {
	var b strings.Builder
	width := 4
	for _, f := range figures {
		width = max(width, len([]rune(f.Scenario+"  "+f.Name)))
	}
	for _, f := range figures {
		name := f.Scenario + "  " + f.Name
		pad := strings.Repeat(" ", width-len([]rune(name)))
		line := fmt.Sprintf("%s%s %12s %-8s%s", name, pad, number(f.Value), f.Unit, verdict(f))
		if len(f.Rounds) > 1 {
			line += "  (" + numbers(f.Rounds) + ")"
		}
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	return b.String()
}

// verdict says what the goal is, and whether it is met.
func verdict(f figure) string {
	met, ok := f.met()
	if !ok {
		return strings.Repeat(" ", 22)
	}
	word := "met"
	if !met {
		word = "NOT MET"
	}
	return fmt.Sprintf("%s %-10s%-10s", sign(f), number(*f.Goal), word)
}

// number shows three figures or more, and no more digits than tell something.
func number(v float64) string {
	abs := max(v, -v)
	switch {
	case abs >= 100 || v == float64(int64(v)):
		return fmt.Sprintf("%.0f", v)
	case abs >= 10:
		return fmt.Sprintf("%.1f", v)
	case abs >= 1:
		return fmt.Sprintf("%.2f", v)
	default:
		return fmt.Sprintf("%.3f", v)
	}
}

func numbers(all []float64) string {
	out := make([]string, len(all))
	for i, v := range all {
		out[i] = number(v)
	}
	return strings.Join(out, ", ")
}

func sign(f figure) string {
	if f.Better == more {
		return "≥"
	}
	return "≤"
}
