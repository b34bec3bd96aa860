package top

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the files that views are compared with")

// example is a view of everything that can be seen.
func example() View {
	at := time.Date(2026, 3, 1, 14, 3, 7, 0, time.UTC)
	times := histogram{schema: 3, total: 100, counts: map[int]float64{-76: 90, -50: 10}}
	return View{At: at,
		Totals: Totals{known: true, sessions: map[string]float64{"waiting": 12, "serving": 240, "transferring": 3, "ending": 5}, oldest: 245, archiveSeconds: 3, archiveMessages: 120,
			hookSeconds: 61, hookSessions: 2, hookDead: 1, conns: 1832, sends: 132.44, deliveries: 1401.2, grabs: 3.1, scripts: 412, refusals: map[string]float64{"rate_limited": 3, "not_found": .5},
			sendTimes: times, scriptTimes: times},
		Nodes: []Node{
			{Name: "10.0.0.1:8080", Ready: isReady, Conns: 900, Limit: 50000, Sends: 70.1, Deliveries: 800, Goroutines: 1840, Memory: 180 << 20, CPU: .42, Uptime: 50 * time.Hour, times: times},
			{Name: "10.0.0.2:8080", Ready: "draining", Conns: 932, Sends: 62.34, Deliveries: 601.2, Goroutines: 1900, Memory: 181 << 20, CPU: .39, Uptime: 90 * time.Second},
			{Name: "10.0.0.3:8080", Err: errors.New("connect: connection refused")},
		},
		Queues: []Queue{
			{ID: "sales", Name: "Sales", Routing: "auto", Waiting: 9, Serving: 200, Oldest: at.Add(-245 * time.Second), Online: 2, Agents: 3},
			{ID: "售后服务-华东地区-第一分队-夜班", Name: "售后服务（华东）", Routing: "grab", Waiting: 3, Serving: 40, Oldest: at.Add(-5 * time.Second), AtLeast: true, Agents: 1},
			{ID: "billing", Name: "Billing", Routing: "grab"},
		},
		Agents: []Agent{
			{ID: "ann", Name: "Ann \x1b[31mred\x1b[0m", Status: "online", Capacity: 10, Load: 9, Queues: []string{"sales", "billing"}},
			{ID: "王小明", Name: "王小明（夜班组长，华东地区售后服务第一分队）", Status: "away", Capacity: 4, Load: 4, Queues: []string{"售后服务-华东地区-第一分队-夜班", "sales"}},
			{ID: "gone", Name: "Gone", Status: "offline", Capacity: 10, Load: 1, Queues: []string{"sales"}},
			{ID: "former", Name: "Former", Status: "offline", Capacity: 10, Disabled: true},
		}}
}

func newTest(width, height int) model {
	m := model{look: example, every: time.Second, view: example(), sorts: firstSort}
	return send(m, tea.WindowSizeMsg{Width: width, Height: height})
}

func send(m model, messages ...tea.Msg) model {
	for _, msg := range messages {
		next, _ := m.Update(msg)
		m = next.(model) //nolint:forcetypeassert // it is its own
	}
	return m
}

// keys are presses, by the names that bubbletea has for them.
func keys(names ...string) (list []tea.Msg) {
	codes := map[string]rune{"tab": tea.KeyTab, "down": tea.KeyDown, "up": tea.KeyUp, "end": tea.KeyEnd, "home": tea.KeyHome, "esc": tea.KeyEscape, "enter": tea.KeyEnter,
		"backspace": tea.KeyBackspace, "left": tea.KeyLeft, "pgdown": tea.KeyPgDown}
	for _, name := range names {
		if code, is := codes[name]; is {
			list = append(list, tea.KeyPressMsg{Code: code})
		} else {
			list = append(list, tea.KeyPressMsg{Text: name, Code: []rune(name)[0]})
		}
	}
	return list
}

// Each table at two widths, and all as plain text, look as they are written down.
func TestViews(t *testing.T) {
	for _, width := range []int{80, 140} {
		all := ""
		m := newTest(width, 19)
		for range sheets {
			all += m.text(palette{}) + "\n" + strings.Repeat("=", width) + "\n"
			m = send(m, keys("tab")...)
		}
		all += plain(example(), width) + "\n"
		path := filepath.Join("testdata", fmt.Sprintf("%d.txt", width))
		if *update {
			require.NoError(t, os.WriteFile(path, []byte(all), 0o600))
		}
		want, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, string(want), all)
	}
}

