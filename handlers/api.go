package handlers

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gin-gonic/gin"

	"bellhop/broker"
	"bellhop/broker/chat"
)

// maxRequest is the longest JSON body, in bytes.
const maxRequest = 1 << 20

// call answers one request of somebody known; its answer is the JSON body.
type call func(c *gin.Context, a chat.Actor) (any, error)

// written is the answer of a call that has written one itself.
type written struct{}

// as carries a call out for those who may, by the table of who may do what.
func (s *Server) as(action chat.Action, f call) gin.HandlerFunc {
	return s.answer(func(c *gin.Context, a chat.Actor) (any, error) {
		if err := chat.Allow(a, action); err != nil {
			return nil, err
		}
		return f(c, a)
	})
}

// answer finds who asks, carries a call out and writes its answer.
func (s *Server) answer(f call) gin.HandlerFunc {
	return func(c *gin.Context) {
		for _, p := range c.Params {
			if !utf8.ValidString(p.Value) {
				problem(c, chat.Errorf(chat.CodeBadRequest, "%s: not UTF-8", p.Key))
				return
			}
		}
		a, err := s.actor(c)
		if err != nil {
			problem(c, err)
			return
		}
		if err := s.broker.AllowRead(a, routeCost(c)); err != nil {
			problem(c, err)
			return
		}
		defer s.delivered(c, a)
		span := s.traced(c, a)
		defer span.End()
		answer, err := f(c, a)
		if err != nil {
			code := chat.AsError(err).Code
			refusal(span, code)
			if code == chat.CodeInternal {
				s.log.ErrorContext(c.Request.Context(), "request failed", "method", c.Request.Method, "route", c.FullPath(), "session", sessionName(c.Param("id")), "error", err)
			}
			problem(c, err)
			return
		}
		switch answer.(type) {
		case nil:
			c.Status(http.StatusNoContent)
			return
		case written:
			return
		}
		c.Data(http.StatusOK, "application/json; charset=utf-8", appendJSON(nil, answer))
	}
}

// list is as for a call that reads a list, of which a participant has a budget.
func (s *Server) list(action chat.Action, f call) gin.HandlerFunc {
	return s.as(action, func(c *gin.Context, a chat.Actor) (any, error) {
		if err := s.broker.AllowList(a); err != nil {
			return nil, err
		}
		return f(c, a)
	})
}

// bearerToken reads Authorization; the scheme's case does not matter (RFC 9110, 11.1).
func bearerToken(h http.Header) (token string, ok bool) {
	scheme, token, ok := strings.Cut(h.Get("Authorization"), " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		return "", false
	}
	return strings.TrimLeft(token, " "), true
}

// actor is a host application by its API key, or a participant by its token.
func (s *Server) actor(c *gin.Context) (chat.Actor, error) {
	token, ok := bearerToken(c.Request.Header)
	if !ok {
		return chat.Actor{}, chat.Errorf(chat.CodeUnauthorized, "Authorization: Bearer is missing")
	}
	if s.isKey(token) {
		return chat.Actor{Host: true}, nil
	}
	id, err := s.broker.Authenticate(c.Request.Context(), token)
	return chat.Actor{Identity: id}, err
}

// isKey compares with every key, in a time that tells nothing.
func (s *Server) isKey(token string) bool {
	sum, match := sha256.Sum256([]byte(token)), 0
	for _, key := range s.opt.APIKeys {
		k := sha256.Sum256([]byte(key))
		match |= subtle.ConstantTimeCompare(sum[:], k[:])
	}
	return match == 1
}

// body reads a JSON object; an empty body is an empty object.
func body(c *gin.Context, into any) error {
	data, err := io.ReadAll(http.MaxBytesReader(c.Writer, c.Request.Body, maxRequest))
	var tooLong *http.MaxBytesError
	if errors.As(err, &tooLong) {
		return chat.Errorf(chat.CodeTooLarge, "the body: at most 1 MiB")
	}
	if err != nil {
		return chat.Errorf(chat.CodeBadRequest, "the body could not be read")
	}
	if data = bytes.TrimSpace(data); len(data) == 0 {
		return nil
	}
	if data[0] != '{' || !utf8.Valid(data) {
		return chat.Errorf(chat.CodeBadRequest, "the body: a JSON object in UTF-8")
	}
	if tooDeep(data) {
		return errTooDeep
	}
	if err := json.Unmarshal(data, into); err != nil {
		return badField(err)
	}
	return nil
}

