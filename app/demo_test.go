package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"bellhop/client"
	"bellhop/handlers"
)

// openDemo are the settings as they are when nobody sets any: no key, and people to log in as.
func openDemo(s *Settings) { s.APIKey, s.DemoPeople = nil, true }

// A whole node with --demo has bots in it, and the page that offers people says so.
func TestDemo(t *testing.T) {
	dir := t.TempDir()
	n := startNode(t, "", openDemo, func(s *Settings) { s.Demo, s.DataDir = true, dir })
	require.DirExists(t, dir+"/demo", "bots are kept apart")
	var told struct {
		People []handlers.DemoPerson
		Bots   bool
		Shop   string
	}
	res := fetch(t, n.url()+"/demo/people")
	require.NoError(t, json.Unmarshal([]byte(res.body), &told))
	require.True(t, told.Bots)
	require.NotEmpty(t, told.People)
	require.Equal(t, n.shop.Origin()+"/", told.Shop)
	page := fetch(t, n.url()+"/")
	require.Contains(t, page.body, `<div id="root">`)
	require.Contains(t, page.header.Get("Content-Security-Policy"), "script-src 'self'")
	api := client.API{BaseURL: n.url(), Key: wellKnownKey}
	require.Eventually(t, func() bool {
		var out struct{ Sessions []client.Session }
		require.NoError(t, api.Do(t.Context(), http.MethodGet, "/sessions", nil, &out))
		return len(out.Sessions) > 0
	}, 75*time.Second, 200*time.Millisecond)
}

// Bots chat nowhere but in a demo.
func TestDemoIsRefused(t *testing.T) {
	for _, args := range [][]string{
		{"--demo", "--redis-url", "redis://127.0.0.1:1", "--api-key", "k"}, {"--demo", "--mongo-url", "mongodb://127.0.0.1/x"},
		{"--demo", "--addr", "0.0.0.0:0", "--api-key", "k"},
	} {
		var out, errs bytes.Buffer
		require.Equal(t, exitSettings, run(t.Context(), append(args, "--data-dir", t.TempDir()), &out, &errs), args)
		require.Contains(t, errs.String(), "--demo", args)
		require.Equal(t, 1, strings.Count(errs.String(), "\n"), errs.String())
	}
	t.Setenv("BELLHOP_DEMO", "true")
	var out, errs bytes.Buffer
	require.Equal(t, exitSettings, run(t.Context(), []string{"--redis-url", "redis://127.0.0.1:1", "--api-key", "k"}, &out, &errs))
	require.Contains(t, errs.String(), "--redis-url")
}

// The shop is another site: its own origin and policy, a token of its own server's, and the widget may connect from there.
func TestShop(t *testing.T) {
	n := startNode(t, "", openDemo)
	shop, chat := n.shop.Origin(), n.url()
	require.NotEqual(t, chat, shop)
	for lang, text := range map[string]string{"en": "Copper kettle", "zh-CN": "铜水壶"} {
		page := fetch(t, shop+"/?lang="+lang)
		require.Contains(t, page.body, text)
		require.Contains(t, page.body, `<script src="`+chat+`/widget.js" defer`)
		require.NotContains(t, page.body, "style=")
		require.NotContains(t, page.body, "<style")
		policy := page.header.Get("Content-Security-Policy")
		require.Contains(t, policy, "script-src "+chat+";")
		require.Contains(t, policy, "frame-src "+chat+";")
		require.NotContains(t, policy, "unsafe")
	}
	require.Contains(t, fetch(t, shop+"/shop.css").header.Get("Content-Type"), "text/css")
	require.Contains(t, fetch(t, chat+"/chat").header.Get("Content-Security-Policy"), "frame-ancestors 'self' "+shop)
	require.Contains(t, fetch(t, chat+"/widget.js").body, "bellhop-widget")

	res, err := http.Post(shop+"/token", "", nil)
	require.NoError(t, err)
	var got struct{ Token string }
	require.NoError(t, json.NewDecoder(res.Body).Decode(&got))
	require.NoError(t, res.Body.Close())
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, chat+"/api/v1/sessions", nil)
	require.NoError(t, err)
	req.Header.Set("Origin", shop)
	req.Header.Set("Authorization", "Bearer "+got.Token)
	res, err = http.DefaultClient.Do(req)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, http.StatusOK, res.StatusCode)
	require.Equal(t, shop, res.Header.Get("Access-Control-Allow-Origin"))

	req, err = http.NewRequestWithContext(t.Context(), http.MethodPost, shop+"/token", nil)
	require.NoError(t, err)
	req.Header.Set("Origin", "https://evil.example") // a foreign page
	res, err = http.DefaultClient.Do(req)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, http.StatusForbidden, res.StatusCode)

	req, err = http.NewRequestWithContext(t.Context(), http.MethodPost, shop+"/token", nil)
	require.NoError(t, err)
	req.Host = "evil.example" // a foreign name that points here
	res, err = http.DefaultClient.Do(req)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, http.StatusMisdirectedRequest, res.StatusCode)
}

type fetched struct {
	header http.Header
	body   string
}

func fetch(t *testing.T, url string) fetched {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	require.NoError(t, err)
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer func() { _ = res.Body.Close() }()
	data, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, res.StatusCode, "%s: %s", url, data)
	return fetched{res.Header, string(data)}
}
