package main

import (
	"errors"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bellhop/broker/chat"
	"bellhop/client"
	"bellhop/internal/testenv"
)

// figures are what a node's /metrics gives, by name.
type figures map[string]*dto.MetricFamily

// look reads a node's metrics, in the form that a Prometheus asks for which takes native histograms.
func look(t testing.TB, n *node) figures {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, n.url()+"/metrics", nil)
	require.NoError(t, err)
	req.Header.Set("Accept", string(expfmt.NewFormat(expfmt.TypeProtoDelim)))
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer func() { _ = res.Body.Close() }()
	require.Equal(t, http.StatusOK, res.StatusCode)
	found, decoder := figures{}, expfmt.NewDecoder(res.Body, expfmt.ResponseFormat(res.Header))
	for {
		f := &dto.MetricFamily{}
		err := decoder.Decode(f)
		if errors.Is(err, io.EOF) {
			return found
		}
		require.NoError(t, err)
		found[f.GetName()] = f
	}
}

// of is one metric's value, of a histogram how often something was measured; label may be "".
func (f figures) of(name, label string) float64 {
	for _, m := range f[name].GetMetric() {
		if label != "" && (len(m.GetLabel()) == 0 || m.GetLabel()[0].GetValue() != label) {
			continue
		}
		return m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
	}
	return -1
}

// moves waits until a metric is at least so much more than before.
func moves(t testing.TB, n *node, before figures, by float64, name, label string) {
	t.Helper()
	want := before.of(name, label) + by
	require.Eventually(t, func() bool { return look(t, n).of(name, label) >= want }, 20*time.Second, 50*time.Millisecond,
		"%s{%s} stays below %v", name, label, want)
}

var metricRow = regexp.MustCompile("(?m)^\\| `(bellhop_\\w+)(?:\\{(\\w+)\\})?` \\| (\\w+) \\| (.*) \\|$")

// What a node tells is what docs/operations.md says that it tells, with type, label and words; and no more is said.
func TestMetricsAreAsDocumented(t *testing.T) {
	doc, err := os.ReadFile("../docs/operations.md")
	require.NoError(t, err)
	said := metricRow.FindAllStringSubmatch(string(doc), -1)
	found := look(t, startNode(t, testenv.Shared(t, testenv.EngineRedis)))
	for _, row := range said {
		f := found[row[1]]
		if !assert.NotNil(t, f, "%s is documented, and not there", row[1]) {
			continue
		}
		assert.Equal(t, row[3], strings.ToLower(f.GetType().String()), row[1])
		assert.Equal(t, row[4]+".", f.GetHelp(), row[1])
		label := ""
		for _, l := range f.GetMetric()[0].GetLabel() {
			label += l.GetName()
		}
		assert.Equal(t, row[2], label, row[1])
		delete(found, row[1])
	}
	for name := range found {
		assert.False(t, strings.HasPrefix(name, "bellhop_"), "%s is not documented", name)
	}
	require.Greater(t, len(said), 40)
}

// The codes of refusals are those of the contract.
func TestRefusalsAreCountedByTheContractsCodes(t *testing.T) {
	doc, err := os.ReadFile("../docs/protocol.md")
	require.NoError(t, err)
	_, list, ok := strings.Cut(string(doc), "### Error codes and their HTTP statuses\n")
	require.True(t, ok)
	list, _, _ = strings.Cut(list, "\n`retry` is true")
	codes := map[string]bool{}
	for _, m := range regexp.MustCompile("`([a-z_]+)`").FindAllStringSubmatch(list, -1) {
		codes[m[1]] = true
	}
	for _, not := range []string{"by", "load", "capacity", "state"} { // fields beside a code
		delete(codes, not)
	}
	var told []string
	for _, m := range look(t, startNode(t, testenv.Shared(t, testenv.EngineRedis)))["bellhop_refusals_total"].GetMetric() {
		told = append(told, m.GetLabel()[0].GetValue())
		require.True(t, codes[m.GetLabel()[0].GetValue()], m.GetLabel()[0].GetValue())
	}
	require.Len(t, told, len(codes))
	require.Len(t, told, len(chat.Codes()))
}

