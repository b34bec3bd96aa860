package main

import (
	"encoding/csv"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"bellhop/client"
	"bellhop/handlers"
	"bellhop/handlers/openapitest"
	"bellhop/internal/testenv"
)

// Statistics over HTTP, from one node of what happened at another, as JSON and
// as CSV; every answer is held to the description.
func TestStats(t *testing.T) {
	redis := testenv.Shared(t, testenv.EngineRedis)
	n, other := startNode(t, redis), startNode(t, redis)
	web := &http.Client{Transport: openapitest.Transport(t, handlers.Description())}
	ctx, q := t.Context(), "=1+1,\"q\""+name("") // nobody's formula
	token := func(role, id string) string {
		tk, err := n.api().IssueToken(ctx, client.TokenRequest{Role: role, ID: id, Name: "@" + id, Queues: []string{q}})
		require.NoError(t, err)
		return tk.Token
	}
	ask := func(key, query string, header ...string) answer {
		req, err := http.NewRequestWithContext(ctx, "GET", other.url()+"/api/v1/stats?"+query, nil)
		require.NoError(t, err)
		req.Header.Set("Authorization", "Bearer "+key)
		for i := 0; i+1 < len(header); i += 2 {
			req.Header.Set(header[i], header[i+1])
		}
		res, err := web.Do(req)
		require.NoError(t, err)
		defer func() { _ = res.Body.Close() }()
		data, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		return answer{res.StatusCode, res.Header, string(data)}
	}
	uma, ann := name("uma"), "-"+name("ann")
	s, err := n.api().CreateSession(ctx, client.CreateRequest{User: client.Person{ID: uma}, Queue: q})
	require.NoError(t, err)
	agent := client.API{BaseURL: n.url(), Key: token("agent", ann), HTTP: web}
	require.NoError(t, agent.Do(ctx, "POST", "/sessions/"+s.ID+"/grab", nil, nil))
	require.NoError(t, agent.Do(ctx, "POST", "/sessions/"+s.ID+"/messages", obj{"body": "hi"}, nil))
	require.NoError(t, agent.Do(ctx, "POST", "/sessions/"+s.ID+"/end", obj{"force": true}, nil))
	_, err = n.api().CreateSession(ctx, client.CreateRequest{User: client.Person{ID: uma}, Queue: q})
	require.NoError(t, err)

	var got struct {
		Waiting, Serving int
		Totals           obj
		Buckets          []obj
		Queues, Agents   []obj
	}
	of := "queue=" + url.QueryEscape(q)
	require.NoError(t, client.API{BaseURL: other.url(), Key: token("supervisor", name("sue")), HTTP: web}.Do(ctx, "GET", "/stats?"+of, nil, &got))
	require.Equal(t, 1, got.Waiting)
	require.Equal(t, 0, got.Serving)
	for what, want := range map[string]float64{"opened": 2, "grabbed": 1, "ended": 1, "abandoned": 0} {
		require.Equal(t, want, got.Totals[what], what)
	}
	require.EqualValues(t, 1, got.Totals["firstResponse"].(obj)["count"])
	require.NotNil(t, got.Totals["handling"].(obj)["p95"])
	require.Equal(t, q, got.Queues[0]["queue"])
	require.Equal(t, ann, got.Agents[0]["agent"])
	require.GreaterOrEqual(t, len(got.Buckets), 24)

	t.Log("the whole deployment")
	require.Equal(t, 200, ask(key, "").status)
	require.Equal(t, 200, ask(key, "bucket=day&tz=Asia%2FShanghai&since="+url.QueryEscape(time.Now().AddDate(0, 0, -30).Format(time.RFC3339))).status)

	t.Log("as a table")
	for _, a := range []answer{ask(key, of+"&format=csv"), ask(key, of, "Accept", "text/csv")} {
		require.Equal(t, 200, a.status)
		require.True(t, strings.HasPrefix(a.header.Get("Content-Type"), "text/csv"), a.header)
		require.Contains(t, a.header.Get("Content-Disposition"), "attachment")
		table, err := csv.NewReader(strings.NewReader(a.body)).ReadAll() // every row has as many fields as the header
		require.NoError(t, err)
		column := map[string]int{}
		for i, h := range table[0] {
			column[h] = i
		}
		rows, inBuckets := map[string][]string{}, 0
		for _, r := range table[1:] {
			rows[r[0]] = r
			if r[0] == "bucket" && r[column["opened"]] != "0" {
				inBuckets++
			}
		}
		require.Positive(t, inBuckets)
		require.Equal(t, "2", rows["total"][column["opened"]])
		require.Equal(t, "1", rows["total"][column["waiting"]])
		require.Equal(t, "'"+q, rows["queue"][column["queue"]])
		require.Equal(t, "'"+ann, rows["agent"][column["agent"]])
		require.Equal(t, "'@"+ann, rows["agent"][column["name"]])
		require.NotEmpty(t, rows["agent"][column["first_response_median"]])
	}

	t.Log("for people: Excel takes a table for UTF-8 by its first three bytes, and no program gets them unasked")
	const bom = "\xef\xbb\xbf"
	require.True(t, strings.HasPrefix(ask(key, of+"&format=csv&bom=true").body, bom+"row,start,"))
	for _, a := range []answer{ask(key, of+"&format=csv"), ask(key, of, "Accept", "text/csv"), ask(key, of+"&format=csv&bom=false")} {
		require.True(t, strings.HasPrefix(a.body, "row,start,"))
	}
	require.True(t, strings.HasPrefix(ask(key, of+"&bom=true").body, "{"))

	t.Log("who may not, and what makes no sense")
	for _, tok := range []string{token("user", uma), token("agent", ann)} {
		require.Equal(t, 403, ask(tok, "").status)
	}
	require.Equal(t, 401, ask("nobody", "").status)
	for _, query := range []string{"since=yesterday", "until=1", "bucket=year", "tz=Nowhere", "format=xml", "bom=maybe", "queue=%00", "agent=%00",
		"since=2020-01-01T00:00:00Z&bucket=month", "since=2026-02-02T00:00:00Z&until=2026-02-01T00:00:00Z"} {
		require.Equal(t, 400, ask(key, query).status, query)
	}
}
