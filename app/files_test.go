package main

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/png"
	"io"
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
		"Content-Security-Policy": "sandbox; default-src 'none'", "Content-Disposition": `inline; filename="my \"photo\".png"`} {
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
	require.Equal(t, `attachment; filename=page.html`, res.header.Get("Content-Disposition"))
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