// What people do in a chat is counted.
func TestMetricsOfAChat(t *testing.T) {
	n := startNode(t, testenv.Redis(t).URL(), func(s *Settings) { s.MaxConns = 77 })
	q, none := name("q"), look(t, n)
	require.InDelta(t, 77, none.of("bellhop_connections_limit", ""), 0)
	require.InDelta(t, none.of("bellhop_partitions", ""), none.of("bellhop_node_partitions", ""), 0, "one node looks after all")
	uma, ann := user(t, n), agent(t, n, q)
	dial(t, n, client.TokenRequest{Role: "supervisor", ID: name("sue")})
	dial(t, n, client.TokenRequest{Role: "bot", ID: name("bob")})
	again := dial(t, n, client.TokenRequest{Role: "user", ID: uma.id}) // another device
	for role, want := range map[string]float64{"user": 2, "agent": 1, "supervisor": 1, "bot": 1} {
		require.InDelta(t, want, look(t, n).of("bellhop_role_connections", role), 0, role)
	}
	s := uma.open(q)
	moves(t, n, none, 1, "bellhop_sessions", "waiting")
	moves(t, n, none, 1, "bellhop_waiting_oldest_seconds", "")
	_, err := ann.Grab(t.Context(), s.ID)
	require.NoError(t, err)
	moves(t, n, none, 1, "bellhop_sessions", "serving")
	require.Zero(t, look(t, n).of("bellhop_sessions", "waiting"))
	require.Zero(t, look(t, n).of("bellhop_waiting_oldest_seconds", ""))

	before := look(t, n)
	for _, key := range []string{"k1", "k2", "k2"} {
		_, err = uma.Send(t.Context(), client.SendRequest{Session: s.ID, Body: []byte(`"hello"`), Key: key})
		require.NoError(t, err)
	}
	_, err = uma.SendText(t.Context(), s.ID, strings.Repeat("x", 20000))
	code(t, "too_large", err)
	moves(t, n, before, 4, "bellhop_deliveries_total", "") // two messages, to the agent and the other device
	after := look(t, n)
	for name, by := range map[string]float64{"bellhop_sends_total": 4, "bellhop_sends_acknowledged_total": 3, "bellhop_sends_repeated_total": 1,
		"bellhop_deliveries_total": 4} {
		require.InDelta(t, before.of(name, "")+by, after.of(name, ""), 0, name)
	}
	for name, label := range map[string]string{"bellhop_command_seconds": "send", "bellhop_refusals_total": "too_large"} {
		require.Greater(t, after.of(name, label), before.of(name, label), name)
	}
	require.InDelta(t, before.of("bellhop_command_seconds", "send")+4, after.of("bellhop_command_seconds", "send"), 0)
	require.InDelta(t, before.of("bellhop_script_seconds", "send")+3, after.of("bellhop_script_seconds", "send"), 0)
	for _, m := range after["bellhop_script_seconds"].GetMetric() {
		if m.GetLabel()[0].GetValue() == "send" {
			require.NotEmpty(t, m.GetHistogram().GetPositiveSpan(), "no native histogram")
			require.Len(t, m.GetHistogram().GetBucket(), 7, "and the classic one")
		}
	}
	get(t, http.DefaultClient, n.url(), "/api/v1/queues", "no key") // over HTTP, too
	moves(t, n, before, 1, "bellhop_refusals_total", "unauthorized")
	again.Close()
	require.Eventually(t, func() bool { return look(t, n).of("bellhop_role_connections", "user") == 1 }, 10*time.Second, 20*time.Millisecond)
}

// A Redis that is away is seen in what the node tells, and so is what was missed meanwhile.
func TestMetricsOfARedisThatIsAway(t *testing.T) {
	server := testenv.Redis(t)
	proxy := testenv.Proxy(t, server.Addr())
	data := func(s *Settings) { s.DataDir = dataOf(t, server.URL()) }
	cut, whole := startNode(t, server.Through(proxy.Addr()), data), startNode(t, server.URL(), data)
	q := name("q")
	uma, ann := user(t, cut), agent(t, whole, q)
	s := uma.open(q)
	_, err := ann.Grab(t.Context(), s.ID)
	require.NoError(t, err)
	before := look(t, cut)
	require.InDelta(t, 1, before.of("bellhop_redis_up", ""), 0)
	proxy.Cut()
	moves(t, cut, before, 1, "bellhop_subscribers_lost_total", "")
	moves(t, cut, before, 1, "bellhop_redis_errors_total", "unanswered")
	require.Eventually(t, func() bool { return look(t, cut).of("bellhop_redis_up", "") == 0 }, 20*time.Second, 50*time.Millisecond)
	require.Nil(t, look(t, cut)["bellhop_sessions"], "what is not known is not told")
	for range 3 {
		ann.say(s.ID, "are you there")
	}
	proxy.Restore()
	moves(t, cut, before, 1, "bellhop_gaps_filled_total", "")
	moves(t, cut, before, 3, "bellhop_gap_messages_total", "")
	require.Eventually(t, func() bool { return look(t, cut).of("bellhop_redis_up", "") == 1 }, 20*time.Second, 50*time.Millisecond)
	require.NotNil(t, look(t, cut)["bellhop_sessions"])
	require.Zero(t, look(t, whole).of("bellhop_subscribers_lost_total", ""))
}

// A Redis that is full is told apart.
func TestMetricsOfAFullRedis(t *testing.T) {
	server := testenv.Redis(t)
	n := startNode(t, server.URL())
	uma := user(t, n)
	s := uma.open(name("q"))
	before := look(t, n)
	require.NoError(t, server.Client().ConfigSet(t.Context(), "maxmemory", "1").Err())
	sent := make(chan error, 1)
	go func() { // the client goes on trying
		_, err := uma.SendText(t.Context(), s.ID, "no room")
		sent <- err
	}()
	moves(t, n, before, 1, "bellhop_redis_errors_total", "full")
	moves(t, n, before, 1, "bellhop_refusals_total", "overloaded")
	require.NoError(t, server.Client().ConfigSet(t.Context(), "maxmemory", "0").Err())
	require.NoError(t, <-sent)
}
