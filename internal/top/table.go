package top

import (
	"cmp"
	"slices"
	"strings"
	"unicode"

	"github.com/charmbracelet/x/ansi"
)

// column is one of a table of Ts.
type column[T any] struct {
	title string
	width int // in cells; 0: the columns that are so share what is left
	from  int // shown where the terminal is at least so wide
	right bool
	text  func(T) string
	order func(a, b T) int // nil: not sorted by
}

// table shows a list of Ts.
type table[T any] struct {
	title   string
	columns []column[T]
	list    func(View) []T
	alarm   func(T) bool // nil: never
}

// sheet is a table of whatever.
type sheet interface {
	name() string
	size(v View) int
	sorts() int // how many columns it can be sorted by
	render(v View, width, sortBy int, filter string, p palette) (head string, lines []string)
}

func (t table[T]) name() string    { return t.title }
func (t table[T]) size(v View) int { return len(t.list(v)) }

func (t table[T]) sorts() (n int) {
	for _, c := range t.columns {
		if c.order != nil {
			n++
		}
	}
	return n
}

// sorted is which column is the nth that can be sorted by.
func (t table[T]) sorted(nth int) int {
	for i, c := range t.columns {
		if c.order == nil {
			continue
		}
		if nth == 0 {
			return i
		}
		nth--
	}
	return 0
}

// render gives the heading and a line for each row that has the filter's text, all at most so many cells wide.
func (t table[T]) render(v View, width, sortBy int, filter string, p palette) (head string, lines []string) {
	by := t.sorted(sortBy)
	shown, widths := t.fit(width)
	var heads []string
	for i, c := range shown {
		title := c.title
		if c.title == t.columns[by].title {
			title += "*"
		}
		heads = append(heads, pad(title, widths[i], c.right))
	}
	list := slices.Clone(t.list(v))
	slices.SortStableFunc(list, t.columns[by].order)
	for _, row := range list {
		var cells []string
		all := ""
		for i, c := range shown {
			text := clean(c.text(row))
			all += " " + text
			cells = append(cells, pad(text, widths[i], c.right))
		}
		if !strings.Contains(strings.ToLower(all), strings.ToLower(filter)) {
			continue
		}
		line := strings.Join(cells, " ")
		if t.alarm != nil && t.alarm(row) {
			line = p.alarm(line)
		}
		lines = append(lines, line)
	}
	return p.head(strings.Join(heads, " ")), lines
}

// fit chooses the columns for a width, and gives each its own.
func (t table[T]) fit(width int) (shown []column[T], widths []int) {
	left, open := width, 0
	for _, c := range t.columns {
		if c.from > width {
			continue
		}
		shown = append(shown, c)
		left -= c.width + 1
		if c.width == 0 {
			open++
		}
	}
	left++ // no blank after the last
	for _, c := range shown {
		w := c.width
		if w == 0 {
			w = max(1, left/open)
			left, open = left-w, open-1
		}
		widths = append(widths, w)
	}
	return shown, widths
}

// pad makes a text exactly so many cells wide: it is cut, or blanks are added. Wide characters take two.
func pad(text string, width int, right bool) string {
	text = ansi.Truncate(text, width, "…")
	blanks := strings.Repeat(" ", max(0, width-ansi.StringWidth(text)))
	if right {
		return blanks + text
	}
	return text + blanks
}

// clean is a text that others chose, without what a terminal would obey or not show.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) && r != '\u200d' || r == unicode.ReplacementChar {
			return '?'
		}
		return r
	}, text)
}

// up and down compare by a figure or a text.
func up[T any, K cmp.Ordered](of func(T) K) func(a, b T) int {
	return func(a, b T) int { return cmp.Compare(of(a), of(b)) }
}

func down[T any, K cmp.Ordered](of func(T) K) func(a, b T) int {
	return func(a, b T) int { return cmp.Compare(of(b), of(a)) }
}
