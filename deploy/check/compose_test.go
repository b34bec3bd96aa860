package check

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/dop251/goja"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"
)

// compose loads compose.yaml as docker compose does, by the specification's schema.
func compose(t *testing.T, env types.Mapping) (*types.Project, error) {
	t.Helper()
	file, err := filepath.Abs("../compose.yaml")
	require.NoError(t, err)
	return loader.LoadWithContext(t.Context(), types.ConfigDetails{WorkingDir: filepath.Dir(file),
		ConfigFiles: []types.ConfigFile{{Filename: file}}, Environment: env})
}

// composed is compose.yaml with secrets made by up.
func composed(t *testing.T) *types.Project {
	t.Helper()
	secrets := filepath.Join(t.TempDir(), "secrets")
	up := exec.Command("../compose/up", "--only-secrets")
	up.Env = append(os.Environ(), "BELLHOP_SECRETS="+secrets)
	out, err := up.CombinedOutput()
	require.NoError(t, err, string(out))
	p, err := compose(t, types.Mapping{"BELLHOP_SECRETS": secrets})
	require.NoError(t, err)
	return p
}

func TestComposeWantsSecrets(t *testing.T) {
	_, err := compose(t, nil)
	require.ErrorContains(t, err, "start with deploy/compose/up")
}

func TestComposeServices(t *testing.T) {
	p := composed(t)
	names := p.ServiceNames()
	slices.Sort(names)
	require.Equal(t, []string{"bellhop-1", "bellhop-2", "grafana", "mongodb", "nginx", "prometheus", "redis"}, names)
	written := map[string][]string{} // volumes, by service
	for name, s := range p.Services {
		assert.True(t, s.ReadOnly, name)
		assert.False(t, s.Privileged, name)
		assert.Regexp(t, `^[1-9]\d*:\d+$`, s.User, name)
		assert.Equal(t, []string{"ALL"}, s.CapDrop, name)
		assert.Equal(t, []string{"no-new-privileges:true"}, s.SecurityOpt, name)
		assert.Equal(t, "unless-stopped", s.Restart, name)
		assert.Regexp(t, `^[a-z/]+:(v?\d+\.\d[\w.-]*|local)$`, s.Image, name)
		require.NotNil(t, s.HealthCheck, name)
		assert.GreaterOrEqual(t, len(s.HealthCheck.Test), 2, name)
		require.NotNil(t, s.StopGracePeriod, name)
		for _, v := range s.Volumes {
			if v.Type == types.VolumeTypeVolume {
				written[name] = append(written[name], v.Source+":"+v.Target)
				continue
			}
			assert.True(t, v.ReadOnly, "%s: %s", name, v.Source)
			_, err := os.Stat(v.Source)
			assert.NoError(t, err, "%s mounts it", name)
		}
		for key, value := range s.Environment {
			if strings.HasPrefix(key, "BELLHOP_") {
				assert.True(t, settings(t)[key], "%s is no setting", key)
			}
			if strings.Contains(key, "PASSWORD") {
				assert.True(t, strings.HasSuffix(key, "_FILE"), key)
				assert.True(t, strings.HasPrefix(*value, "/run/secrets/"), key)
			}
		}
		for _, secret := range s.Secrets {
			file := p.Secrets[secret.Source].File
			info, err := os.Stat(file)
			require.NoError(t, err, "%s: %s", name, secret.Source)
			assert.Positive(t, info.Size(), file)
			assert.Equal(t, os.FileMode(0o444), info.Mode().Perm(), "containers' users read it")
		}
		for _, port := range s.Ports {
			assert.True(t, name == "nginx" || port.HostIP == "127.0.0.1", "%s is published", name)
		}
		for on := range s.DependsOn {
			assert.Equal(t, types.ServiceConditionHealthy, s.DependsOn[on].Condition, "%s on %s", name, on)
		}
	}
	assert.Equal(t, map[string][]string{"bellhop-1": {"files:/data"}, "bellhop-2": {"files:/data"}, "redis": {"redis:/data"},
		"mongodb": {"mongodb:/data/db"}, "prometheus": {"prometheus:/prometheus"}, "grafana": {"grafana:/var/lib/grafana"}}, written)
	assert.True(t, p.Networks["inside"].Internal)
	info, err := os.Stat(filepath.Dir(p.Secrets["tls_key"].File))
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o700), info.Mode().Perm(), "nobody else of this machine reads them")
}

