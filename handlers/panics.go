package handlers

import (
	"fmt"
	"net/http"
	"runtime/debug"

	"github.com/gin-gonic/gin"

	"bellhop/broker/chat"
)

const wentWrong = "something went wrong on our side"

// panicked counts a panic and tells where it was. The node goes on: what runs
// for one client must not end what runs for others.
func (s *Server) panicked(where string, p any, about ...any) {
	s.panics.Add(1)
	s.log.With(about...).Error("panic", "in", where, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
}

// caught, deferred, makes a panic end the one connection it was about.
func (s *socket) caught(where string) {
	if p := recover(); p != nil {
		s.srv.panicked(where, p, "connection", s.name())
		s.Close(chat.CloseInternal, wentWrong)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.start() // it may have been closing already, and gone no further
	}
}

// broken is caught for the one who writes, after whom nobody can.
func (s *socket) broken() {
	if p := recover(); p != nil {
		s.srv.panicked("write", p, "connection", s.name())
		s.fail(nil)
	}
}

// recover turns a request's panic into a 500, where nothing is answered yet.
func (s *Server) recover(c *gin.Context) {
	defer func() {
		if p := recover(); p != nil {
			if p == http.ErrAbortHandler { //nolint:errorlint // net/http compares so, too
				panic(p)
			}
			s.panicked(c.Request.Method+" "+c.FullPath(), p)
			if !c.Writer.Written() {
				problem(c, chat.Errorf(chat.CodeInternal, wentWrong))
			}
		}
	}()
	c.Next()
}
