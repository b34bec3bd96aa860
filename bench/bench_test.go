package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"bellhop/internal/cli"
)

// TestMain also is the program that floors start: a bare echo server.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "echo" {
		var o options
		c, err := o.parse(os.Args[1:])
		if err == nil {
			err = o.do(context.Background(), c)
		}
		if err != nil {
			os.Exit(1)
		}
		os.Exit(0)
	}
	status := m.Run()
	unbuild()
	os.Exit(status)
}

// Each command of the command line can be carried out.
func TestCommandsRun(t *testing.T) {
	var o options
	for _, c := range cli.New(&o, cli.Options{}).Commands {
		_, measures := c.Target.(scenario)
		_, runs := c.Target.(runner)
		require.True(t, measures != runs, c.Name)
	}
}

// tiny are scenarios at sizes that take seconds.
func tiny() []named {
	return []named{
		{"chat", &chatCommand{Sessions: 10, Agents: 2, InFlight: 4, Messages: 200, SendRate: 20, Rounds: 1}},
		{"life", &lifeCommand{Sessions: 20, Agents: 2, Rounds: 1}},
		{"storm", &stormCommand{Clients: 30, Missed: 3, Within: 100 * time.Millisecond, Agents: 2, Rounds: 1}},
		{"hall", &hallCommand{Watchers: 5, Orders: 40, Few: 10, For: 2 * time.Second, Rounds: 1}}, // a tick of processor time is 125 µs an order
		{"fanout", &fanoutCommand{Assistants: 5, Messages: 50, InFlight: 2, Rounds: 1}},
		{"grow", &growCommand{Sessions: []int{10, 600}, Nodes: []int{1, 2}, Watchers: []int{1, 3}, Logs: []int{20, 60}, Talking: 10, Messages: 200, InFlight: 4, Rounds: 1, Room: 2500}},
		{"idle", &idleCommand{Conns: 20, Rest: 10 * time.Millisecond}},
		{"rest", &restCommand{For: 200 * time.Millisecond}},
		{"memory", &memoryCommand{Sessions: 10, Each: 5}},
		{"archive", &archiveCommand{Store: "sqlite", Sessions: 10, Each: 5, Rounds: 1}},
		{"auto", &autoCommand{Agents: 20, Capacity: 3, Orders: 20, For: time.Second, Hold: 50 * time.Millisecond, IdleQueues: 2, IdleAgents: 4, IdleFor: time.Second, Rest: 10 * time.Millisecond}},
		{"burst", &burstCommand{Sessions: 20, Agents: 4}},
		{"losers", &losersCommand{Agents: 5, Losers: 40, Orders: 3, Rounds: 1}},
		{"wait", &waitCommand{Users: 20, Grabs: 20, Measure: 300 * time.Millisecond, Rest: 10 * time.Millisecond}},
		{"history", &historyCommand{Messages: 500, Pages: 5}},
		{"search", &searchCommand{Messages: 500, Queries: 3}},
	}
}

// Each scenario runs to its end, its figures are those of its name, and none is what could not be measured.
func TestScenariosRun(t *testing.T) {
	_, err := exec.LookPath("redis-server")
	require.NoError(t, err, "`make test-deps` installs it")
	all := tiny()
	covered := map[string]bool{}
	for _, s := range all {
		covered[s.name] = true
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			r, err := s.measure(ctx)
			require.NoError(t, err)
			require.NotEmpty(t, r.title())
			d := &document{Schema: schema}
			d.take(r)
			require.NotEmpty(t, d.Figures)
			require.NoError(t, d.check())
			for _, f := range d.Figures {
				require.True(t, strings.HasPrefix(f.Scenario, s.name), f.Scenario)
				require.Nil(t, f.Goal, "%s: a goal at a size that it is not set for", f.Name)
				require.False(t, f.Value != f.Value || f.Value < -1000, "%s: %v", f.Name, f.Value)
			}
			_, err = json.Marshal(d)
			require.NoError(t, err, "no number is infinite")
			require.NoError(t, page(&bytes.Buffer{}, d))
		})
	}
	for _, mode := range []allCommand{{Quick: true}, {}, {Full: true}} {
		for _, s := range mode.scenarios() {
			require.True(t, covered[s.name], "%s has no smoke test", s.name)
		}
	}
}

