package handlers

import (
	"github.com/gin-gonic/gin"

	"bellhop/broker/chat"
)

func (s *Server) cannedRoutes(g *gin.RouterGroup) {
	g.GET("/canned", s.list(chat.ActCanned, s.listCanned))
	g.GET("/canned/:id", s.as(chat.ActCanned, s.getCanned))
	g.PUT("/canned/:id", s.as(chat.ActCanned, s.putCanned))
	g.DELETE("/canned/:id", s.as(chat.ActCanned, s.deleteCanned))
	g.GET("/canned/:id/render", s.as(chat.ActRender, s.renderCanned))
}

// rendered is a canned reply for one session.
type rendered struct {
	Text string `json:"text"`
}

func (s *Server) listCanned(c *gin.Context, a chat.Actor) (any, error) {
	limit, err := number(c, "limit")
	if err != nil {
		return nil, err
	}
	return s.broker.CannedList(c.Request.Context(), a, chat.CannedRequest{Queue: c.Query("queue"), Limit: int(limit),
		Cursor: c.Query("cursor")})
}

func (s *Server) getCanned(c *gin.Context, a chat.Actor) (any, error) {
	return s.broker.Canned(c.Request.Context(), a, c.Param("id"))
}

func (s *Server) putCanned(c *gin.Context, a chat.Actor) (any, error) {
	var r struct {
		Queue    string `json:"queue"`
		Agent    string `json:"agent"`
		Shortcut string `json:"shortcut"`
		Title    string `json:"title"`
		Text     string `json:"text"`
	}
	if err := body(c, &r); err != nil {
		return nil, err
	}
	return s.broker.PutCanned(c.Request.Context(), a, chat.Canned{ID: c.Param("id"), Queue: r.Queue, Agent: r.Agent,
		Shortcut: r.Shortcut, Title: r.Title, Text: r.Text})
}

func (s *Server) deleteCanned(c *gin.Context, a chat.Actor) (any, error) {
	return nil, s.broker.DeleteCanned(c.Request.Context(), a, c.Param("id"))
}

func (s *Server) renderCanned(c *gin.Context, a chat.Actor) (any, error) {
	text, err := s.broker.RenderCanned(c.Request.Context(), a, c.Query("session"), c.Param("id"))
	return rendered{text}, err
}
