package deploy_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	alertsFile    = "prometheus/alerts.yml"
	dashboardFile = "grafana/dashboards/bellhop.json"
)

var (
	metricRow   = regexp.MustCompile("(?m)^\\| `(bellhop_\\w+)(?:\\{(\\w+)\\})?` \\| (\\w+) \\|")
	metricName  = regexp.MustCompile(`\bbellhop_\w+`)
	metricBy    = regexp.MustCompile(`\bby \(([a-z_, ]+)\)`)
	ofHistogram = regexp.MustCompile(`_(bucket|count|sum)$`)
)

// documented are the metrics of docs/operations.md, each with its label.
func documented(t *testing.T) map[string]string {
	t.Helper()
	page, err := os.ReadFile("../docs/operations.md")
	require.NoError(t, err)
	out := map[string]string{}
	for _, row := range metricRow.FindAllStringSubmatch(string(page), -1) {
		if out[row[1]] = row[2]; row[3] == "histogram" {
			for _, end := range []string{"_bucket", "_count", "_sum"} {
				out[row[1]+end] = row[2]
			}
		}
	}
	require.Greater(t, len(out), 40)
	return out
}

// known fails where an expression names a metric or a label that is not documented; it gives the metrics.
func known(t *testing.T, where, expr string, metrics map[string]string) (names []string) {
	t.Helper()
	labels := []string{"job", "instance", "le"}
	for _, name := range metricName.FindAllString(expr, -1) {
		label, ok := metrics[name]
		assert.Truef(t, ok, "%s: %s is not documented", where, name)
		labels, names = append(labels, label), append(names, ofHistogram.ReplaceAllString(name, ""))
	}
	for _, by := range metricBy.FindAllStringSubmatch(expr, -1) {
		for label := range strings.SplitSeq(by[1], ",") {
			assert.Containsf(t, labels, strings.TrimSpace(label), "%s: no metric of %q has that label", where, expr)
		}
	}
	return names
}

// promtool runs Prometheus's own judge of rules.
func promtool(t *testing.T, args ...string) {
	t.Helper()
	path, err := exec.LookPath("promtool")
	require.NoError(t, err, "`make test-deps` installs it")
	out, err := exec.CommandContext(t.Context(), path, args...).CombinedOutput()
	require.NoErrorf(t, err, "promtool %s:\n%s", strings.Join(args, " "), out)
}

type rule struct {
	Alert, Expr string
	Labels      struct{ Severity string }
	Annotations struct{ Summary, Runbook string }
}

func alerts(t *testing.T) (rules []rule) {
	t.Helper()
	data, err := os.ReadFile(alertsFile)
	require.NoError(t, err)
	var file struct{ Groups []struct{ Rules []rule } }
	require.NoError(t, yaml.Unmarshal(data, &file))
	for _, g := range file.Groups {
		rules = append(rules, g.Rules...)
	}
	require.Greater(t, len(rules), 12)
	return rules
}

// Prometheus takes the rules, and each alert comes when it should and not before.
func TestAlertsInPrometheus(t *testing.T) {
	promtool(t, "check", "rules", alertsFile)
	promtool(t, "test", "rules", "prometheus/alerts_test.yml")
	tests, err := os.ReadFile("prometheus/alerts_test.yml")
	require.NoError(t, err)
	for _, r := range alerts(t) {
		for _, c := range []string{"while all is well", "where it is not"} {
			assert.Containsf(t, string(tests), "- name: "+r.Alert+", "+c+"\n", "%s has no such test", r.Alert)
		}
	}
}

// Each alert asks for metrics that there are, and leads to what is to be done; no runbook is nobody's.
func TestAlertsHaveTheirRunbook(t *testing.T) {
	page, err := os.ReadFile("../docs/operations.md")
	require.NoError(t, err)
	anchors := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^### Alert: (.+)$`).FindAllStringSubmatch(string(page), -1) {
		anchors["alert-"+strings.ReplaceAll(strings.ToLower(m[1]), " ", "-")] = true
	}
	metrics := documented(t)
	for _, r := range alerts(t) {
		known(t, r.Alert, r.Expr, metrics)
		assert.Contains(t, []string{"critical", "warning"}, r.Labels.Severity, r.Alert)
		assert.NotEmpty(t, r.Annotations.Summary, r.Alert)
		anchor, ok := strings.CutPrefix(r.Annotations.Runbook, "docs/operations.md#")
		assert.Truef(t, ok && anchors[anchor], "%s: there is no %s", r.Alert, r.Annotations.Runbook)
		delete(anchors, anchor)
	}
	assert.Empty(t, anchors, "runbooks of no alert")
}

