package handlers

import (
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"mime"
	"net/http"
	"path"
	"strings"

	"github.com/gin-gonic/gin"

	"bellhop/broker"
	"bellhop/web"
)

// site serves the built pages.
func (s *Server) site(e *gin.Engine) {
	// Who may show the chat in a frame is who may call the API from a page.
	widget := strings.Join(append([]string{"'self'"}, s.opt.Origins...), " ")
	e.GET("/chat", s.page("chat.html", pageRules{microphone: "(self)", styles: "'self'", frames: widget}))
	// antd writes styles into the page while it runs, some without the nonce one gives it.
	e.GET("/desk", s.page("desk.html", pageRules{microphone: "(self)", styles: "'self' 'unsafe-inline'", frames: "'none'"}))
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

// built serves a compressed file: brotli, gzip or, to who takes neither, unpacked.
func (s *Server) built(c *gin.Context, name, cache string) {
	for _, enc := range []struct{ name, ext string }{{"br", ".br"}, {"gzip", ".gz"}} {
		data, err := web.Dist.ReadFile("dist/" + name + enc.ext)
		if err != nil {
			problem(c, broker.Errorf(broker.CodeNotFound, "no such file"))
			return
		}
		takes := accepts(c.GetHeader("Accept-Encoding"), enc.name)
		if !takes && enc.name == "br" {
			continue
		}
		h := c.Writer.Header()
		sum := sha256.Sum256(data)
		tag := `"` + hex.EncodeToString(sum[:8]) + `"`
		h.Set("ETag", tag)
		h.Set("Cache-Control", cache)
		h.Add("Vary", "Accept-Encoding")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Content-Type", mime.TypeByExtension(path.Ext(name)))
		switch {
		case c.GetHeader("If-None-Match") == tag:
			c.Status(http.StatusNotModified)
		case takes:
			h.Set("Content-Encoding", enc.name)
			c.Data(http.StatusOK, h.Get("Content-Type"), data)
		default:
			z, err := gzip.NewReader(strings.NewReader(string(data)))
			if err == nil {
				_, err = io.Copy(c.Writer, z) //nolint:gosec // our own file
			}
			if err != nil {
				s.log.Debug("a page's file", "name", name, "error", err)
			}
		}
		return
	}
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
