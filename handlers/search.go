package handlers

import (
	"github.com/gin-gonic/gin"

	"bellhop/broker/chat"
)

// search finds archived messages.
func (s *Server) search(c *gin.Context, a chat.Actor) (any, error) {
	r := chat.SearchRequest{Query: c.Query("q"), Queue: c.Query("queue"), Agent: c.Query("agent"), User: c.Query("user"),
		Cursor: c.Query("cursor")}
	if err := bounds(c, &r.Limit, &r.Since, &r.Until); err != nil {
		return nil, err
	}
	return s.broker.Search(c.Request.Context(), a, r)
}
