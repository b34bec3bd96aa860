package handlers

import (
	"github.com/gin-gonic/gin"

	"bellhop/broker/chat"
)

// webhooks are the routes about events that no webhook has taken.
func (s *Server) webhooks(g *gin.RouterGroup) {
	g.GET("/webhooks/dead", s.as(chat.ActDeadLetter, s.listDead))
	g.POST("/webhooks/dead/:id/replay", s.as(chat.ActDeadLetter, s.replayDead))
	g.DELETE("/webhooks/dead/:id", s.as(chat.ActDeadLetter, s.deleteDead))
}

func (s *Server) listDead(c *gin.Context, _ chat.Actor) (any, error) {
	limit, err := number(c, "limit")
	if err != nil {
		return nil, err
	}
	return s.broker.DeadLetters(c.Request.Context(), int(limit), c.Query("cursor"))
}

func (s *Server) replayDead(c *gin.Context, _ chat.Actor) (any, error) {
	return nil, s.broker.ReplayDeadLetter(c.Request.Context(), c.Param("id"))
}

func (s *Server) deleteDead(c *gin.Context, _ chat.Actor) (any, error) {
	return nil, s.broker.DeleteDeadLetter(c.Request.Context(), c.Param("id"))
}