// Whatever the size of the terminal and the width of names: no line is longer than a row, there are no more lines than rows, and the keys are the last.
func TestLayoutHolds(t *testing.T) {
	for width := 1; width <= 200; width += 3 {
		for _, height := range []int{1, 2, 5, 10, 16, 50} {
			m := newTest(width, height)
			for range sheets {
				for _, p := range []palette{{}, {colours: true}} {
					lines := strings.Split(m.text(p), "\n")
					require.Len(t, lines, height, "%d × %d", width, height)
					for _, l := range lines {
						if width >= 60 { // below, columns keep their widths and the terminal cuts them
							require.LessOrEqual(t, ansi.StringWidth(l), width, "%d × %d: %q", width, height, l)
						}
						require.NotContains(t, ansi.Strip(l), "\x1b")
					}
				}
				m = send(m, keys("tab")...)
			}
		}
	}
}

// Keys change the table, its order, what is shown of it, and whether it changes.
func TestKeys(t *testing.T) {
	first := func(m model) string {
		_, rows := m.rows(palette{})
		return strings.Fields(rows[0])[0]
	}
	m := newTest(100, 30)
	require.Equal(t, "sales", first(m), "the most waiting")
	require.Equal(t, "billing", first(send(m, keys("s", "s", "s", "s")...)), "by name, after all others")
	require.Equal(t, "王小明", first(send(m, keys("tab", "s")...)), "the fullest")
	require.Equal(t, m.tab, send(m, keys("tab", "tab", "tab")...).tab)
	require.Equal(t, 2, send(m, keys("left")...).tab)

	found := send(m, keys("tab", "/", "A", "N", "N", "q", "backspace")...)
	_, rows := found.rows(palette{})
	require.Len(t, rows, 1)
	require.Contains(t, found.text(palette{}), "filter: ANN_")
	require.Contains(t, send(found, keys("enter")...).text(palette{}), "only what has ANN")
	_, rows = send(found, keys("enter", "esc")...).rows(palette{})
	require.Len(t, rows, 4)
	_, rows = send(m, append(keys("/"), tea.PasteMsg{Content: "nothing\x1b"})...).rows(palette{})
	require.Empty(t, rows)

	for _, key := range []tea.KeyPressMsg{{Text: "q", Code: 'q'}, {Code: 'c', Mod: tea.ModCtrl}} {
		_, cmd := m.Update(key)
		require.Equal(t, tea.QuitMsg{}, cmd())
	}
	_, cmd := found.Update(tea.KeyPressMsg{Code: 'c', Mod: tea.ModCtrl})
	require.Equal(t, tea.QuitMsg{}, cmd(), "while typing, too")
}

// A list longer than the terminal is scrolled as far as it goes, and comes back into sight where it gets shorter.
func TestScrolling(t *testing.T) {
	m := newTest(80, 20) // of which seven are rows
	m.view.Queues = nil
	for i := range 50 {
		m.view.Queues = append(m.view.Queues, Queue{ID: fmt.Sprintf("q%02d", i), Waiting: 100 - i})
	}
	require.NotContains(t, m.text(palette{}), "q49")
	m = send(m, keys("end")...)
	require.Contains(t, m.text(palette{}), "q49")
	require.NotContains(t, m.text(palette{}), "q00")
	require.Equal(t, m.offset, send(m, keys("down", "pgdown")...).offset)
	require.Equal(t, m.offset-1, send(m, keys("up")...).offset)
	require.Zero(t, send(m, keys("home", "up")...).offset)
	require.Zero(t, send(m, read{example()}).offset, "there are three now")
	require.Contains(t, send(m, keys("/", "q", "0", "3")...).text(palette{}), "q03")
}

// Readings follow one another, and go on while the view is paused.
func TestReadings(t *testing.T) {
	m := newTest(80, 24)
	later := example()
	later.Totals.conns = 4711
	m.look = func() View { return later }
	_, cmd := m.Update(tick{})
	msg := cmd()
	require.Equal(t, read{later}, msg)
	next, cmd := send(m, keys("p")...).Update(msg)
	require.NotNil(t, cmd, "the next one")
	require.NotContains(t, next.(model).text(palette{}), "4711")
	require.Contains(t, next.(model).text(palette{}), "paused")
	require.Contains(t, send(next.(model), append(keys("p"), msg)...).text(palette{}), "4711")
	require.Contains(t, m.View().Content, "\x1b[31m", "what is wrong is red")
	require.True(t, m.View().AltScreen)
}
