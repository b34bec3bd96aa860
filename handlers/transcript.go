package handlers

import (
	"context"
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
		s.log.Warn("transcript broken off", "session", session.ID, "error", err)
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

// jsonScribe writes {"session":…,"messages":[…]}.
type jsonScribe struct {
	session chat.Session
	begun   bool
}

func (j *jsonScribe) begin(w io.Writer) error {
	_, err := w.Write(append(appendJSON([]byte(`{"session":`), j.session), `,"messages":[`...))
	return err
}

func (j *jsonScribe) write(w io.Writer, m chat.Message) error {
	var b []byte
	if j.begun {
		b = append(b, ',')
	}
	j.begun = true
	_, err := w.Write(appendJSON(b, m))
	return err
}

func (j *jsonScribe) end(w io.Writer) error {
	_, err := io.WriteString(w, "]}")
	return err
}

// search finds archived messages.
func (s *Server) search(c *gin.Context, a chat.Actor) (any, error) {
	r := chat.SearchRequest{Query: c.Query("q"), Queue: c.Query("queue"), Agent: c.Query("agent"), User: c.Query("user"),
		Cursor: c.Query("cursor")}
	if err := bounds(c, &r.Limit, &r.Since, &r.Until); err != nil {
		return nil, err
	}
	return s.broker.Search(c.Request.Context(), a, r)
}

// written is the answer of a call that has written one itself.
type written struct{}

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
