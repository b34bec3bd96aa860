package top

import (
	"context"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	tea "charm.land/bubbletea/v2"
)

// model is what the terminal shows, and what its keys change.
type model struct {
	look          func() View // reads the nodes; called by one command at a time
	every         time.Duration
	view          View
	width, height int
	tab           int
	sorts         [len(firstSort)]int
	offset        int // of the first row that is shown
	filter        string
	typing        bool // the filter
	paused        bool
}

// tick asks for the next reading; read brings one.
type (
	tick struct{}
	read struct{ view View }
)

func newModel(ctx context.Context, w *watcher, v View) model {
	return model{look: func() View { return w.look(ctx) }, every: w.opt.Every, view: v, width: 80, height: 24, sorts: firstSort}
}

// Init implements tea.Model.
func (m model) Init() tea.Cmd { return m.later() }

func (m model) later() tea.Cmd { return tea.Tick(m.every, func(time.Time) tea.Msg { return tick{} }) }

// Update implements tea.Model. Nodes are read on while the view is paused, so that rates stay those of now.
func (m model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.width, m.height = msg.Width, msg.Height
	case tick:
		return m, func() tea.Msg { return read{m.look()} }
	case read:
		if !m.paused {
			m.view = msg.view
		}
		return m.scroll(0), m.later()
	case tea.PasteMsg:
		if m.typing {
			m.filter += clean(msg.Content)
		}
	case tea.KeyPressMsg:
		if msg.String() == "ctrl+c" {
			return m, tea.Quit
		}
		if m.typing {
			return m.typed(msg), nil
		}
		return m.pressed(msg.String())
	}
	return m.scroll(0), nil
}

func (m model) pressed(key string) (tea.Model, tea.Cmd) {
	switch key {
	case "q":
		return m, tea.Quit
	case "tab", "right", "l":
		m.tab, m.offset = (m.tab+1)%len(sheets), 0
	case "shift+tab", "left", "h":
		m.tab, m.offset = (m.tab+len(sheets)-1)%len(sheets), 0
	case "s":
		m.sorts[m.tab] = (m.sorts[m.tab] + 1) % sheets[m.tab].sorts()
	case "p", "space":
		m.paused = !m.paused
	case "/":
		m.typing = true
	case "esc":
		m.filter = ""
	case "down", "j":
		return m.scroll(1), nil
	case "up", "k":
		return m.scroll(-1), nil
	case "pgdown":
		return m.scroll(m.height / 2), nil
	case "pgup":
		return m.scroll(-m.height / 2), nil
	case "home", "g":
		m.offset = 0
	case "end", "G":
		return m.scroll(1 << 30), nil
	}
	return m.scroll(0), nil
}

// typed changes the filter.
func (m model) typed(k tea.KeyPressMsg) model {
	switch k.String() {
	case "enter":
		m.typing = false
	case "esc":
		m.typing, m.filter = false, ""
	case "backspace":
		_, size := utf8.DecodeLastRuneInString(m.filter)
		m.filter = m.filter[:len(m.filter)-size]
	default:
		m.filter += k.Text
	}
	return m.scroll(0)
}

// scroll moves the rows, as far as there are some.
func (m model) scroll(by int) model {
	_, rows := m.rows(palette{})
	m.offset = max(0, min(m.offset+by, len(rows)-m.room()))
	return m
}

func (m model) rows(p palette) (string, []string) {
	return sheets[m.tab].render(m.view, m.width, m.sorts[m.tab], m.filter, p)
}

// around is how many lines there are besides the summary and the rows: a blank one, tabs, the heading, keys.
const around = 4

// room is how many rows can be shown.
func (m model) room() int {
	return max(1, m.height-around-len(summary(m.view, m.width, palette{})))
}

// View implements tea.Model. Whoever set NO_COLOR, or has none, is shown none by bubbletea.
func (m model) View() tea.View {
	v := tea.NewView(m.text(palette{colours: true}))
	v.AltScreen = true
	return v
}

func (m model) text(p palette) string {
	lines := append(summary(m.view, m.width, p), "", m.tabs(p))
	head, rows := m.rows(p)
	lines = append(lines, head)
	rows = rows[m.offset:]
	lines = append(lines, rows[:min(m.room(), len(rows))]...)
	if m.height < len(lines)+1 { // what is above gives way to nothing: the terminal is too low
		lines = lines[:max(0, m.height-1)]
	}
	lines = append(lines, make([]string, max(0, m.height-1-len(lines)))...)
	return strings.Join(append(lines, m.keys(p)), "\n")
}

func (m model) tabs(p palette) string {
	var names []string
	for i, s := range sheets {
		name := fmt.Sprintf(" %s %d ", s.name(), s.size(m.view))
		if i == m.tab {
			name = p.head("[" + strings.TrimSpace(name) + "]")
		}
		names = append(names, name)
	}
	return cut(strings.Join(names, " "), m.width)
}

func (m model) keys(p palette) string {
	switch {
	case m.typing:
		return cut("filter: "+m.filter+"_", m.width)
	case m.paused:
		return p.head(cut("paused; p goes on", m.width))
	case m.filter != "":
		return p.head(cut("only what has "+m.filter+"; esc shows all", m.width))
	}
	return p.faint(cut("q quit  tab table  s sort  / filter  p pause  arrows scroll", m.width))
}
