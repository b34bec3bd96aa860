package main

import (
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"bellhop/client"
	"bellhop/handlers"
	"bellhop/handlers/openapitest"
	"bellhop/internal/testenv"
)

// A session with all that may happen in one reads as what happened, in the reader's language and zone,
// and whoever has the transcript can open what was sent.
func TestTranscriptsForPeople(t *testing.T) {
	n := startNode(t, testenv.Shared(t, testenv.EngineRedis), func(s *Settings) { s.FilesURL = NewSecret("file://" + filepath.ToSlash(t.TempDir())) })
	web := &http.Client{Transport: openapitest.Transport(t, handlers.Description())}
	ctx, q := t.Context(), name("q")
	api := func(key string) client.API { return client.API{BaseURL: n.url(), Key: key} }
	require.NoError(t, api(key).Do(ctx, "PUT", "/queues/"+q, obj{"name": "Sales 销售", "greeting": "您好"}, nil))
	uma, ann, bob := user(t, n), agent(t, n, q), agent(t, n, q)
	sueID := name("sue")
	sue := api(token(t, n, client.TokenRequest{Role: "supervisor", ID: sueID, Name: "Sue 苏", Queues: []string{q}}))
	umas := token(t, n, client.TokenRequest{Role: "user", ID: uma.id, Name: "Uma"})
	s := uma.open(q)
	do := func(a client.API, what string, body any) {
		t.Helper()
		require.NoError(t, a.Do(ctx, "POST", "/sessions/"+s.ID+"/"+what, body, nil))
	}
	_, err := ann.Grab(ctx, s.ID)
	require.NoError(t, err)
	png, err := base64.StdEncoding.DecodeString("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")
	require.NoError(t, err)
	picture, err := api(umas).Upload(ctx, "猫.png", strings.NewReader(string(png)))
	require.NoError(t, err)
	_, err = uma.Send(ctx, client.SendRequest{Session: s.ID, Type: "image", Body: picture})
	require.NoError(t, err)
	require.NoError(t, uma.Recall(ctx, s.ID, uma.say(s.ID, "my password is hunter2").Seq))
	_, err = ann.TransferToAgent(ctx, s.ID, bob.id, "please")
	require.NoError(t, err)
	_, err = bob.Decline(ctx, s.ID, "at lunch")
	require.NoError(t, err)
	do(sue, "takeover", obj{})
	do(sue, "end", obj{"force": true, "reason": "solved"})
	do(api(umas), "rate", obj{"score": 4, "comment": "谢谢"})

	path := "/api/v1/sessions/" + s.ID + "/transcript?format="
	read := func(bearer, query string, header ...string) answer {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, n.url()+path+query, nil)
		require.NoError(t, err)
		req.Header.Set("Authorization", "Bearer "+bearer)
		for i := 0; i+1 < len(header); i += 2 {
			req.Header.Set(header[i], header[i+1])
		}
		res, err := web.Do(req)
		require.NoError(t, err)
		defer func() { _ = res.Body.Close() }()
		body, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		return answer{res.StatusCode, res.Header, string(body)}
	}
	link := regexp.MustCompile(`\[(?:picture|图片)\] 猫\.png (http\S+)`)
	plain := func(a answer) string {
		require.Equal(t, 200, a.status, a.body)
		require.Equal(t, "no-store", a.header.Get("Cache-Control"))
		body := regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d`).ReplaceAllString(a.body, "TIME")
		return link.ReplaceAllString(body, "[picture] 猫.png LINK")
	}
	require.Equal(t, fmt.Sprintf(`Session of Uma
%[1]s · Sales 销售 · ended
User: Uma (%[2]s)
Agent: Sue 苏 (%[3]s)
Opened: TIMEZ
Ended: TIMEZ · Sue 苏 ended the session: solved
Times: UTC
Links to files work until TIMEZ

[TIMEZ] * The session was opened and waits
[TIMEZ] * 您好
[TIMEZ] * Ann took the session
[TIMEZ] Uma (user): [picture] 猫.png LINK
[TIMEZ] Uma (user): (recalled)
[TIMEZ] * A message was recalled
[TIMEZ] * Ann offered the session to Ann
[TIMEZ] Ann (agent) (note): at lunch
[TIMEZ] * Ann declined the offer
[TIMEZ] * Sue 苏 took the session over from Ann
[TIMEZ] * Sue 苏 ended the session: solved
[TIMEZ] * Uma rated the session 4 of 5 ★★★★☆: 谢谢
`, s.ID, uma.id, sueID), plain(read(key, "text")))
	users := plain(read(umas, "text&tz=Asia/Shanghai", "Accept-Language", "zh-CN,zh;q=0.9,en;q=0.8"))
	for _, line := range []string{"[TIME+08:00] * 会话已创建，进入排队", "[TIME+08:00] Uma（用户）: [picture] 猫.png LINK", "[TIME+08:00] * Sue 苏 从 Ann 处接管会话", "时间：Asia/Shanghai"} {
		require.Contains(t, users, line+"\n")
	}
	require.NotContains(t, users, "at lunch")
	require.NotContains(t, users, "拒绝")
	a := read(key, "html&lang=zh", "Accept-Language", "en")
	require.Equal(t, "zh-CN", a.header.Get("Content-Language"))
	require.Contains(t, a.body, `<html lang="zh-CN">`)
	require.Contains(t, a.body, "Ann 拒绝了转接")
	require.Contains(t, a.body, `">猫.png</a>`)

	href := link.FindStringSubmatch(read(key, "text").body)[1]
	require.True(t, strings.HasPrefix(href, n.url()+"/api/v1/files/"), href)
	got := get(t, http.DefaultClient, "", href, "")
	require.Equal(t, 200, got.status)
	require.Equal(t, "image/png", got.header.Get("Content-Type"))
	require.Equal(t, 403, get(t, http.DefaultClient, "", strings.Replace(href, "expires=", "expires=9", 1), "").status)
	for _, bad := range []string{"text&lang=fr", "text&lang=", "html&tz=Nowhere", "text&tz=Local"} {
		require.Equal(t, 400, read(key, bad).status, bad)
	}
}
