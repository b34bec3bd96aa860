package handlers

import (
	"net/http"
	"slices"
	"time"

	"github.com/gin-gonic/gin"

	"bellhop/broker/chat"
)

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
	Role   chat.Role `json:"role"`
	ID     string    `json:"id"`
	Name   string    `json:"name"`
	Queues []string  `json:"queues,omitempty"`
}

func (s *Server) demo(e *gin.Engine) {
	g := e.Group("/", s.directOnly)
	g.GET("/", s.page("demo.html", pageRules{microphone: "()", styles: "'self'", frames: "'none'"}))
	g.GET("/demo/people", s.sameOrigin, s.demoPeople)
	g.POST("/demo/token", s.sameOrigin, s.demoToken)
}

func (s *Server) demoPeople(c *gin.Context) {
	c.Header("Cache-Control", "no-store")
	c.JSON(http.StatusOK, gin.H{"people": s.opt.Demo.People, "bots": s.opt.Demo.Bots, "shop": s.opt.Demo.Shop})
}

// demoToken gives a token for one of the demo people.
func (s *Server) demoToken(c *gin.Context) {
	var r struct {
		Role chat.Role `json:"role"`
		ID   string    `json:"id"`
	}
	if err := body(c, &r); err != nil {
		problem(c, err)
		return
	}
	i := slices.IndexFunc(s.opt.Demo.People, func(p DemoPerson) bool { return p.Role == r.Role && p.ID == r.ID })
	if i < 0 {
		problem(c, chat.Errorf(chat.CodeNotFound, "no such demo person"))
		return
	}
	p := s.opt.Demo.People[i]
	token, expires, err := s.broker.IssueToken(c.Request.Context(), chat.Identity{Role: p.Role, ID: p.ID, Name: p.Name, Queues: p.Queues}, 24*time.Hour)
	if err != nil {
		problem(c, err)
		return
	}
	c.JSON(http.StatusOK, gin.H{"token": token, "expires": chat.Time{Time: expires}})
}
