package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"bellhop/client"
	"bellhop/handlers"
	"bellhop/handlers/openapitest"
	"bellhop/internal/testenv"
)

// A picture goes from a user to an agent through two nodes; strangers see
// nothing; a signed link works without a token.
func TestFiles(t *testing.T) {
	url := testenv.Shared(t, testenv.EngineRedis)
	dir := t.TempDir()
	shared := func(s *Settings) { s.FilesURL = NewSecret("file://" + filepath.ToSlash(dir)) }
	a, b := startNode(t, url, shared), startNode(t, url, shared)
	ctx := t.Context()
	web := &http.Client{Transport: openapitest.Transport(t, handlers.Description())}
	tok := func(n *node, role, id string) client.API {
		return client.API{BaseURL: n.url(), Key: token(t, n, client.TokenRequest{Role: role, ID: id}), HTTP: web}
	}
	uma, ann := dial(t, a, client.TokenRequest{Role: "user", ID: name("uma")}), dial(t, b, client.TokenRequest{Role: "agent", ID: name("ann")})
	asUma, asAnn, asEve := tok(a, "user", uma.id), tok(b, "agent", ann.id), tok(b, "user", name("eve"))
	var pic bytes.Buffer
	require.NoError(t, png.Encode(&pic, image.NewGray(image.Rect(0, 0, 30, 20))))
	f, err := asUma.Upload(ctx, "my \"photo\"\u202e.png", bytes.NewReader(pic.Bytes()))
	require.NoError(t, err)
	require.Equal(t, []any{`my "photo".png`, "image/png", 30, 20, f.URL + "/thumbnail"}, []any{f.Name, f.Mime, f.Width, f.Height, f.Thumbnail})

	type answer struct {
		status int
		header http.Header
		body   []byte
	}
	get := func(n *node, key, path, more string) answer {
		t.Helper()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, n.url()+path, nil)
		require.NoError(t, err)
		if key != "" {
			req.Header.Set("Authorization", "Bearer "+key)
		}
		if more != "" {
			req.Header.Set("Range", more)
		}
		res, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		defer func() { _ = res.Body.Close() }()
		data, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		return answer{res.StatusCode, res.Header, data}
	}
	require.Equal(t, 404, get(b, asAnn.Key, f.URL, "").status, "not sent yet")
	require.Equal(t, 200, get(b, asUma.Key, f.URL, "").status)

	s, err := uma.Open(ctx, client.OpenRequest{Queue: "default"})
	require.NoError(t, err)
	mine, err := asEve.Upload(ctx, "mine.txt", strings.NewReader("eve's"))
	require.NoError(t, err)
	_, err = uma.Send(ctx, client.SendRequest{Session: s.ID, Type: "file", Body: mine})
	code(t, "not_found", err)
	sent, err := uma.Send(ctx, client.SendRequest{Session: s.ID, Type: "image", Body: f})
	require.NoError(t, err)
	require.EqualValues(t, 2, sent.Seq, "what was refused left nothing")
	_, err = uma.Send(ctx, client.SendRequest{Session: s.ID, Type: "image", Body: client.File{URL: "https://example.org/x.png"}})
	require.NoError(t, err, "what is kept elsewhere is sent as it is")
	_, err = ann.Grab(ctx, s.ID)
	require.NoError(t, err)

	res := get(b, asAnn.Key, f.URL, "")
	require.Equal(t, pic.Bytes(), res.body)
	for name, want := range map[string]string{"Content-Type": "image/png", "X-Content-Type-Options": "nosniff",
		"Content-Security-Policy": "sandbox; default-src 'none'", "Content-Disposition": `inline; filename="my _photo_.png"; filename*=UTF-8''my%20%22photo%22.png`} {
		require.Equal(t, want, res.header.Get(name), name)
	}
	require.Contains(t, res.header.Get("Cache-Control"), "private")
	part := get(b, asAnn.Key, f.URL, "bytes=1-3")
	require.Equal(t, 206, part.status)
	require.Equal(t, "PNG", string(part.body))
	require.Equal(t, 416, get(b, asAnn.Key, f.URL, "bytes=999999-").status)
	require.Equal(t, "image/jpeg", get(b, asAnn.Key, f.Thumbnail, "").header.Get("Content-Type"))
	for _, path := range []string{f.URL, f.Thumbnail, f.URL + "/link", "/api/v1/files/nope", "/api/v1/files/..%2f..%2fetc", "/api/v1/files/%00"} {
		require.Equal(t, 404, get(a, asEve.Key, path, "").status, path)
		require.Equal(t, 401, get(a, "", path, "").status, path)
	}
	require.Equal(t, 200, get(a, key, f.URL, "").status, "a host application reads all")

	link, thumbnail, err := asAnn.Link(ctx, f.URL)
	require.NoError(t, err)
	require.Equal(t, pic.Bytes(), get(a, "", link, "").body, "on the other node, without a token")
	require.Equal(t, 200, get(a, "", thumbnail, "").status)
	require.Equal(t, 403, get(a, "", link+"x", "").status)
	require.Equal(t, 403, get(a, "", strings.Replace(link, "expires=", "expires=9", 1), "").status)

	page, err := asUma.Upload(ctx, "page.html", strings.NewReader("<html><script>alert(1)</script>"))
	require.NoError(t, err)
	res = get(a, asUma.Key, page.URL, "")
	require.Equal(t, `attachment; filename="page.html"`, res.header.Get("Content-Disposition"))
}

