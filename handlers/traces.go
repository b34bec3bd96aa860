package handlers

import (
	"context"

	"github.com/gin-gonic/gin"

	"bellhop/broker/chat"
	"bellhop/internal/trace"
)

// traced begins the span of a command, linked to that of the connection's handshake: commands of one
// connection are many traces.
func (s *socket) traced(c *command) (context.Context, trace.Span) {
	ctx, span := s.srv.opt.Trace.Command(s.srv.commands.Load().ctx, c.Cmd, s.from, false)
	if span.Sampled() {
		span.Tell("bellhop.connection", s.name())
		span.Tell("bellhop.session", sessionName(c.Session))
	}
	return ctx, span
}

// traced begins the span of a request, and gives the request its context. Whether a trace is sampled is
// decided by a host application, whose span is the parent then; a participant's is linked only, since
// anybody may say that his is sampled.
func (s *Server) traced(c *gin.Context, a chat.Actor) trace.Span {
	if s.opt.Trace == nil {
		return trace.Span{}
	}
	ctx, span := s.opt.Trace.Command(c.Request.Context(), c.Request.Method+" "+c.FullPath(), s.opt.Trace.Origin(c.Request), a.Host)
	c.Request = c.Request.WithContext(ctx)
	span.Tell("bellhop.session", sessionName(c.Param("id")))
	return span
}

// refusal tells a span why nothing came of it.
func refusal(span trace.Span, code chat.Code) { span.Refused(string(code), code.Status() >= 500) }
