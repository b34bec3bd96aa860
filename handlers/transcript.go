package handlers

import (
	"context"
	"crypto/rand"
	_ "embed" // the transcript
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"strings"
	"unicode"

	"github.com/gin-gonic/gin"

	"bellhop/broker"
)

//go:embed transcript.html
var transcriptHTML string

var transcriptPage = template.Must(template.New("transcript").Parse(transcriptHTML))

// scribe writes a transcript in one format, a message at a time: a session may
// be longer than memory is large.
type scribe interface {
	begin(w io.Writer, session broker.Session) error
	write(w io.Writer, m broker.Message) error
	end(w io.Writer) error
}

// transcript writes a whole session: as json, text or html. Whoever may read the
// session may have it; users see no notes in it.
func (s *Server) transcript(c *gin.Context, a broker.Actor) (any, error) {
	nonce := rand.Text()
	format := c.DefaultQuery("format", "json")
	sc, ok := map[string]scribe{"json": &jsonScribe{}, "text": textScribe{}, "html": htmlScribe{nonce}}[format]
	if !ok {
		return nil, broker.Errorf(broker.CodeBadRequest, "format: json, text or html")
	}
	session, err := s.broker.Session(c.Request.Context(), a, c.Param("id"))
	if err != nil {
		return nil, err
	}
	next := broker.HistoryRequest{Session: session.ID, Before: -1, Limit: broker.MaxList}
	first, err := s.broker.History(c.Request.Context(), a, next)
	if err != nil {
		return nil, err
	}
	if format == "html" {
		inlinePolicy(c, "'nonce-"+nonce+"'", "'nonce-"+nonce+"'")
		c.Header("Cache-Control", "no-store")
		c.Header("Content-Type", "text/html; charset=utf-8")
	} else {
		c.Header("X-Content-Type-Options", "nosniff")
		c.Header("Content-Type", map[string]string{"json": "application/json", "text": "text/plain"}[format]+"; charset=utf-8")
	}
	err = sc.begin(c.Writer, session)
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

// jsonScribe writes {"session":…,"messages":[…]}.
type jsonScribe struct{ begun bool }

func (j *jsonScribe) begin(w io.Writer, session broker.Session) error {
	_, err := w.Write(append(appendJSON([]byte(`{"session":`), session), `,"messages":[`...))
	return err
}

func (j *jsonScribe) write(w io.Writer, m broker.Message) error {
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

type textScribe struct{}

func (textScribe) begin(w io.Writer, s broker.Session) error {
	_, err := fmt.Fprintf(w, "%s\n%s · %s · %s\n\n", indented(title(s)), s.ID, indented(s.Queue), indented(string(s.State)))
	return err
}

func (textScribe) write(w io.Writer, m broker.Message) error {
	l := newLine(m)
	_, err := fmt.Fprintf(w, "[%s] %s: %s\n", l.When, indented(l.Who), indented(l.What))
	return err
}

// indented is text whose further lines stand further in, so that none passes for
// another message, and that does nothing to the terminal it is shown on.
func indented(s string) string {
	return strings.ReplaceAll(strings.Map(func(r rune) rune {
		switch {
		case r == '\r':
			return -1
		case r == '\u2028', r == '\u2029':
			return '\n'
		case unicode.IsControl(r) && r != '\n' && r != '\t':
			return unicode.ReplacementChar
		}
		return r
	}, s), "\n", "\n    ")
}

func (textScribe) end(io.Writer) error { return nil }

type htmlScribe struct{ nonce string }

func (h htmlScribe) begin(w io.Writer, s broker.Session) error {
	return transcriptPage.ExecuteTemplate(w, "head", struct {
		Title   string
		Session broker.Session
		Nonce   string
	}{title(s), s, h.nonce})
}

func (htmlScribe) write(w io.Writer, m broker.Message) error {
	return transcriptPage.ExecuteTemplate(w, "message", newLine(m))
}

func (htmlScribe) end(w io.Writer) error { return transcriptPage.ExecuteTemplate(w, "foot", nil) }

// title is what a transcript is headed with.
func title(s broker.Session) string {
	if s.Subject != "" {
		return s.Subject
	}
	return "Session of " + called(s.User.Name, s.User.ID)
}

// line is a message as people read it.
type line struct {
	broker.Message
	When, Who, What string
}

func newLine(m broker.Message) line {
	l := line{m, m.At.UTC().Format("2006-01-02 15:04:05Z"), called(m.From.Name, m.From.ID), what(m)}
	if m.From.Role == broker.RoleSystem {
		l.Who = "*"
	}
	return l
}

// what a message says.
func what(m broker.Message) string {
	if m.Recalled {
		return "(recalled)"
	}
	var text string
	if json.Unmarshal(m.Body, &text) == nil {
		return text
	}
	var body struct {
		What, URL, Name string
	}
	_ = json.Unmarshal(m.Body, &body) // a card of any form
	switch {
	case m.Type == broker.TypeSystem && body.What != "":
		return body.What
	case body.URL != "":
		return "[" + m.Type + "] " + called(body.Name, body.URL)
	}
	return "[" + m.Type + "] " + string(m.Body)
}

func called(name, id string) string {
	if name != "" {
		return name
	}
	return id
}

// search finds archived messages.
func (s *Server) search(c *gin.Context, a broker.Actor) (any, error) {
	r := broker.SearchRequest{Query: c.Query("q"), Queue: c.Query("queue"), Agent: c.Query("agent"), User: c.Query("user"),
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