func sample(t *testing.T) *document {
	t.Helper()
	d, err := readDocument(filepath.Join("testdata", "sample.json"))
	require.NoError(t, err)
	return d
}

// What is written is what an earlier program of the same schema wrote: no field may vanish or change its name.
func TestTheSchemaIsStable(t *testing.T) {
	d := sample(t)
	file := filepath.Join(t.TempDir(), "a.json")
	require.NoError(t, d.write(file))
	wrote, err := os.ReadFile(file)
	require.NoError(t, err)
	kept, err := os.ReadFile(filepath.Join("testdata", "sample.json"))
	require.NoError(t, err)
	require.JSONEq(t, string(kept), string(wrote))
}

func TestDocumentsThatCannotBeRead(t *testing.T) {
	for name, text := range map[string]string{
		"another schema": `{"schema":99}`, "none": `{}`, "no JSON": `{`, "no name": `{"schema":1,"figures":[{"scenario":"x"}]}`,
		"twice":  `{"schema":1,"figures":[{"scenario":"x","name":"y"},{"scenario":"x","name":"y"}]}`,
		"better": `{"schema":1,"figures":[{"scenario":"x","name":"y","better":"higher"}]}`,
	} {
		_, err := parseDocument("file", []byte(text))
		require.Error(t, err, name)
	}
}

func TestGoals(t *testing.T) {
	f := of("s", "n", "ms", less, 3, 1, 2)
	require.Equal(t, 2.0, f.Value)
	require.Equal(t, []float64{3, 1, 2}, f.Rounds, "in their order")
	_, ok := f.goal(false, 1).met()
	require.False(t, ok)
	met, _ := f.goal(true, 2).met()
	require.True(t, met)
	met, _ = f.goal(true, 1.9).met()
	require.False(t, met)
	f.Better = more
	met, _ = f.goal(true, 1.9).met()
	require.True(t, met)
	require.Contains(t, table([]figure{f.goal(true, 3)}), "≥ 3         NOT MET")
}

func TestComparison(t *testing.T) {
	a, b := sample(t), sample(t)
	b.Figures[0].Value *= 2
	b.Figures[1].Value *= 2
	b.Figures = append(b.Figures[:2:2], figure{Scenario: "new", Name: "one"})
	text := comparison(a, b)
	lines := strings.Split(text, "\n")
	require.Regexp(t, `^storm  all caught up +4 +8 s +× 2\.00 +worse$`, lines[2])
	require.Regexp(t, `^chat  messages +10000 +20000 /s +× 2\.00 +better$`, lines[3])
	require.Contains(t, text, "only after: new  one")
	require.Contains(t, text, "only before: grow")
}

// The report needs nothing from elsewhere, has what was measured, and takes no text for markup.
func TestTheReport(t *testing.T) {
	d := sample(t)
	d.Figures[0].Name = `<script>alert(1)</script>`
	d.Series[0].Line = `<img src=x>`
	var b bytes.Buffer
	require.NoError(t, page(&b, d))
	html := b.String()
	require.Equal(t, 1, strings.Count(html, "<svg"), "two lines in one plot")
	require.NotContains(t, html, "<script")
	require.NotContains(t, html, "<img")
	require.NotRegexp(t, `(src|href|url)\s*[=(]\s*["']?(https?:)?//`, html)
	for _, f := range d.Figures[1:] {
		require.Contains(t, html, f.Name)
	}
	require.Contains(t, html, d.Commit)
	require.Contains(t, html, "not met")
}
