package handlers

import (
	"crypto/rand"
	"errors"
	"io"
	"net/http"

	"github.com/gin-gonic/gin"

	"bellhop/broker/chat"
)

// scribe writes a transcript in one format, a message at a time: a session may
// be longer than memory is large.
type scribe interface {
	begin(w io.Writer) error
	write(w io.Writer, m chat.Message) error
	end(w io.Writer) error
}

// transcript writes a whole session: as json, text or html. Whoever may read the
// session may have it; users see no notes in it. Text and html are for people: in
// their language and time zone.
func (s *Server) transcript(c *gin.Context, a chat.Actor) (any, error) {
	format := c.DefaultQuery("format", "json")
	if format != "json" && format != "text" && format != "html" {
		return nil, chat.Errorf(chat.CodeBadRequest, "format: json, text or html")
	}
	lang, err := languageOf(c)
	if err != nil {
		return nil, err
	}
	zone, err := zoneOf(c)
	if err != nil {
		return nil, err
	}
	session, err := s.broker.Session(c.Request.Context(), a, c.Param("id"))
	if err != nil {
		return nil, err
	}
	next := chat.HistoryRequest{Session: session.ID, Before: -1, Limit: chat.MaxList}
	first, err := s.broker.History(c.Request.Context(), a, next)
	if err != nil {
		return nil, err
	}
	t := newTeller(session, lang, zone)
	t.staff, t.queue = a.Host && a.ID == "" || a.Role != chat.RoleUser, s.broker.QueueName
	if format != "json" {
		if t.links, err = s.lasting(c); err != nil {
			return nil, err
		}
	}
	sc := s.scribe(c, format, t)
	err = sc.begin(c.Writer)
	counted := 0
	for page := first; err == nil; page, err = s.broker.History(c.Request.Context(), a, next) {
		for _, m := range page.Messages {
			if err == nil && m.Seq <= session.Seq { // else it came meanwhile
				err = sc.write(c.Writer, m)
			}
			next.After = m.Seq
		}
		if err != nil || !page.More || next.After >= session.Seq {
			s.broker.HasRead(a, c.Writer.Size()-counted)
			break
		}
		if err = s.pace(c.Request.Context(), a, c.Writer.Size()-counted); err != nil {
			break
		}
		counted = c.Writer.Size()
	}
	if err = errors.Join(err, sc.end(c.Writer)); err != nil {
		s.log.WarnContext(c.Request.Context(), "transcript broken off", "session", session.ID, "error", err)
		panic(http.ErrAbortHandler) // half of it is out: nobody must take it for whole
	}
	return written{}, nil
}

// scribe begins an answer of a format, with its headers.
func (s *Server) scribe(c *gin.Context, format string, t *teller) scribe {
	c.Header("Cache-Control", "no-store") // links in it are keys
	if format == "json" {
		c.Header("X-Content-Type-Options", "nosniff")
		c.Header("Content-Type", "application/json; charset=utf-8")
		return &jsonScribe{session: t.session}
	}
	c.Header("Content-Language", t.words["lang"])
	c.Writer.Header().Add("Vary", "Accept-Language")
	if format == "text" {
		c.Header("X-Content-Type-Options", "nosniff")
		c.Header("Content-Type", "text/plain; charset=utf-8")
		return textScribe{t}
	}
	nonce := rand.Text()
	inlinePolicy(c, "'nonce-"+nonce+"'", "'nonce-"+nonce+"'")
	c.Header("Content-Type", "text/html; charset=utf-8")
	return htmlScribe{t, nonce}
}