func (s *Server) issueToken(c *gin.Context, _ chat.Actor) (any, error) {
	var r struct {
		Role     chat.Role `json:"role"`
		ID       string    `json:"id"`
		Name     string    `json:"name"`
		Avatar   string    `json:"avatar"`
		Queues   []string  `json:"queues"`
		Capacity int       `json:"capacity"`
		Priority int       `json:"priority"`
		TTL      int64     `json:"ttl"` // seconds
	}
	if err := body(c, &r); err != nil {
		return nil, err
	}
	const most = 10 * 365 * 24 * 3600
	if r.TTL < 0 || r.TTL > most {
		return nil, chat.Errorf(chat.CodeBadRequest, "ttl: seconds, from 1 to ten years")
	}
	token, expires, err := s.broker.IssueToken(c.Request.Context(), chat.Identity{Role: r.Role, ID: r.ID, Name: r.Name,
		Avatar: r.Avatar, Queues: r.Queues, Capacity: r.Capacity, Priority: r.Priority}, time.Duration(r.TTL)*time.Second)
	return struct {
		Token   string    `json:"token"`
		Expires chat.Time `json:"expires"`
	}{token, chat.Time{Time: expires}}, err
}

func (s *Server) revokeToken(c *gin.Context, _ chat.Actor) (any, error) {
	var r struct {
		Token string    `json:"token"`
		Role  chat.Role `json:"role"`
		ID    string    `json:"id"`
	}
	if err := body(c, &r); err != nil {
		return nil, err
	}
	switch {
	case r.Token != "" && r.ID == "" && r.Role == "":
		return nil, s.broker.RevokeToken(c.Request.Context(), r.Token)
	case r.Token == "" && r.ID != "" && (r.Role == chat.RoleUser || r.Role.Staff()):
		return nil, s.broker.RevokeParticipant(c.Request.Context(), r.Role, r.ID)
	}
	return nil, chat.Errorf(chat.CodeBadRequest, "a token, or a role and an id")
}

func (s *Server) listSessions(c *gin.Context, a chat.Actor) (any, error) {
	r := chat.SessionsRequest{States: states(c.Query("state")), Queue: c.Query("queue"), Agent: c.Query("agent"),
		User: c.Query("user"), Label: c.Query("label"), Cursor: c.Query("cursor")}
	if err := bounds(c, &r.Limit, &r.Since, &r.Until); err != nil {
		return nil, err
	}
	return s.broker.Sessions(c.Request.Context(), a, r)
}

func (s *Server) openSession(c *gin.Context, a chat.Actor) (any, error) {
	var r struct {
		User *struct {
			ID     string `json:"id"`
			Name   string `json:"name"`
			Avatar string `json:"avatar"`
		} `json:"user"`
		Queue    string          `json:"queue"`
		Subject  string          `json:"subject"`
		Meta     json.RawMessage `json:"meta"`
		Priority int             `json:"priority"`
	}
	if err := body(c, &r); err != nil {
		return nil, err
	}
	o := chat.OpenRequest{Queue: r.Queue, Subject: r.Subject, Meta: r.Meta, Priority: r.Priority}
	switch {
	case a.Host && r.User == nil:
		return nil, chat.Errorf(chat.CodeBadRequest, "user: missing")
	case a.Host:
		o.User = chat.Person{ID: r.User.ID, Name: r.User.Name, Avatar: r.User.Avatar}
	case r.User != nil || r.Priority != 0:
		return nil, chat.Errorf(chat.CodeForbidden, "user and priority: only with an API key")
	}
	return session(s.broker.Open(c.Request.Context(), a, o))
}

func (s *Server) getSession(c *gin.Context, a chat.Actor) (any, error) {
	return session(s.broker.Session(c.Request.Context(), a, c.Param("id")))
}