// Forms that are none, or too much, get a clear answer, and nothing is kept of them.
func TestBadUploads(t *testing.T) {
	dir := t.TempDir()
	n := startNode(t, testenv.Shared(t, testenv.EngineRedis), func(s *Settings) { s.FilesURL = NewSecret("file://" + filepath.ToSlash(dir)) })
	uma := token(t, n, client.TokenRequest{Role: "user", ID: name("uma")})
	post := func(kind string, body io.Reader) int {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, n.url()+"/api/v1/files", body)
		require.NoError(t, err)
		req.Header.Set("Content-Type", kind)
		req.Header.Set("Authorization", "Bearer "+uma)
		res, err := http.DefaultClient.Do(req)
		if err != nil { // the server answered before it had read everything
			return 0
		}
		_ = res.Body.Close()
		return res.StatusCode
	}
	form := func(fields ...string) (string, *bytes.Buffer) {
		var b bytes.Buffer
		w := multipart.NewWriter(&b)
		for i, f := range fields {
			part, err := w.CreateFormFile(f, fmt.Sprint(i))
			require.NoError(t, err)
			_, _ = part.Write([]byte("x"))
		}
		require.NoError(t, w.Close())
		return w.FormDataContentType(), &b
	}
	kind, body := form("wrong")
	require.Equal(t, 400, post(kind, body))
	kind, body = form()
	require.Equal(t, 400, post(kind, body))
	kind, body = form("file")
	require.Equal(t, 400, post(kind, bytes.NewReader(body.Bytes()[:body.Len()-20])), "broken off")
	require.Equal(t, 400, post("application/json", strings.NewReader("{}")))
	require.Equal(t, 400, post("multipart/form-data", strings.NewReader("x")))
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	_, err := w.CreateFormFile("file", "empty")
	require.NoError(t, err)
	require.NoError(t, w.Close())
	require.Equal(t, 400, post(w.FormDataContentType(), &b))
	b.Reset()
	w = multipart.NewWriter(&b)
	part, err := w.CreateFormFile("file", "big")
	require.NoError(t, err)
	_, _ = part.Write(make([]byte, 20<<20+1))
	require.NoError(t, w.Close())
	require.Contains(t, []int{413, 0}, post(w.FormDataContentType(), &b))
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left)
	kind, body = form("file", "file")
	require.Equal(t, 400, post(kind, body), "two at once; what came first is never sent and goes by itself")
}

