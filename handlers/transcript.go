package handlers

import (
	"context"
	_ "embed" // the transcript
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"bellhop/broker"
)

//go:embed transcript.html
var transcriptHTML string

var transcriptPage = template.Must(template.New("transcript").Parse(transcriptHTML))

// transcript writes a whole session: as json, text or html. Whoever may read the
// session may have it; users see no notes in it.
func (s *Server) transcript(c *gin.Context, a broker.Actor) (any, error) {
	format := c.DefaultQuery("format", "json")
	kind, ok := map[string]string{"json": "application/json", "text": "text/plain", "html": "text/html"}[format]
	if !ok {
		return nil, broker.Errorf(broker.CodeBadRequest, "format: json, text or html")
	}
	session, err := s.broker.Session(c.Request.Context(), a, c.Param("id"))
	if err != nil {
		return nil, err
	}
	messages, err := s.everything(c.Request.Context(), a, session.ID)
	if err != nil {
		return nil, err
	}
	t := transcript{session, messages}
	if format == "json" {
		return t, nil
	}
	c.Header("Content-Type", kind+"; charset=utf-8")
	if format == "text" {
		return written{}, t.text(c.Writer)
	}
	nonce := newNonce()
	pagePolicy(c, nonce)
	return written{}, transcriptPage.Execute(c.Writer, struct {
		transcript
		Nonce string
	}{t, nonce})
}

// everything reads a session's log from its first message to its last.
func (s *Server) everything(ctx context.Context, a broker.Actor, session string) ([]broker.Message, error) {
	all := []broker.Message{}
	for after := int64(0); ; {
		page, err := s.broker.History(ctx, a, broker.HistoryRequest{Session: session, After: after, Before: -1, Limit: broker.MaxList})
		if err != nil {
			return nil, err
		}
		all = append(all, page.Messages...)
		if !page.More {
			return all, nil
		}
		after = page.Messages[len(page.Messages)-1].Seq
	}
}

type transcript struct {
	Session  broker.Session   `json:"session"`
	Messages []broker.Message `json:"messages"`
}

func (t transcript) text(w io.Writer) error {
	_, err := fmt.Fprintf(w, "%s\n%s · %s · %s\n\n", t.Title(), t.Session.ID, t.Session.Queue, t.Session.State)
	for _, m := range t.Messages {
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(w, "[%s] %s: %s\n", t.When(m), t.Who(m), strings.ReplaceAll(t.What(m), "\n", "\n    "))
	}
	return err
}

// Title is what the transcript is headed with.
func (t transcript) Title() string {
	if t.Session.Subject != "" {
		return t.Session.Subject
	}
	return "Session of " + called(t.Session.User.Name, t.Session.User.ID)
}

// When, Who and What are the columns of one message.
func (t transcript) When(m broker.Message) string { return m.At.UTC().Format("2006-01-02 15:04:05Z") }

// Who wrote it.
func (t transcript) Who(m broker.Message) string {
	if m.From.Role == broker.RoleSystem {
		return "*"
	}
	return called(m.From.Name, m.From.ID)
}

// What it says.
func (t transcript) What(m broker.Message) string {
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
	limit, err := number(c, "limit")
	if err != nil {
		return nil, err
	}
	r.Limit = int(limit)
	if r.Since, err = instant(c, "since"); err != nil {
		return nil, err
	}
	if r.Until, err = instant(c, "until"); err != nil {
		return nil, err
	}
	return s.broker.Search(c.Request.Context(), a, r)
}

// written is the answer of a call that has written one itself.
type written struct{}

// ready answers 200 while the node can serve, and tells how far the archive is behind.
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
	if redis != "ok" || archive != "ok" || s.draining.Load() {
		status = http.StatusServiceUnavailable
		c.Header("Retry-After", "1")
	}
	c.JSON(status, answer)
}
