package handlers

import (
	"log/slog"
	"net/http"
	"time"
)

// HTTP is a server for the edge, with the bounds it relies on: on how long a
// request's head may be and take, and on how long a connection may wait for the
// next. Those on bodies and answers are the edge's own.
func (s *Server) HTTP() *http.Server {
	return &http.Server{Handler: s.engine, ReadHeaderTimeout: s.opt.Patience, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 32 << 10, ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug)}
}