// A picture that was recalled is gone for all, at every node and by every way: by
// its address, its thumbnail's, and links that were signed before. Where another
// message has it still, that one's readers read it.
func TestARecalledPictureIsGone(t *testing.T) {
	url := testenv.Shared(t, testenv.EngineRedis)
	dir := t.TempDir()
	shared := func(s *Settings) { s.FilesURL = NewSecret("file://" + filepath.ToSlash(dir)) }
	a, b := startNode(t, url, shared), startNode(t, url, shared)
	ctx := t.Context()
	q := name("q")
	uma, ben := dial(t, a, client.TokenRequest{Role: "user", ID: name("uma")}), dial(t, a, client.TokenRequest{Role: "user", ID: name("ben")})
	ann := dial(t, b, client.TokenRequest{Role: "agent", ID: name("ann"), Queues: []string{q}})
	keys := map[string]string{"host": key}
	for who, r := range map[string]client.TokenRequest{"uma": {Role: "user", ID: uma.id}, "ben": {Role: "user", ID: ben.id}, "ann": {Role: "agent", ID: ann.id, Queues: []string{q}},
		"boss": {Role: "supervisor", ID: name("boss")}} {
		keys[who] = token(t, a, r)
	}
	api := func(who string) client.API { return client.API{BaseURL: a.url(), Key: keys[who]} }
	get := func(n *node, who, path string) (status int, header http.Header) {
		t.Helper()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, n.url()+path, nil)
		require.NoError(t, err)
		if who != "" {
			req.Header.Set("Authorization", "Bearer "+keys[who])
		}
		res, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		_ = res.Body.Close()
		return res.StatusCode, res.Header
	}
	var pic bytes.Buffer
	require.NoError(t, png.Encode(&pic, image.NewGray(image.Rect(0, 0, 30, 20))))
	f, err := api("uma").Upload(ctx, "a.png", bytes.NewReader(pic.Bytes()))
	require.NoError(t, err)
	one, err := uma.Open(ctx, client.OpenRequest{Queue: q})
	require.NoError(t, err)
	two, err := ben.Open(ctx, client.OpenRequest{Queue: q})
	require.NoError(t, err)
	for _, s := range []string{one.ID, two.ID} {
		_, err := ann.Grab(ctx, s)
		require.NoError(t, err)
	}
	first := client.SendRequest{Session: one.ID, Type: "image", Body: f, Key: "k1"}
	sent, err := uma.Send(ctx, first)
	require.NoError(t, err)
	link, thumbnail, err := api("ann").Link(ctx, f.URL)
	require.NoError(t, err)
	ways := []string{f.URL, f.Thumbnail, f.URL + "/link"}
	all := func(want map[string]int, links int) {
		t.Helper()
		for _, n := range []*node{a, b} {
			for who, status := range want {
				for _, path := range ways {
					got, header := get(n, who, path)
					require.Equal(t, status, got, "%s: %s", who, path)
					if path == f.URL && got == 200 {
						require.Equal(t, "private, no-cache", header.Get("Cache-Control"), "a browser asks each time")
					}
				}
			}
			for _, path := range []string{link, thumbnail} {
				got, _ := get(n, "", path)
				require.Equal(t, links, got, path)
			}
		}
	}
	all(map[string]int{"uma": 200, "ann": 200, "boss": 200, "host": 200, "ben": 404}, 200)
	other, err := ann.Send(ctx, client.SendRequest{Session: two.ID, Type: "image", Body: f})
	require.NoError(t, err)
	require.NoError(t, uma.Recall(ctx, one.ID, sent.Seq))
	all(map[string]int{"uma": 200, "ben": 200, "ann": 200, "host": 200}, 200)
	require.NoError(t, ann.Recall(ctx, two.ID, other.Seq))
	all(map[string]int{"uma": 404, "ben": 404, "ann": 404, "boss": 404, "host": 404}, 404)
	again, err := uma.Send(ctx, first)
	require.NoError(t, err)
	require.True(t, again.Duplicate)
	_, err = uma.Send(ctx, client.SendRequest{Session: one.ID, Type: "image", Body: f})
	code(t, "not_found", err)
	all(map[string]int{"uma": 404, "ann": 404, "host": 404}, 404)
	_, err = ann.Send(ctx, client.SendRequest{Session: one.ID, Type: "note", Body: f})
	code(t, "bad_request", err)
}

// Whatever name a form gives, the answer is a clean name or a refusal.
func TestNamesOfUploads(t *testing.T) {
	n := startNode(t, testenv.Shared(t, testenv.EngineRedis), func(s *Settings) { s.FilesURL = NewSecret("file://" + filepath.ToSlash(t.TempDir())) })
	uma := token(t, n, client.TokenRequest{Role: "user", ID: name("uma")})
	for disposition, want := range map[string]string{
		`filename="a` + "\x00" + `b.txt"`:                 "",
		`filename*=UTF-8''a%00b.txt`:                      "ab.txt",
		`filename*=UTF-8''invoice%E2%80%AEfdp.exe`:        "invoicefdp.exe",
		`filename*=UTF-8''..%2F..%2Fetc%2Fpasswd`:         "passwd",
		`filename*=UTF-8''a%0D%0AX-Evil:%20b`:             "",
		`filename*=UTF-8''%FF%FE`:                         "file",
		`filename="` + "\xff\xfe" + `.txt"`:               ".txt",
		`filename="` + strings.Repeat("长", 300) + `.txt"`: strings.Repeat("长", 124) + ".txt",
		`filename="C:\\a\\b.txt"`:                         "b.txt",
		`filename="a%22b%0D%0Ac%0Ad%41%2F100%.txt"`:       `a"b c d%41%2F100%.txt`,
		`filename="a\"b.txt"`:                             `a"b.txt`,
		`filename="报价\单 🏳️‍🌈.txt"`:                        "报价\\单 🏳️‍🌈.txt",
		`filename=""`:                        "file",
		`filename="a` + "\x01\x1b[2J" + `b"`: "",
	} {
		body := "--x\r\nContent-Disposition: form-data; name=\"file\"; " + disposition + "\r\n\r\nhello\r\n--x--\r\n"
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, n.url()+"/api/v1/files", strings.NewReader(body))
		require.NoError(t, err)
		req.Header.Set("Content-Type", "multipart/form-data; boundary=x")
		req.Header.Set("Authorization", "Bearer "+uma)
		res, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		var f client.File
		if res.StatusCode == 200 {
			require.NoError(t, json.NewDecoder(res.Body).Decode(&f))
		}
		_ = res.Body.Close()
		if want == "" && res.StatusCode == 400 {
			continue
		}
		require.Equal(t, 200, res.StatusCode, "%q", disposition)
		if want != "" {
			require.Equal(t, want, f.Name, "%q", disposition)
		}
		require.NotContains(t, f.Name, "\x00")
		got, err := http.NewRequestWithContext(t.Context(), http.MethodGet, n.url()+f.URL, nil)
		require.NoError(t, err)
		got.Header.Set("Authorization", "Bearer "+uma)
		res, err = http.DefaultClient.Do(got)
		require.NoError(t, err)
		_ = res.Body.Close()
		_, params, err := mime.ParseMediaType(res.Header.Get("Content-Disposition"))
		require.NoError(t, err)
		require.Equal(t, f.Name, params["filename"])
	}
}

