package handlers

import (
	"github.com/gin-gonic/gin"

	"bellhop/broker/chat"
)

func (s *Server) getUser(c *gin.Context, a chat.Actor) (any, error) {
	return s.broker.User(c.Request.Context(), a, c.Param("id"))
}

// putUser wants to be told whether: what is misspelt must not let anybody in.
func (s *Server) putUser(c *gin.Context, a chat.Actor) (any, error) {
	var r struct {
		Blocked *bool  `json:"blocked"`
		Reason  string `json:"reason"`
	}
	if err := body(c, &r); err != nil {
		return nil, err
	}
	if r.Blocked == nil {
		return nil, chat.Errorf(chat.CodeBadRequest, "blocked: missing")
	}
	return s.broker.PutUser(c.Request.Context(), a, c.Param("id"), chat.UserSettings{Blocked: *r.Blocked, Reason: r.Reason})
}
