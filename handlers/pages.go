package handlers

import (
	_ "embed" // the reference
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

var docsPage = template.Must(template.New("docs").Parse(docsHTML))

// pagePolicy lets a page run its own inline script and style, by nonce, and nothing else.
func pagePolicy(c *gin.Context, nonce string) {
	h := c.Writer.Header()
	h.Set("Content-Security-Policy", "default-src 'none'; connect-src 'self'; script-src 'nonce-"+nonce+"'; style-src 'nonce-"+
		nonce+"'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
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

// Demo is for trying: people whom anybody at this machine may be, and what the
// page that offers them tells.
type Demo struct {
	People []DemoPerson
	// Bots tells that bots chat here, too.
	Bots bool
	// Shop is the address of a page on another origin with the widget.
	Shop string
}

// DemoPerson is one of them. Queues are an agent's, `default` if none is named.
type DemoPerson struct {
	Role   broker.Role `json:"role"`
	ID     string      `json:"id"`
	Name   string      `json:"name"`
	Queues []string    `json:"queues,omitempty"`
}

func (s *Server) demo(e *gin.Engine) {
	e.GET("/", s.page("demo.html", pageRules{microphone: "()", styles: "'self'", frames: "'none'"}))
	e.GET("/demo/people", s.demoPeople)
	e.POST("/demo/token", s.demoToken)
}

func (s *Server) demoPeople(c *gin.Context) {
	c.Header("Cache-Control", "no-store")
	c.JSON(http.StatusOK, gin.H{"people": s.opt.Demo.People, "bots": s.opt.Demo.Bots, "shop": s.opt.Demo.Shop})
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
	token, expires, err := s.broker.IssueToken(c.Request.Context(), broker.Identity{Role: p.Role, ID: p.ID, Name: p.Name, Queues: p.Queues}, 24*time.Hour)
	if err != nil {
		problem(c, err)
		return
	}
	c.JSON(http.StatusOK, gin.H{"token": token, "expires": broker.Time{Time: expires}})
}

// Description is the OpenAPI description of the HTTP API, in YAML.
func Description() []byte { return openAPI }
