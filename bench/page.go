package main

import (
	_ "embed"
	"html/template"
	"io"
	"os"
	"strings"
	"time"

	"github.com/go-analyze/charts"
)

//go:embed page.html
var pageHTML string

var pageTemplate = template.Must(template.New("page").Parse(pageHTML))

type group struct {
	Name string
	Rows []groupRow
}

type groupRow struct{ Name, Value, Unit, Goal, Word, Class, Rounds string }

// writePage writes a report that needs nothing else: plots are drawn here, as SVG.
func writePage(file string, d *document) error {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if err := page(f, d); err != nil {
		_ = f.Close()
		return err
	}
	return f.Close()
}

func page(w io.Writer, d *document) error {
	plots, err := plots(d)
	if err != nil {
		return err
	}
	return pageTemplate.Execute(w, map[string]any{"Date": d.Date.Format(time.DateOnly), "Heading": heading(d), "Plots": plots, "Bars": bars(d), "Groups": groups(d)})
}

func groups(d *document) (out []group) {
	for _, f := range d.Figures {
		if len(out) == 0 || out[len(out)-1].Name != f.Scenario {
			out = append(out, group{Name: f.Scenario})
		}
		g := &out[len(out)-1]
		row := groupRow{Name: f.Name, Value: number(f.Value), Unit: f.Unit, Rounds: numbers(f.Rounds)}
		if met, ok := f.met(); ok {
			row.Goal, row.Word, row.Class = sign(f)+" "+number(*f.Goal), "met", "met"
			if !met {
				row.Word, row.Class = "not met", "missed"
			}
		}
		g.Rows = append(g.Rows, row)
	}
	return out
}

// plots are the lines of what grew.
func plots(d *document) ([]template.HTML, error) {
	var out []template.HTML
	add := func(svg []byte, err error) error {
		out = append(out, template.HTML(svg))
		return err
	}
	for i := 0; i < len(d.Series); {
		n := i + 1
		for n < len(d.Series) && d.Series[n].Scenario == d.Series[i].Scenario && d.Series[n].Title == d.Series[i].Title {
			n++
		}
		if err := add(seriesPlot(d.Series[i:n])); err != nil {
			return nil, err
		}
		i = n
	}
	return out, nil
}

// bar is a figure beside its goal.
type bar struct {
	Name, Percent, Class string
	Width                float64 // of 100, where the goal is 50
}

// bars show what of its goal each figure takes: less is better, whichever way the figure is.
func bars(d *document) (out []bar) {
	for _, f := range d.Figures {
		met, ok := f.met()
		if !ok || *f.Goal == 0 || f.Value == 0 {
			continue
		}
		v := f.Value / *f.Goal
		if f.Better == more {
			v = 1 / v
		}
		b := bar{Name: f.Scenario + ": " + f.Name, Percent: number(100*v) + " %", Class: "met", Width: min(100, 50*v)}
		if !met {
			b.Class = "missed"
		}
		out = append(out, b)
	}
	return out
}

func seriesPlot(lines []series) ([]byte, error) {
	var values [][]float64
	var names, labels []string
	for _, l := range lines {
		var v []float64
		labels = labels[:0]
		for _, p := range l.Points {
			v, labels = append(v, p[1]), append(labels, number(p[0]))
		}
		values, names = append(values, v), append(names, escaped(l.Line+", "+l.Unit))
	}
	opt := charts.NewLineChartOptionWithData(values)
	opt.Title.Text = escaped(lines[0].Scenario + ": " + lines[0].Title)
	opt.XAxis.Labels = labels
	opt.XAxis.Title = escaped(lines[0].X)
	opt.Legend.SeriesNames = names
	opt.Legend.Offset = charts.OffsetStr{Left: charts.PositionRight}
	zero := 0.0
	opt.YAxis[0].Min = &zero
	p := charts.NewPainter(charts.PainterOptions{OutputFormat: charts.ChartOutputSVG, Width: 960, Height: 360})
	if err := p.LineChart(opt); err != nil {
		return nil, err
	}
	return p.Bytes()
}

// escaped keeps a text from being read as markup, whatever the library does with it.
func escaped(s string) string {
	return strings.NewReplacer("<", "‹", ">", "›", "&", "+").Replace(s)
}
