package deploy_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bellhop/internal/testenv"
)

// What compose.yaml starts, with this machine's programs in place of the images: Redis with
// the ACL that up has made, a node with the settings that up has made, nginx by way of
// nginx-start. Only names are changed, since here they are not known.
func TestComposedServersRunTogether(t *testing.T) {
	t.Parallel()
	secrets := filepath.Join(t.TempDir(), "secrets")
	made := runUp(t, secrets)
	require.Equal(t, made, runUp(t, secrets), "what is there stays")

	server := testenv.RedisFile(t, "redis.conf", map[string]string{"bind 127.0.0.1 -::1": "bind 127.0.0.1", "port 6379": "port {{port}}",
		"/etc/redis/users.acl": "{{users}}", "/var/lib/redis": "{{dir}}"})
	// The server has users already; up's file is loaded line by line.
	for line := range strings.Lines(made["redis-users.acl"]) {
		args := []any{"acl", "setuser"}
		for i, rule := range strings.Fields(line)[1:] {
			if args = append(args, rule); i == 0 {
				args = append(args, "resetpass")
			}
		}
		require.NoError(t, server.Client().Do(t.Context(), args...).Err(), line)
	}
	mongo := testenv.Mongo(t)
	config := made["bellhop.yaml"]
	for from, to := range map[string]string{
		"@redis:6379": "@" + server.Addr(),
		// FerretDB has no users.
		"mongodb://bellhop:" + strings.TrimSpace(made["mongodb-password"]) + "@mongodb:27017/": mongo.URL(),
	} {
		require.Equal(t, 1, strings.Count(config, from))
		config = strings.Replace(config, from, to, 1)
	}
	file := filepath.Join(t.TempDir(), "bellhop.yaml")
	require.NoError(t, os.WriteFile(file, []byte(config), 0o600))

	nodes := [2]string{testenv.FreeAddr(t), testenv.FreeAddr(t)}
	for _, addr := range nodes {
		startNodeAt(t, addr, file)
	}
	addr, stopped := startComposedNginx(t, secrets, nodes)

	trust := x509.NewCertPool()
	require.True(t, trust.AppendCertsFromPEM([]byte(made["tls-certificate.pem"])))
	c := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true,
		TLSClientConfig: &tls.Config{RootCAs: trust, ServerName: "localhost", MinVersion: tls.VersionTLS12}}}
	require.Eventually(t, func() bool {
		res, err := c.Get("https://" + addr + "/readyz")
		if err != nil {
			return false
		}
		_ = res.Body.Close()
		return res.StatusCode == http.StatusOK
	}, 60*time.Second, 100*time.Millisecond)

	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://"+addr+"/api/v1/tokens", strings.NewReader(`{"role":"user","id":"uma"}`))
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+strings.TrimSpace(made["api-key"]))
	req.Header.Set("Content-Type", "application/json")
	res, err := c.Do(req)
	require.NoError(t, err)
	text, err := io.ReadAll(res.Body)
	_ = res.Body.Close()
	require.NoError(t, err)
	var token struct{ Token string }
	require.NoError(t, json.Unmarshal(text, &token), string(text))
	require.NotEmpty(t, token.Token, "%s %s", res.Status, text)

	refused, err := server.Refused()
	require.NoError(t, err)
	require.Empty(t, refused)
	stranger := redis.NewClient(&redis.Options{Addr: server.Addr(), Username: "bellhop", Password: "not-a-secret"})
	defer func() { _ = stranger.Close() }()
	assert.Error(t, stranger.Ping(t.Context()).Err())
	stopped()
}

// runUp makes the secrets and gives what is in them.
func runUp(t *testing.T, secrets string) map[string]string {
	t.Helper()
	up := exec.CommandContext(t.Context(), "compose/up", "--only-secrets")
	up.Env = append(os.Environ(), "BELLHOP_SECRETS="+secrets)
	out, err := up.CombinedOutput()
	require.NoError(t, err, string(out))
	files, err := os.ReadDir(secrets)
	require.NoError(t, err)
	made := map[string]string{}
	for _, f := range files {
		text, err := os.ReadFile(filepath.Join(secrets, f.Name()))
		require.NoError(t, err)
		require.NotEmpty(t, text)
		made[f.Name()] = string(text)
	}
	require.Len(t, made, 9)
	return made
}

// startNodeAt starts the program as the containers do.
func startNodeAt(t *testing.T, addr, config string) {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "bellhop")
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", bin, "../app").CombinedOutput()
	require.NoError(t, err, string(out))
	cmd := exec.Command(bin)
	cmd.Env = append(os.Environ(), "BELLHOP_CONFIG="+config, "BELLHOP_ADDR="+addr, "BELLHOP_DATA_DIR="+t.TempDir(), "BELLHOP_DRAIN=1s", "BELLHOP_LOG_LEVEL=warn")
	run(t, cmd)
}

// run starts a program that ends with the test, and tells how to end it before.
func run(t *testing.T, cmd *exec.Cmd) (stop func() error) {
	t.Helper()
	var log strings.Builder
	cmd.Stdout, cmd.Stderr = &log, &log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	require.NoError(t, cmd.Start())
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	stop = func() error {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case err := <-ended:
			ended <- err
			return err
		case <-time.After(20 * time.Second):
			_ = cmd.Process.Kill()
			return errors.Join(errors.New("it did not end"), <-ended)
		}
	}
	t.Cleanup(func() {
		_ = stop()
		if t.Failed() {
			t.Log(cmd.Path, log.String())
		}
	})
	return stop
}

// startComposedNginx runs nginx-start; its addresses and folders are the test's.
func startComposedNginx(t *testing.T, secrets string, nodes [2]string) (addr string, stop func()) {
	t.Helper()
	at, tmp := t.TempDir(), t.TempDir()
	for from, to := range map[string]string{"nginx.conf": at + "/site.conf", "compose/nginx.conf": at + "/nginx.conf",
		secrets + "/tls-certificate.pem": at + "/tls_certificate", secrets + "/tls-key.pem": at + "/tls_key"} {
		text, err := os.ReadFile(from)
		require.NoError(t, err)
		if strings.HasSuffix(to, "/nginx.conf") && os.Geteuid() == 0 {
			text = append([]byte("user root;\n"), text...) // the default, nobody, may not enter the test's folders
		}
		require.NoError(t, os.WriteFile(to, text, 0o600))
	}
	addr = testenv.FreeAddr(t)
	health := testenv.FreeAddr(t)
	cmd := exec.Command("sh", "compose/nginx-start")
	cmd.Env = append(os.Environ(), "PATH="+os.Getenv("PATH")+":/usr/sbin", "AT="+at, "SECRETS="+at, "TMP_DIR="+tmp,
		"NODE_1="+nodes[0], "NODE_2="+nodes[1], "HTTPS="+addr, "HTTP="+testenv.FreeAddr(t), "HEALTH="+health)
	end := run(t, cmd)
	require.Eventually(t, func() bool {
		req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, "http://"+health+"/", nil)
		require.NoError(t, err)
		res, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
		if err != nil {
			return false
		}
		_ = res.Body.Close()
		return res.StatusCode == http.StatusNoContent
	}, 20*time.Second, 50*time.Millisecond)
	return addr, func() { require.NoError(t, end()) }
}
