package check

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	apps "k8s.io/api/apps/v1"
	autoscaling "k8s.io/api/autoscaling/v2"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	"sigs.k8s.io/json"
	"sigs.k8s.io/yaml"
)

// objects are what a release is made of.
type objects struct {
	deployment     *apps.Deployment
	services       map[string]*core.Service
	config         *core.ConfigMap
	secret         *core.Secret
	serviceAccount *core.ServiceAccount
	ingress        *networking.Ingress
	network        *networking.NetworkPolicy
	disruption     *policy.PodDisruptionBudget
	scaler         *autoscaling.HorizontalPodAutoscaler
	monitor        *monitoring.ServiceMonitor
	notes          string
}

// render makes the objects as `helm install` does, with the values' schema.
func render(t *testing.T, values string) (*objects, error) {
	t.Helper()
	chart, err := loader.Load("../helm/bellhop")
	require.NoError(t, err)
	require.NoError(t, chart.Validate())
	given, err := chartutil.ReadValues([]byte(values))
	require.NoError(t, err)
	caps := chartutil.DefaultCapabilities.Copy()
	oldest, err := chartutil.ParseKubeVersion("v1.30.0")
	require.NoError(t, err)
	caps.KubeVersion = *oldest
	require.False(t, chartutil.IsCompatibleRange(chart.Metadata.KubeVersion, "v1.29.9"), "it has no pause before a stop")
	require.True(t, chartutil.IsCompatibleRange(chart.Metadata.KubeVersion, caps.KubeVersion.Version))
	all, err := chartutil.ToRenderValues(chart, given, chartutil.ReleaseOptions{Name: "shop", Namespace: "chat", IsInstall: true}, caps)
	if err != nil {
		return nil, err
	}
	files, err := engine.Engine{Strict: true}.Render(chart, all)
	if err != nil {
		return nil, err
	}
	o := &objects{services: map[string]*core.Service{}}
	for name, text := range files {
		if strings.HasSuffix(name, "NOTES.txt") {
			o.notes = text
			continue
		}
		for _, document := range regexp.MustCompile(`(?m)^---$`).Split(text, -1) {
			o.add(t, document)
		}
	}
	return o, nil
}

// add reads an object strictly, as Kubernetes does: no field that its type has not, in
// these very letters, and none twice.
func (o *objects) add(t *testing.T, document string) {
	t.Helper()
	var head struct {
		Kind string `json:"kind"`
	}
	require.NoError(t, yaml.Unmarshal([]byte(document), &head), document)
	read := func(into any) {
		text, err := yaml.YAMLToJSONStrict([]byte(document))
		require.NoError(t, err, document)
		strict, err := json.UnmarshalStrict(text, into)
		require.NoError(t, err, document)
		require.Empty(t, strict, document)
	}
	switch head.Kind {
	case "": // a template that makes nothing with these values
		require.Empty(t, regexp.MustCompile(`(?m)^\s*(#.*)?$\n?`).ReplaceAllString(document, ""))
	case "Service":
		var s core.Service
		read(&s)
		require.NotContains(t, o.services, s.Name, "two of one name")
		o.services[s.Name] = &s
	case "Deployment":
		read(&o.deployment)
	case "ConfigMap":
		read(&o.config)
	case "Secret":
		read(&o.secret)
	case "ServiceAccount":
		read(&o.serviceAccount)
	case "Ingress":
		read(&o.ingress)
	case "NetworkPolicy":
		read(&o.network)
	case "PodDisruptionBudget":
		read(&o.disruption)
	case "HorizontalPodAutoscaler":
		read(&o.scaler)
	case "ServiceMonitor":
		read(&o.monitor)
	default:
		t.Fatalf("nobody checks a %s", head.Kind)
	}
}

// knownSettings are the environment variables that the program says it reads.
var knownSettings = sync.OnceValues(func() (map[string]bool, error) {
	cmd := exec.Command("go", "run", "./app", "serve", "--help")
	cmd.Dir = "../.."
	help, err := cmd.CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, help)
	}
	known := map[string]bool{}
	for _, m := range regexp.MustCompile(`\$(BELLHOP_\w+)`).FindAllStringSubmatch(string(help), -1) {
		known[m[1]] = true
	}
	return known, nil
})

func settings(t *testing.T) map[string]bool {
	t.Helper()
	known, err := knownSettings()
	require.NoError(t, err)
	require.Greater(t, len(known), 25)
	return known
}

// contains is whether a file of the repository says something.
func contains(t *testing.T, file, what string) {
	t.Helper()
	text, err := os.ReadFile("../../" + file)
	require.NoError(t, err)
	require.Contains(t, string(text), what, file)
}

const least = "existingSecret: keys\nfiles: {url: 's3://files?region=eu-central-1'}\n"

