package main

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"bellhop/internal/testenv"
)

// Profiles are served where they are asked for, to this machine, without the command line; and nowhere else.
func TestProfilesAreForThisMachine(t *testing.T) {
	url := testenv.Shared(t, testenv.EngineEmbedded)
	without := startNode(t, url)
	require.Nil(t, without.pprof)
	require.Equal(t, http.StatusNotFound, get(t, http.DefaultClient, without.url(), "/debug/pprof/", key).status)

	n := startNode(t, url, func(s *Settings) { s.PprofAddr = "127.0.0.1:0" })
	base := "http://" + n.pprofAt
	require.Contains(t, get(t, http.DefaultClient, base, "/debug/pprof/goroutine?debug=2", "").body, "startPprof")
	require.Equal(t, http.StatusOK, get(t, http.DefaultClient, base, "/debug/pprof/heap", "").status)
	require.Equal(t, http.StatusNotFound, get(t, http.DefaultClient, base, "/debug/pprof/cmdline", "").status, "there may be secrets on it")
	require.Equal(t, http.StatusNotFound, get(t, http.DefaultClient, base, "/metrics", "").status)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+"/debug/pprof/", nil)
	require.NoError(t, err)
	req.Host = "evil.example:6060"
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	_ = res.Body.Close()
	require.Equal(t, http.StatusMisdirectedRequest, res.StatusCode)
	n.stop()
	_, err = http.Get(base + "/debug/pprof/") //nolint:bodyclose // there is none
	require.Error(t, err)
}
