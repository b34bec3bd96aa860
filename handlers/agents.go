package handlers

import (
	"github.com/gin-gonic/gin"

	"bellhop/broker/chat"
)

func (s *Server) listAgents(c *gin.Context, a chat.Actor) (any, error) {
	agents, err := s.broker.AgentList(c.Request.Context(), a)
	return gin.H{"agents": agents}, err
}

func (s *Server) getAgent(c *gin.Context, a chat.Actor) (any, error) {
	return s.broker.Agent(c.Request.Context(), a, c.Param("id"))
}

func (s *Server) putAgent(c *gin.Context, a chat.Actor) (any, error) {
	var r chat.AgentSettings
	if err := body(c, &r); err != nil {
		return nil, err
	}
	return s.broker.PutAgent(c.Request.Context(), a, c.Param("id"), r)
}
