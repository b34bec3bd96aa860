package handlers

import (
	_ "embed" // the pages
	"html/template"
	"net/http"
	"slices"
	"time"

	"github.com/gin-gonic/gin"

	"bellhop/broker"
)

//go:embed openapi.yaml
var openAPI []byte

//go:embed docs.html
var docsHTML string

//go:embed demo.html
var demoHTML string

var (
	docsPage = template.Must(template.New("docs").Parse(docsHTML))
	demoPage = template.Must(template.New("demo").Parse(demoHTML))
)

// pagePolicy lets a page run its own inline script and style, by nonce, and nothing else.
func pagePolicy(c *gin.Context, nonce string) {
	h := c.Writer.Header()
	h.Set("Content-Security-Policy", "default-src 'none'; connect-src 'self'; script-src 'nonce-"+nonce+"'; style-src 'nonce-"+
		nonce+"'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
}

func (s *Server) spec(c *gin.Context) {
	c.Data(http.StatusOK, "application/yaml; charset=utf-8", openAPI)
}

// docs is the API reference, made of the specification.
func (s *Server) docs(c *gin.Context) {
	reference, err := readReference(openAPI)
	if err != nil {
		problem(c, err)
		return
	}
	reference.Nonce = newNonce()
	pagePolicy(c, reference.Nonce)
	if err := docsPage.Execute(c.Writer, reference); err != nil {
		s.log.Error("docs page", "error", err)
	}
}

// Demo are people whom anybody at this machine may be.
type Demo struct{ People []DemoPerson }

// DemoPerson is one of them.
type DemoPerson struct {
	Role broker.Role
	ID   string
	Name string
}

func (s *Server) demoPage(c *gin.Context) {
	nonce := newNonce()
	pagePolicy(c, nonce)
	err := demoPage.Execute(c.Writer, struct {
		Nonce  string
		Host   string
		People []DemoPerson
	}{nonce, c.Request.Host, s.opt.Demo.People})
	if err != nil {
		s.log.Error("demo page", "error", err)
	}
}

// demoToken gives a token for one of the demo people, to a page of our own only.
func (s *Server) demoToken(c *gin.Context) {
	var r struct {
		Role broker.Role `json:"role"`
		ID   string      `json:"id"`
	}
	if !s.allowed(c.Request) {
		problem(c, broker.Errorf(broker.CodeForbidden, "not from this origin"))
		return
	}
	if err := body(c, &r); err != nil {
		problem(c, err)
		return
	}
	i := slices.IndexFunc(s.opt.Demo.People, func(p DemoPerson) bool { return p.Role == r.Role && p.ID == r.ID })
	if i < 0 {
		problem(c, broker.Errorf(broker.CodeNotFound, "no such demo person"))
		return
	}
	p := s.opt.Demo.People[i]
	token, expires, err := s.broker.IssueToken(c.Request.Context(), broker.Identity{Role: p.Role, ID: p.ID, Name: p.Name}, 24*time.Hour)
	if err != nil {
		problem(c, err)
		return
	}
	c.JSON(http.StatusOK, gin.H{"token": token, "expires": broker.Time{Time: expires}})
}

// Description is the OpenAPI description of the HTTP API, in YAML.
func Description() []byte { return openAPI }
