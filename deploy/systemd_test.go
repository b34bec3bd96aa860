package deploy_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// systemd knows every line of the unit, and finds little that it leaves open. It is not
// started here, which would take a machine's own systemd.
func TestTheUnitIsHardened(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("bellhop.service")
	require.NoError(t, err)
	program, err := os.Executable()
	require.NoError(t, err)
	require.Contains(t, string(text), "ExecStart=/usr/local/bin/bellhop serve\n")
	file := filepath.Join(t.TempDir(), "bellhop.service")
	require.NoError(t, os.WriteFile(file, []byte(strings.Replace(string(text), "/usr/local/bin/bellhop", program, 1)), 0o600))
	analyze := func(args ...string) string {
		cmd := exec.CommandContext(t.Context(), "systemd-analyze", append(args, file)...)
		cmd.Env = append(os.Environ(), "SYSTEMD_PAGER=", "LC_ALL=C.UTF-8")
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "`make test-deps` installs it\n%s", out)
		return string(out)
	}
	assert.Empty(t, analyze("verify", "--man=no"))
	assert.Contains(t, analyze("security", "--offline=true", "--threshold=20"), "Overall exposure level for bellhop.service: 1.")
}

// What the unit says of the program is so.
func TestTheUnitFitsTheProgram(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("bellhop.service")
	require.NoError(t, err)
	value := func(file, pattern string) string {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		found := regexp.MustCompile(pattern).FindStringSubmatch(string(text))
		require.NotNil(t, found, "%s: %s", file, pattern)
		return found[1]
	}
	drain, err := time.ParseDuration(value("../app/settings.go", `Drain +time\.Duration +.default:"(\w+)"`))
	require.NoError(t, err)
	stop, err := time.ParseDuration(value("bellhop.service", `(?m)^TimeoutStopSec=(\w+)$`))
	require.NoError(t, err)
	assert.GreaterOrEqual(t, stop, drain+10*time.Second, "app.Run: five seconds to drain what is left, five to close")
	assert.Equal(t, value("../app/main.go", `exitSettings += (\d)`), value("bellhop.service", `(?m)^RestartPreventExitStatus=(\d)$`))
	readme, err := os.ReadFile("../README.md")
	require.NoError(t, err)
	for _, name := range regexp.MustCompile(`BELLHOP_\w+`).FindAllString(string(text), -1) {
		assert.Contains(t, string(readme), "`"+name+"`")
	}
	for _, line := range []string{"KillSignal=SIGTERM", "DynamicUser=yes", "ProtectSystem=strict", "NoNewPrivileges=yes", "EnvironmentFile=/etc/bellhop/env"} {
		assert.Contains(t, string(text), "\n"+line+"\n")
	}
}

// Prometheus can read what compose.yaml gives it.
func TestPrometheusReadsItsFile(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("compose/prometheus.yml")
	require.NoError(t, err)
	require.Contains(t, string(text), "/etc/bellhop/rules/alerts.yml")
	rules, err := filepath.Abs("prometheus")
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "prometheus.yml")
	require.NoError(t, os.WriteFile(file, []byte(strings.ReplaceAll(string(text), "/etc/bellhop/rules/alerts.yml", rules+"/alerts.ym[l]")), 0o600))
	out, err := exec.CommandContext(t.Context(), "promtool", "check", "config", "--syntax-only", file).CombinedOutput()
	require.NoError(t, err, "`make test-deps` installs it\n%s", out)
}
