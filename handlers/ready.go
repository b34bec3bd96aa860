package handlers

import (
	"context"
	"net/http"

	"github.com/gin-gonic/gin"
)

// ready answers 200 while the node can serve, and tells how far the archive is
// behind. Chat goes on while the archive is away, so that alone is no reason to
// take this node, or all of them, out of a balancer; one that was never there is.
func (s *Server) ready(c *gin.Context) {
	ctx, cancel := context.WithTimeout(c.Request.Context(), readyPatience)
	defer cancel()
	state := func(err error) string {
		if err != nil {
			return "away"
		}
		return "ok"
	}
	redis, archive := state(s.broker.Ready(ctx)), state(s.broker.ArchiveReady(ctx))
	answer := gin.H{"redis": redis, "archive": archive, "draining": s.draining.Load(), "connections": s.Conns()}
	if lag, err := s.broker.Lag(ctx); err == nil {
		answer["archiveLag"] = lag
	}
	status := http.StatusOK
	if redis != "ok" || s.draining.Load() || !s.broker.ArchiveReached() {
		status = http.StatusServiceUnavailable
		c.Header("Retry-After", "1")
	}
	c.JSON(status, answer)
}