func TestTheChartByItself(t *testing.T) {
	o, err := render(t, least)
	require.NoError(t, err)
	d := o.deployment.Spec
	require.EqualValues(t, 3, *d.Replicas)
	for k, v := range d.Selector.MatchLabels {
		assert.Equal(t, v, d.Template.Labels[k], "the Deployment finds its pods")
		assert.Equal(t, v, o.services["shop-bellhop"].Spec.Selector[k])
		assert.Equal(t, v, o.disruption.Spec.Selector.MatchLabels[k])
		assert.Equal(t, v, o.network.Spec.PodSelector.MatchLabels[k])
	}
	assert.Equal(t, d.Selector.MatchLabels, o.services["shop-bellhop"].Spec.Selector)

	pod := d.Template.Spec
	c := pod.Containers[0]
	assert.Equal(t, "bellhop:dev", c.Image)
	assert.True(t, *pod.SecurityContext.RunAsNonRoot)
	assert.EqualValues(t, 65532, *pod.SecurityContext.RunAsUser)
	assert.Equal(t, core.SeccompProfileTypeRuntimeDefault, pod.SecurityContext.SeccompProfile.Type)
	assert.False(t, *pod.AutomountServiceAccountToken)
	assert.True(t, *c.SecurityContext.ReadOnlyRootFilesystem)
	assert.False(t, *c.SecurityContext.AllowPrivilegeEscalation)
	assert.Equal(t, []core.Capability{"ALL"}, c.SecurityContext.Capabilities.Drop)
	assert.False(t, c.Resources.Requests.Cpu().IsZero() || c.Resources.Limits.Memory().IsZero())
	for _, m := range c.VolumeMounts {
		assert.Contains(t, []string{"/data", "/tmp"}, m.MountPath)
	}
	require.Len(t, pod.TopologySpreadConstraints, 2)
	for _, s := range pod.TopologySpreadConstraints {
		assert.Equal(t, d.Selector.MatchLabels, s.LabelSelector.MatchLabels)
	}

	require.Equal(t, "http", c.Ports[0].Name)
	assert.Equal(t, "http", o.services["shop-bellhop"].Spec.Ports[0].TargetPort.String())
	contains(t, "Dockerfile", fmt.Sprintf("EXPOSE %d", c.Ports[0].ContainerPort))
	assert.Equal(t, core.EnvVar{Name: "BELLHOP_ADDR", Value: fmt.Sprintf("0.0.0.0:%d", c.Ports[0].ContainerPort)}, c.Env[0])
	for _, p := range []*core.Probe{c.StartupProbe, c.LivenessProbe, c.ReadinessProbe} {
		require.Equal(t, "http", p.HTTPGet.Port.String())
		contains(t, "handlers/server.go", fmt.Sprintf("e.GET(%q,", p.HTTPGet.Path))
	}
	assert.Equal(t, "/readyz", c.ReadinessProbe.HTTPGet.Path)
	assert.Equal(t, "/healthz", c.LivenessProbe.HTTPGet.Path, "a Redis that is away is no reason to restart nodes")
	assert.GreaterOrEqual(t, c.StartupProbe.PeriodSeconds*c.StartupProbe.FailureThreshold, int32(60+10), "it waits for Redis, then for the archive")

	assert.Nil(t, o.secret)
	assert.Equal(t, "keys", c.EnvFrom[1].SecretRef.Name)
	assert.Equal(t, o.config.Name, c.EnvFrom[0].ConfigMapRef.Name)
	assert.Equal(t, o.serviceAccount.Name, pod.ServiceAccountName)
	assert.Equal(t, "s3://files?region=eu-central-1", o.config.Data["BELLHOP_FILES_URL"])
	for name := range o.config.Data {
		assert.True(t, settings(t)[name], "%s is no setting", name)
	}
	for _, e := range c.Env {
		assert.True(t, settings(t)[e.Name], "%s is no setting", e.Name)
	}
	assert.Len(t, o.services, 1)
	assert.Contains(t, o.notes, "port-forward service/shop-bellhop")
	for _, off := range []bool{o.ingress == nil, o.scaler == nil, o.monitor == nil} {
		assert.True(t, off)
	}
}

// A pod is not killed before its node has handed its connections over and closed.
func TestTheGracePeriodFitsTheDrain(t *testing.T) {
	for _, c := range [][2]int64{{10, 5}, {0, 0}, {600, 60}} {
		o, err := render(t, least+fmt.Sprintf("drainSeconds: %d\npreStopSeconds: %d\n", c[0], c[1]))
		require.NoError(t, err)
		pod := o.deployment.Spec.Template.Spec
		assert.GreaterOrEqual(t, *pod.TerminationGracePeriodSeconds, c[0]+c[1]+5+5, "app.Run: five seconds to drain what is left, five to close")
		assert.Equal(t, fmt.Sprintf("%ds", c[0]), o.config.Data["BELLHOP_DRAIN"])
		if c[1] == 0 {
			assert.Nil(t, pod.Containers[0].Lifecycle)
			continue
		}
		assert.Equal(t, c[1], pod.Containers[0].Lifecycle.PreStop.Sleep.Seconds)
	}
	contains(t, "app/serve.go", "a.settings.Drain+5*time.Second")
	contains(t, "app/serve.go", "context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)")
}

