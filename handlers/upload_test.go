package handlers

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"runtime"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/require"

	"bellhop/broker/chat"
)

// counting counts what is read of a body.
type counting struct {
	io.Reader
	n int
}

func (c *counting) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n += n
	return n, err
}

const boundary = "frontier"

// form is one with a part's header and content.
func form(before, header, content, after string) string {
	return before + "--" + boundary + "\r\n" + header + "\r\n" + content + "\r\n--" + boundary + "--" + after
}

func disposed(name string) string {
	return "Content-Disposition: form-data; name=\"file\"; filename=\"" + name + "\"\r\n"
}

// readForm reads a form as an upload does, and tells what it read of it.
func readForm(t testing.TB, kind, body string) (content string, read int, allocated uint64, err error) {
	t.Helper()
	gin.SetMode(gin.ReleaseMode)
	c, _ := gin.CreateTestContext(httptest.NewRecorder())
	from := &counting{Reader: strings.NewReader(body)}
	c.Request = httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/api/v1/files", from)
	c.Request.Header.Set("Content-Type", kind)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	defer func() {
		runtime.ReadMemStats(&after)
		read, allocated = from.n, after.TotalAlloc-before.TotalAlloc
	}()
	r, err := openForm(c)
	if err != nil {
		return "", 0, 0, err
	}
	data, err := io.ReadAll(r.file)
	if err != nil {
		return "", 0, 0, err
	}
	r.beside()
	if _, err = r.parts.NextPart(); errors.Is(err, io.EOF) {
		return string(data), 0, 0, nil
	}
	return string(data), 0, 0, r.refusal(err, "more")
}

// What stands beside a form's file is never taken into memory, however much it
// is and wherever it stands.
func TestFormsAreBounded(t *testing.T) {
	const kind = "multipart/form-data; boundary=" + boundary
	long := strings.Repeat("x", 9<<20)
	for name, c := range map[string]struct {
		kind, body string
		code       chat.Code
	}{
		"name of 9 MB":         {kind, form("", disposed(long), "x", ""), chat.CodeTooLarge},
		"name of 17 KB":        {kind, form("", disposed(long[:17<<10]), "x", ""), chat.CodeTooLarge},
		"header of 9 MB":       {kind, form("", disposed("a")+"X: "+long+"\r\n", "x", ""), chat.CodeTooLarge},
		"100,000 headers":      {kind, form("", disposed("a")+strings.Repeat("A: b\r\n", 100_000), "x", ""), chat.CodeTooLarge},
		"one folded header":    {kind, form("", disposed("a")+"X: y\r\n"+strings.Repeat(" b\r\n", 100_000), "x", ""), chat.CodeTooLarge},
		"no end of the header": {kind, "--" + boundary + "\r\n" + long, chat.CodeTooLarge},
		"lines before":         {kind, form(strings.Repeat("a\r\n", 1<<20), disposed("a"), "x", ""), chat.CodeTooLarge},
		"a line before":        {kind, form(long+"\r\n", disposed("a"), "x", ""), chat.CodeBadRequest},
		"long boundary":        {"multipart/form-data; boundary=" + strings.Repeat("b", 71), "--" + strings.Repeat("b", 71) + "\r\n", chat.CodeBadRequest},
		"no boundary":          {"multipart/form-data", "--\r\n", chat.CodeBadRequest},
		"mixed":                {"multipart/mixed; boundary=" + boundary, form("", disposed("a"), "x", ""), chat.CodeBadRequest},
		"many parameters":      {kind, form("", "Content-Disposition: form-data; name=file"+strings.Repeat("; a=b", 3000)+"\r\n", "x", ""), ""},
		"NUL":                  {kind, form("", disposed("a\x00b"), "x", ""), ""},
		"no colon":             {kind, form("", disposed("a")+"nothing\r\n", "x", ""), chat.CodeBadRequest},
		"NUL in a field":       {kind, form("", disposed("a")+"A\x00: b\r\n", "x", ""), chat.CodeBadRequest},
		"not UTF-8":            {kind, form("", disposed("\xff\xfe"), "x", ""), ""},
		"another first":        {kind, form("", "Content-Disposition: form-data; name=\"other\"\r\n", "x", ""), chat.CodeBadRequest},
		"part after":           {kind, "--" + boundary + "\r\n" + disposed("a") + "\r\nx\r\n" + form("", disposed("b"), "y", ""), chat.CodeBadRequest},
		"header after":         {kind, "--" + boundary + "\r\n" + disposed("a") + "\r\nx\r\n" + form("", disposed(long), "y", ""), chat.CodeTooLarge},
		"epilogue":             {kind, form("", disposed("a"), "x", "\r\n"+long[:1<<20]), ""},
		"field name of 9 MB":   {kind, form("--"+boundary+"\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\n"+long+"\r\n", disposed("a"), "x", ""), chat.CodeTooLarge},
		"field name of 2 KB":   {kind, form("--"+boundary+"\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\n"+long[:2<<10]+"\r\n", disposed("a"), "x", ""), ""},
		"name of 2 KB":         {kind, form("some words\r\n", disposed(long[:2<<10]), "x", "\r\n"), ""},
	} {
		content, read, allocated, err := readForm(t, c.kind, c.body)
		if c.code == "" {
			if name == "NUL" && err != nil { // a header's value has none
				require.Equal(t, chat.CodeBadRequest, chat.AsError(err).Code, name)
				continue
			}
			require.NoError(t, err, name)
			require.Equal(t, "x", content, name)
		} else {
			require.Error(t, err, name)
			require.Equal(t, c.code, chat.AsError(err).Code, "%s: %v", name, err)
		}
		require.LessOrEqual(t, read, 2*partRoom+8<<10, name)
		require.Less(t, allocated, uint64(1<<20), name)
	}
}

// Content of any length passes, and only that.
func TestAFormsFilePasses(t *testing.T) {
	for _, n := range []int{1, 4095, 4096, partRoom, partRoom + 1, 1 << 20} {
		var b bytes.Buffer
		w := multipart.NewWriter(&b)
		part, err := w.CreatePart(textproto.MIMEHeader{"Content-Disposition": {fmt.Sprintf("form-data; name=%q; filename=%q", "file", "a")}})
		require.NoError(t, err)
		want := strings.Repeat("\r\n--fronti", n/10+1)[:n]
		_, _ = io.WriteString(part, want)
		require.NoError(t, w.Close())
		got, _, _, err := readForm(t, w.FormDataContentType(), b.String())
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
}