type board struct {
	Panels []struct {
		ID      int
		Type    string
		Title   string
		GridPos struct{ H, W, X, Y int }
		Targets []struct{ RefID, Expr string }
	}
	Templating struct{ List []struct{ Name string } }
}

// Grafana takes the dashboard: its own schema knows every field, and wants no other.
func TestTheDashboardIsGrafanas(t *testing.T) {
	data, err := os.ReadFile(dashboardFile)
	require.NoError(t, err)
	schema := cog.NewRuntime()
	schema.RegisterPanelcfgVariant(timeseries.VariantConfig())
	schema.RegisterPanelcfgVariant(stat.VariantConfig())
	schema.RegisterDataqueryVariant(prometheus.VariantConfig())
	var d dashboard.Dashboard //nolint:staticcheck // the newer form is not what is provisioned from a file everywhere
	for _, err := range []error{d.UnmarshalJSONStrict(data), d.Validate()} {
		var wrong cog.BuildErrors // an empty one is how it says that nothing is
		if !errors.As(err, &wrong) {
			require.NoError(t, err)
		}
		require.Empty(t, wrong)
	}

	var b board
	require.NoError(t, json.Unmarshal(data, &b))
	ids, places := map[int]bool{}, map[[2]int]string{}
	for _, p := range b.Panels {
		require.Falsef(t, ids[p.ID], "%s has another's id", p.Title)
		ids[p.ID] = true
		require.Contains(t, []string{"row", "timeseries", "stat"}, p.Type, p.Title)
		require.LessOrEqual(t, p.GridPos.X+p.GridPos.W, 24, p.Title)
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				require.Emptyf(t, places[[2]int{x, y}], "%s lies over it", p.Title)
				places[[2]int{x, y}] = p.Title
			}
		}
	}
}

// The dashboard shows every metric there is, and no other, by expressions that Prometheus understands.
func TestTheDashboardShowsWhatThereIs(t *testing.T) {
	data, err := os.ReadFile(dashboardFile)
	require.NoError(t, err)
	var b board
	require.NoError(t, json.Unmarshal(data, &b))
	variables := map[string]bool{"__rate_interval": true}
	for _, v := range b.Templating.List {
		variables[v.Name] = true
	}
	metrics, shown, rules := documented(t), map[string]bool{}, "groups:\n- name: dashboard\n  rules:\n"
	for i, p := range b.Panels {
		for j, target := range p.Targets {
			for _, name := range known(t, p.Title, target.Expr, metrics) {
				shown[name] = true
			}
			for _, v := range regexp.MustCompile(`\$(\w+)`).FindAllStringSubmatch(target.Expr, -1) {
				assert.Truef(t, variables[v[1]], "%s: there is no $%s", p.Title, v[1])
			}
			plain := strings.NewReplacer("$__rate_interval", "1m", "$job", ".*", "$node", ".*").Replace(target.Expr)
			rules += fmt.Sprintf("  - {record: panel_%d_%d, expr: %q}\n", i, j, plain)
		}
		assert.True(t, p.Type == "row" || len(p.Targets) > 0, p.Title)
	}
	file := filepath.Join(t.TempDir(), "dashboard.yml")
	require.NoError(t, os.WriteFile(file, []byte(rules), 0o600))
	promtool(t, "check", "rules", file)
	var hidden []string
	for name := range metrics {
		if name = ofHistogram.ReplaceAllString(name, ""); !shown[name] {
			hidden = append(hidden, name)
		}
	}
	slices.Sort(hidden)
	require.Empty(t, hidden, "no panel shows them")
}