const everything = `
secret:
  BELLHOP_REDIS_URL: redis+cluster://bellhop:secret@r1:6379,r2:6379
  BELLHOP_MONGO_URL: mongodb://bellhop:secret@m1,m2/bellhop?replicaSet=rs0
  BELLHOP_API_KEY: 0123456789abcdef
settings:
  BELLHOP_LOG_LEVEL: debug
  BELLHOP_MAX_CONNS: 1000000
  BELLHOP_SEND_RATE: 0.5
  BELLHOP_ALLOW_EVICTION: false
files: {existingClaim: shared}
image: {repository: registry.example.org/bellhop, digest: "sha256:` + "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef" + `"}
imagePullSecrets: [{name: pull}]
service: {type: LoadBalancer, port: 8080, annotations: {a: b}}
ingress: {enabled: true, className: nginx, host: chat.example.org, path: /support, tlsSecret: chat-tls}
autoscaling: {enabled: true, connections: 20000000}
networkPolicy: {from: [{namespaceSelector: {matchLabels: {name: ingress}}}], egressPorts: [7000]}
serviceMonitor: {enabled: true, labels: {release: prometheus}}
serviceAccount: {annotations: {role: x}}
podAnnotations: {a: b}
podLabels: {team: support}
nodeSelector: {disk: ssd}
tolerations: [{key: chat, operator: Exists}]
affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [{key: a, operator: Exists}]}]}}}
priorityClassName: high
`

func TestTheChartWithEverything(t *testing.T) {
	o, err := render(t, strings.Replace(everything, "20000000", "2000000", 1))
	require.NoError(t, err)
	pod := o.deployment.Spec.Template.Spec
	assert.Nil(t, o.deployment.Spec.Replicas, "the scaler's to say")
	assert.Regexp(t, `^registry\.example\.org/bellhop@sha256:[0-9a-f]{64}$`, pod.Containers[0].Image)
	assert.Equal(t, "redis+cluster://bellhop:secret@r1:6379,r2:6379", o.secret.StringData["BELLHOP_REDIS_URL"])
	assert.Equal(t, o.secret.Name, pod.Containers[0].EnvFrom[1].SecretRef.Name)
	assert.Equal(t, "1000000", o.config.Data["BELLHOP_MAX_CONNS"], "no exponent")
	assert.Equal(t, "0.5", o.config.Data["BELLHOP_SEND_RATE"])
	assert.Equal(t, "false", o.config.Data["BELLHOP_ALLOW_EVICTION"])
	assert.Equal(t, "file:///data/files", o.config.Data["BELLHOP_FILES_URL"])
	assert.Equal(t, "shared", pod.Volumes[0].PersistentVolumeClaim.ClaimName)
	assert.Equal(t, "high", pod.PriorityClassName)
	assert.Len(t, pod.Tolerations, 1)

	paths := o.ingress.Spec.Rules[0].HTTP.Paths
	require.Equal(t, "/support/metrics", paths[0].Path)
	nowhere := o.services[paths[0].Backend.Service.Name]
	require.Empty(t, nowhere.Spec.Selector, "metrics are nobody's business")
	require.Equal(t, nowhere.Spec.Ports[0].Name, paths[0].Backend.Service.Port.Name)
	require.Equal(t, "/support", paths[1].Path)
	require.Equal(t, o.services["shop-bellhop"].Spec.Ports[0].Name, paths[1].Backend.Service.Port.Name)
	require.Equal(t, "chat-tls", o.ingress.Spec.TLS[0].SecretName)
	require.Equal(t, "21m", o.ingress.Annotations["nginx.ingress.kubernetes.io/proxy-body-size"])

	require.Len(t, o.scaler.Spec.Metrics, 2)
	require.Equal(t, o.deployment.Name, o.scaler.Spec.ScaleTargetRef.Name)
	metric := o.scaler.Spec.Metrics[1].Pods
	contains(t, "handlers/metrics.go", fmt.Sprintf("NewDesc(%q", metric.Metric.Name))
	require.EqualValues(t, 2000000, metric.Target.AverageValue.Value())

	require.Equal(t, "ingress", o.network.Spec.Ingress[0].From[0].NamespaceSelector.MatchLabels["name"])
	require.EqualValues(t, 7000, o.network.Spec.Egress[1].Ports[0].Port.IntValue())
	require.Equal(t, "/metrics", o.monitor.Spec.Endpoints[0].Path)
	require.Equal(t, "http", o.monitor.Spec.Endpoints[0].Port)
	require.Equal(t, "prometheus", o.monitor.Labels["release"])
	require.Equal(t, "DoesNotExist", string(o.monitor.Spec.Selector.MatchExpressions[0].Operator))
	require.Contains(t, nowhere.Labels, o.monitor.Spec.Selector.MatchExpressions[0].Key, "the Service of nothing is not asked")
	require.Contains(t, o.notes, "https://chat.example.org/support")
	require.NotContains(t, o.notes, "secret")
}