func TestComposeNodes(t *testing.T) {
	p := composed(t)
	for _, name := range []string{"bellhop-1", "bellhop-2"} {
		s := p.Services[name]
		drain, err := time.ParseDuration(*s.Environment["BELLHOP_DRAIN"])
		require.NoError(t, err)
		assert.GreaterOrEqual(t, time.Duration(*s.StopGracePeriod), drain+10*time.Second, "app.Run: five seconds to drain what is left, five to close")
		assert.Equal(t, "SIGTERM", s.StopSignal)
		assert.Equal(t, types.HealthCheckTest{"CMD", "/bellhop", "health"}, s.HealthCheck.Test)
		assert.GreaterOrEqual(t, time.Duration(*s.HealthCheck.StartPeriod), 60*time.Second, "it waits for Redis, then for the archive")
		assert.Equal(t, "/run/secrets/bellhop", *s.Environment["BELLHOP_CONFIG"])
		dir, err := filepath.Abs("../..")
		require.NoError(t, err)
		assert.Equal(t, dir, s.Build.Context)
		for _, line := range []string{"USER " + s.User, "EXPOSE 8080", "VOLUME /data"} {
			contains(t, s.Build.Dockerfile, line)
		}
	}

	var config struct {
		ScrapeConfigs []struct {
			StaticConfigs []struct {
				Targets []string `json:"targets"`
			} `json:"static_configs"`
			MetricsPath string `json:"metrics_path"`
		} `json:"scrape_configs"`
	}
	text, err := os.ReadFile("../compose/prometheus.yml")
	require.NoError(t, err)
	require.NoError(t, yaml.Unmarshal(text, &config))
	require.Equal(t, []string{"bellhop-1:8080", "bellhop-2:8080"}, config.ScrapeConfigs[0].StaticConfigs[0].Targets)
	require.Empty(t, config.ScrapeConfigs[0].MetricsPath, "/metrics")
	contains(t, "handlers/server.go", `e.GET("/metrics"`)
	for _, node := range []string{"bellhop-1:8080", "bellhop-2:8080"} {
		contains(t, "deploy/compose/nginx-start", node)
	}
}

// What one file says of another is so: mounts, secrets, services, ports.
func TestComposeFilesAgree(t *testing.T) {
	p := composed(t)
	text := func(file string) string {
		t.Helper()
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		return string(data)
	}
	for service, files := range map[string][]string{
		"nginx":      {"../compose/nginx-start", "../compose/nginx.conf"},
		"mongodb":    {"../compose/mongodb-init.js"},
		"prometheus": {"../compose/prometheus.yml"},
		"grafana":    {"../grafana/provisioning/dashboards/bellhop.yaml", "../grafana/provisioning/datasources/prometheus.yaml"},
	} {
		s := p.Services[service]
		said := strings.Join(append(append(append([]string{}, s.Command...), s.Entrypoint...), s.HealthCheck.Test...), " ")
		for _, v := range s.Environment {
			said += " " + *v
		}
		for _, f := range files {
			said += " " + text(f)
		}
		for _, path := range regexp.MustCompile(`/etc/bellhop/[\w./-]+`).FindAllString(said, -1) {
			mounted := slices.ContainsFunc(s.Volumes, func(v types.ServiceVolumeConfig) bool {
				rest, under := strings.CutPrefix(path, v.Target)
				if !under {
					return false
				}
				_, err := os.Stat(v.Source + rest)
				return err == nil || strings.HasSuffix(path, "/rules/alerts.yml") // it may have no rules
			})
			assert.True(t, mounted, "%s: %s is not mounted", service, path)
		}
		for _, m := range regexp.MustCompile(`(?:/run/secrets|\$secrets)/(\w+)`).FindAllStringSubmatch(said, -1) {
			assert.True(t, slices.ContainsFunc(s.Secrets, func(c types.ServiceSecretConfig) bool { return c.Source == m[1] }), "%s: secret %s", service, m[1])
		}
	}
	assert.Contains(t, text("../grafana/provisioning/datasources/prometheus.yaml"), "http://prometheus:9090")
	config := text(p.Secrets["bellhop"].File)
	assert.Regexp(t, `(?m)^redis-url: redis://bellhop:[0-9a-f]{64}@redis:6379$`, config)
	assert.Regexp(t, `(?m)^mongo-url: mongodb://bellhop:[0-9a-f]{64}@mongodb:27017/bellhop$`, config)
	assert.Regexp(t, `(?m)^api-key: [0-9a-f]{64}$`, config)
	ignored := exec.Command("git", "check-ignore", "deploy/.env", "deploy/compose/secrets/bellhop.yaml")
	ignored.Dir = "../.."
	assert.NoError(t, ignored.Run(), "nobody commits them")
	contains(t, ".dockerignore", "\ndeploy/compose/secrets\n")
}

// mongodb-init.js makes the user of mongodb-role.js with the secret's password, asking nobody.
func TestMongoDBIsSetUp(t *testing.T) {
	vm := goja.New()
	run := func(path string) {
		text, err := os.ReadFile(map[string]string{"/etc/bellhop/mongodb-role.js": "../mongodb-role.js"}[path])
		require.NoError(t, err, path)
		_, err = vm.RunString(string(text))
		require.NoError(t, err)
	}
	var made []string
	require.NoError(t, vm.Set("load", run))
	require.NoError(t, vm.Set("require", func(module string) any {
		require.Equal(t, "fs", module)
		return map[string]any{"readFileSync": func(path, _ string) string {
			require.Equal(t, "/run/secrets/mongodb_password", path)
			return "from-the-file\n"
		}}
	}))
	require.NoError(t, vm.Set("passwordPrompt", func() string { t.Error("it asks"); return "" }))
	database := map[string]any{
		"getName":    func() string { return "bellhop" },
		"createRole": func(r map[string]any) { made = append(made, r["role"].(string)) },
		"createUser": func(u map[string]any) { made = append(made, u["user"].(string), u["pwd"].(string)) },
	}
	require.NoError(t, vm.Set("db", map[string]any{"getSiblingDB": func(name string) any {
		require.Equal(t, "bellhop", name)
		return database
	}}))
	text, err := os.ReadFile("../compose/mongodb-init.js")
	require.NoError(t, err)
	_, err = vm.RunString(string(text))
	require.NoError(t, err)
	require.Equal(t, []string{"bellhop", "bellhop", "from-the-file"}, made)
}
