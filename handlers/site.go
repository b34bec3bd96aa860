package handlers

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
	"sync"

	"github.com/gin-gonic/gin"

	"bellhop/broker/chat"
	"bellhop/web"
)

// site serves the built pages.
func (s *Server) site(e *gin.Engine) {
	// Who may show the chat in a frame is who may call the API from a page.
	widget := strings.Join(append([]string{"'self'"}, s.opt.Origins...), " ")
	e.GET("/chat", s.page("chat.html", pageRules{microphone: "(self)", styles: "'self'", frames: widget}))
	// antd writes styles into the page while it runs, some without the nonce one gives it.
	e.GET("/desk", s.page("desk.html", pageRules{microphone: "(self)", styles: "'self' 'unsafe-inline'", frames: "'none'"}))
	e.GET("/docs", s.page("docs.html", pageRules{microphone: "()", styles: "'self'", frames: "'none'"}))
	// Their names have a hash of their content.
	e.GET("/assets/*name", func(c *gin.Context) {
		s.built(c, "assets/"+path.Base(c.Param("name")), "public, max-age=31536000, immutable")
	})
	e.GET("/widget.js", func(c *gin.Context) {
		c.Header("Cross-Origin-Resource-Policy", "cross-origin")
		s.built(c, "widget.js", "public, max-age=300")
	})
}

// pageRules are what a page may do beyond running the scripts of its own origin.
type pageRules struct{ microphone, styles, frames string }

// page serves one page. None runs inline script.
func (s *Server) page(name string, may pageRules) gin.HandlerFunc {
	html, err := web.Dist.ReadFile("dist/" + name)
	if err != nil {
		panic(err) // the build is committed
	}
	policy := "default-src 'none'; script-src 'self'; connect-src 'self'; style-src " + may.styles +
		"; img-src 'self' data: blob: https:; media-src 'self' blob:; font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors " + may.frames
	return func(c *gin.Context) {
		h := c.Writer.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("Permissions-Policy", "microphone="+may.microphone)
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "no-store")
		c.Data(http.StatusOK, "text/html; charset=utf-8", html)
	}
}

// built serves a file of the build.
func (s *Server) built(c *gin.Context, name, cache string) {
	f := builtFiles()[name]
	if f == nil {
		problem(c, chat.Errorf(chat.CodeNotFound, "no such file"))
		return
	}
	f.serve(c, mime.TypeByExtension(path.Ext(name)), cache)
}

// builtFiles are the compressed files of the build, by name. There are no others,
// whatever is asked for.
var builtFiles = sync.OnceValue(func() map[string]*asset {
	out := map[string]*asset{}
	err := fs.WalkDir(web.Dist, "dist", func(name string, _ fs.DirEntry, err error) error {
		base, packed := strings.CutSuffix(name, ".gz")
		if err != nil || !packed {
			return err
		}
		gz, err := web.Dist.ReadFile(name)
		if err != nil {
			return err
		}
		br, err := web.Dist.ReadFile(base + ".br")
		a := newPacked(br, gz)
		out[strings.TrimPrefix(base, "dist/")] = &a
		return err
	})
	if err != nil {
		panic(err) // the build is committed
	}
	return out
})

// asset is a file that never changes, in one or more codings.
type asset struct {
	codings []coding // those a client must name, best first
	plain   func() coding
}

type coding struct {
	name, tag string
	data      []byte
}

func newCoding(name string, data []byte) coding {
	sum := sha256.Sum256(data)
	return coding{name, `"` + hex.EncodeToString(sum[:8]) + `"`, data}
}

func newAsset(data []byte) asset {
	plain := newCoding("", data)
	return asset{plain: func() coding { return plain }}
}

// newPacked is of a file that was compressed when it was built; it is unpacked
// once, for the first who takes neither form.
func newPacked(br, gz []byte) asset {
	return asset{[]coding{newCoding("br", br), newCoding("gzip", gz)}, sync.OnceValue(func() coding {
		z, err := gzip.NewReader(bytes.NewReader(gz))
		var data []byte
		if err == nil {
			data, err = io.ReadAll(z) // our own file
		}
		if err != nil {
			panic(err)
		}
		return newCoding("", data)
	})}
}

// pick chooses the coding.
func (a *asset) pick(accepted string) coding {
	for _, c := range a.codings {
		if accepts(accepted, c.name) {
			return c
		}
	}
	return a.plain()
}

func (a asset) serve(c *gin.Context, kind, cache string) {
	form := a.pick(c.GetHeader("Accept-Encoding"))
	h := c.Writer.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("ETag", form.tag)
	h.Set("Cache-Control", cache)
	if len(a.codings) > 0 {
		h.Add("Vary", "Accept-Encoding")
	}
	h.Set("Content-Type", kind)
	if form.name != "" {
		h.Set("Content-Encoding", form.name)
	}
	if matches(c.GetHeader("If-None-Match"), form.tag) {
		c.Status(http.StatusNotModified)
		return
	}
	c.Data(http.StatusOK, kind, form.data)
}

// matches tells whether If-None-Match names a tag (RFC 9110, 13.1.2).
func matches(header, tag string) bool {
	for part := range strings.SplitSeq(header, ",") {
		part = strings.TrimPrefix(strings.TrimSpace(part), "W/")
		if part == tag || part == "*" {
			return true
		}
	}
	return false
}

// accepts tells whether Accept-Encoding names a coding without refusing it.
func accepts(header, coding string) bool {
	for part := range strings.SplitSeq(header, ",") {
		name, q, _ := strings.Cut(strings.TrimSpace(part), ";")
		if strings.EqualFold(strings.TrimSpace(name), coding) {
			return strings.ReplaceAll(q, " ", "") != "q=0"
		}
	}
	return false
}

// inlinePolicy is for a page that has a style, or a script, of its own and nothing else.
func inlinePolicy(c *gin.Context, scripts, styles string) {
	h := c.Writer.Header()
	h.Set("Content-Security-Policy", "default-src 'none'; connect-src 'self'; script-src "+scripts+"; style-src "+styles+
		"; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
}