// A node tells those who upload too much, and the blocked, so.
func TestUploadsBeyondTheBudget(t *testing.T) {
	n := startNode(t, "", func(s *Settings) { s.UploadBudget, s.UnsentBudget = 21, 41 })
	ctx := t.Context()
	upload := func(id string) error {
		api := client.API{BaseURL: n.url(), Key: token(t, n, client.TokenRequest{Role: "user", ID: id})}
		_, err := api.Upload(ctx, "big", bytes.NewReader(make([]byte, 15<<20)))
		return err
	}
	require.NoError(t, upload("uma"))
	err := upload("uma")
	code(t, "rate_limited", err)
	var refused *client.Error
	require.ErrorAs(t, err, &refused)
	require.Greater(t, refused.RetryAfter, (23 * time.Hour).Milliseconds())
	require.NoError(t, upload("tom"))
	code(t, "overloaded", upload("eve"))
	host := n.api()
	_, err = host.Upload(ctx, "big", bytes.NewReader(make([]byte, 15<<20)))
	require.NoError(t, err)
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, n.url()+"/api/v1/users/ben", strings.NewReader(`{"blocked":true}`))
	require.NoError(t, err)
	ben := client.API{BaseURL: n.url(), Key: token(t, n, client.TokenRequest{Role: "user", ID: "ben"})}
	req.Header.Set("Authorization", "Bearer "+key)
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	_ = res.Body.Close()
	require.Equal(t, 200, res.StatusCode)
	_, err = ben.Upload(ctx, "x", strings.NewReader("x"))
	code(t, "blocked", err)
	left, err := os.ReadDir(filepath.Join(n.settings.DataDir, "uploads"))
	require.NoError(t, err)
	require.Empty(t, left, "nothing comes in any more")
}

// A name in a field of its own is read as it is; both clients send one where a form's head cannot be told apart.
func TestNamesOfTheirOwn(t *testing.T) {
	n := startNode(t, testenv.Shared(t, testenv.EngineRedis), func(s *Settings) { s.FilesURL = NewSecret("file://" + filepath.ToSlash(t.TempDir())) })
	uma := client.API{BaseURL: n.url(), Key: token(t, n, client.TokenRequest{Role: "user", ID: name("uma")})}
	for _, given := range []string{"100%22 of it.txt", `"quoted".txt`, `a\(b)\"c.txt`, "报价%0A单.xlsx", "👨\u200d👩\u200d👧 照片.png", "plain.txt", "a%2Fb", "%"} {
		f, err := uma.Upload(t.Context(), given, strings.NewReader("x"))
		require.NoError(t, err, given)
		require.Equal(t, given, f.Name)
		_, _, err = uma.Link(t.Context(), f.URL)
		require.NoError(t, err, given)
	}
	f, err := uma.Upload(t.Context(), "a\nb\r\nc.txt", strings.NewReader("x"))
	require.NoError(t, err)
	require.Equal(t, "a b c.txt", f.Name, "a line break becomes a space")
	for _, form := range [][]string{{"name", "name", "file"}, {"name"}, {"file", "name"}, {"other", "name", "file"}} {
		var b bytes.Buffer
		w := multipart.NewWriter(&b)
		for _, field := range form {
			if field == "file" {
				part, err := w.CreateFormFile(field, "x")
				require.NoError(t, err)
				_, _ = part.Write([]byte("x"))
			} else {
				require.NoError(t, w.WriteField(field, "y"))
			}
		}
		require.NoError(t, w.Close())
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, n.url()+"/api/v1/files", &b)
		require.NoError(t, err)
		req.Header.Set("Content-Type", w.FormDataContentType())
		req.Header.Set("Authorization", "Bearer "+uma.Key)
		res, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		_ = res.Body.Close()
		require.Equal(t, 400, res.StatusCode, "%v", form)
	}
}