func TestTheIngressOfAWholeSite(t *testing.T) {
	o, err := render(t, least+"ingress: {enabled: true, host: chat.example.org}\nautoscaling: {enabled: true, cpuUtilization: 0, connections: 500}\n")
	require.NoError(t, err)
	paths := o.ingress.Spec.Rules[0].HTTP.Paths
	require.Equal(t, []string{"/metrics", "/"}, []string{paths[0].Path, paths[1].Path})
	require.Empty(t, o.ingress.Spec.TLS)
	require.Len(t, o.scaler.Spec.Metrics, 1)
}

// What cannot be is refused before anything is made of it.
func TestTheSchemaRefuses(t *testing.T) {
	for values, why := range map[string]string{
		"":                         "existingSecret",
		"existingSecret: keys\n":   "files",
		"files: {url: 's3://b'}\n": "secret",
		least + "files: {url: 's3://b', existingClaim: c}\n":                                            "files",
		"existingSecret: keys\nfiles: {url: 'file:///x'}\n":                                             "url",
		"files: {existingClaim: c}\nsecret: {BELLHOP_REDIS_URL: 'redis://r'}\n":                         "secret",
		strings.Replace(everything, "redis+cluster:", "http:", 1):                                       "BELLHOP_REDIS_URL",
		strings.Replace(everything, "m1,m2/bellhop", "m1,m2", 1):                                        "BELLHOP_MONGO_URL",
		strings.Replace(everything, "0123456789abcdef\nsettings", "dev\nsettings", 1):                   "BELLHOP_API_KEY",
		strings.Replace(everything, "BELLHOP_LOG_LEVEL", "BELLHOP_LOGLEVEL", 1):                         "BELLHOP_LOGLEVEL",
		strings.Replace(everything, "BELLHOP_LOG_LEVEL: debug", "BELLHOP_DRAIN: 5s", 1):                 "BELLHOP_DRAIN",
		strings.Replace(everything, "  BELLHOP_API_KEY:", "  BELLHOP_APIKEY: x\n  BELLHOP_API_KEY:", 1): "BELLHOP_APIKEY",
		everything + "existingSecret: keys\n":                                                           "existingSecret",
		everything:                                                                                      "connections",
		least + "replicas: 2\n":                                                                         "replicas",
		least + "replicaCount: 0\n":                                                                     "replicaCount",
		least + "drainSeconds: 601\n":                                                                   "drainSeconds",
		least + "ingress: {enabled: true}\n":                                                            "host",
		least + "image: {digest: 'sha256:1'}\n":                                                         "digest",
		least + "autoscaling: {enabled: true, cpuUtilization: 0}\n":                                     "autoscaling",
		least + "networkPolicy: {egressPorts: [redis]}\n":                                               "egressPorts",
	} {
		_, err := render(t, values)
		if assert.Error(t, err, values) {
			assert.Contains(t, err.Error(), why, values)
		}
	}
}

// The chart offers the settings that the program has, but those it sets itself or that are for one machine.
func TestTheChartOffersEverySetting(t *testing.T) {
	text, err := os.ReadFile("../helm/bellhop/values.schema.json")
	require.NoError(t, err)
	var schema struct {
		Properties struct {
			Secret, Settings struct{ Properties map[string]any }
		}
	}
	require.NoError(t, yaml.Unmarshal(text, &schema))
	offered := map[string]bool{}
	for _, list := range []map[string]any{schema.Properties.Secret.Properties, schema.Properties.Settings.Properties} {
		for name := range list {
			assert.True(t, settings(t)[name] || strings.HasPrefix(name, "AWS_"), "%s is no setting", name)
			assert.False(t, offered[name], name)
			offered[name] = true
		}
	}
	for _, own := range []string{"ADDR", "DATA_DIR", "FILES_URL", "DRAIN", "LOG_FORMAT", "CONFIG", "DEMO", "DEMO_PEOPLE"} {
		assert.False(t, offered["BELLHOP_"+own], own)
		offered["BELLHOP_"+own] = true
	}
	for name := range settings(t) {
		assert.True(t, offered[name], "%s cannot be set", name)
	}
}