func (s *Server) listMessages(c *gin.Context, a chat.Actor) (any, error) {
	r := chat.HistoryRequest{Session: c.Param("id"), After: -1, Before: -1, Mid: c.Query("mid")}
	for name, to := range map[string]*int64{"after": &r.After, "before": &r.Before} {
		if _, given := c.GetQuery(name); given {
			n, err := number(c, name)
			if err != nil {
				return nil, err
			}
			*to = n
		}
	}
	limit, err := number(c, "limit")
	if err != nil {
		return nil, err
	}
	r.Limit = int(limit)
	return s.broker.History(c.Request.Context(), a, r)
}

func (s *Server) sendMessage(c *gin.Context, a chat.Actor) (any, error) {
	var r struct {
		As      chat.Role       `json:"as"`
		Type    string          `json:"type"`
		Body    json.RawMessage `json:"body"`
		ReplyTo int64           `json:"replyTo"`
	}
	if err := body(c, &r); err != nil {
		return nil, err
	}
	if a.Host && r.As == "" {
		return nil, chat.Errorf(chat.CodeBadRequest, "as: user, bot or system")
	}
	return s.broker.Send(c.Request.Context(), a, chat.SendRequest{Session: c.Param("id"), As: r.As, Type: r.Type,
		Body: r.Body, ReplyTo: r.ReplyTo, Key: c.GetHeader("Idempotency-Key")})
}

// transitions are the calls that have the command of the same name.
var transitions = map[string]string{"grab": "grab", "transfer": "transfer", "accept": "accept", "decline": "decline",
	"cancel": "cancel", "end": "end", "join": "join", "leave": "leave", "reopen": "reopen", "rate": "rate",
	"takeover": "takeover", "whisper": "whisper", "label": "label"}

// transition carries out the command of that name. With an API key `agent`
// names who acts.
func (s *Server) transition(name string) call {
	return func(c *gin.Context, a chat.Actor) (any, error) {
		var r struct {
			command
			Agent string `json:"agent"`
		}
		if err := body(c, &r); err != nil {
			return nil, err
		}
		if a.Host && r.Agent != "" {
			var err error
			if a, err = s.broker.AgentActor(c.Request.Context(), r.Agent); err != nil {
				return nil, err
			}
		}
		if err := chat.Allow(a, chat.Action(name)); err != nil {
			return nil, err
		}
		r.Session = c.Param("id")
		return commands[name](c.Request.Context(), s.broker, a, &r.command)
	}
}

// moveAll begins to move many sessions; what it answers tells how far that is.
func (s *Server) moveAll(c *gin.Context, a chat.Actor) (any, error) {
	var r struct {
		From broker.MoveEnd `json:"from"`
		To   broker.MoveEnd `json:"to"`
		Note string         `json:"note"`
	}
	if err := body(c, &r); err != nil {
		return nil, err
	}
	if r.To.Agent != "" {
		return nil, chat.Errorf(chat.CodeBadRequest, "to: a queue")
	}
	return s.broker.MoveAll(c.Request.Context(), a, broker.MoveRequest{FromAgent: r.From.Agent, FromQueue: r.From.Queue,
		Queue: r.To.Queue, Note: r.Note})
}

func (s *Server) getMove(c *gin.Context, a chat.Actor) (any, error) {
	return s.broker.MoveStatus(c.Request.Context(), a, c.Param("id"))
}

func (s *Server) listQueues(c *gin.Context, a chat.Actor) (any, error) {
	queues, err := s.broker.QueueList(c.Request.Context(), a)
	return gin.H{"queues": queues}, err
}

func (s *Server) getQueue(c *gin.Context, a chat.Actor) (any, error) {
	return s.broker.Queue(c.Request.Context(), a, c.Param("id"))
}

// putQueue replaces: what the body leaves out takes its default.
func (s *Server) putQueue(c *gin.Context, a chat.Actor) (any, error) {
	q := chat.DefaultQueue(c.Param("id"))
	if err := body(c, &q); err != nil {
		return nil, err
	}
	q.ID = c.Param("id")
	return s.broker.PutQueue(c.Request.Context(), a, q)
}

func (s *Server) deleteQueue(c *gin.Context, a chat.Actor) (any, error) {
	return nil, s.broker.DeleteQueue(c.Request.Context(), a, c.Param("id"))
}
