package handlers

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"time"

	"bellhop/broker/chat"
)

// commandPatience bounds one command.
const commandPatience = 10 * time.Second

// maxBadLines is how many lines of a connection may be no JSON object; the
// last of them closes it.
const maxBadLines = 5

// command is one line from a client: the fields of all commands.
type command struct {
	ID      json.RawMessage `json:"id"`
	Cmd     string          `json:"cmd"`
	Session string          `json:"session"`
	Queue   string          `json:"queue"`
	Queues  []string        `json:"queues"`
	Subject string          `json:"subject"`
	Meta    json.RawMessage `json:"meta"`
	Type    string          `json:"type"`
	Body    json.RawMessage `json:"body"`
	Key     string          `json:"key"`
	ReplyTo int64           `json:"replyTo"`
	Seq     *int64          `json:"seq"`
	Text    string          `json:"text"`
	After   *int64          `json:"after"`
	Before  *int64          `json:"before"`
	Mid     string          `json:"mid"`
	Limit   int             `json:"limit"`
	Cursor  string          `json:"cursor"`
	State   string          `json:"state"`
	To      *destination    `json:"to"`
	Note    string          `json:"note"`
	Reason  string          `json:"reason"`
	Force   bool            `json:"force"`
	Add     []string        `json:"add"`
	Remove  []string        `json:"remove"`
	Label   string          `json:"label"`
	Score   int             `json:"score"`
	Comment string          `json:"comment"`
	Silent  bool            `json:"silent"`
	Status  string          `json:"status"`
	Canned  string          `json:"canned"`
}

// destination is where a transfer goes.
type destination struct {
	Agent string `json:"agent"`
	Queue string `json:"queue"`
}

var errNoObject = errors.New("not a JSON object")

// parse reads one line; errNoObject where it is not even an object. The id is 0
// where there is no good one.
func parse(line []byte) (c command, id int64, err error) {
	if len(line) == 0 || line[0] != '{' {
		return c, 0, errNoObject
	}
	if tooDeep(line) {
		return c, 0, errTooDeep
	}
	err = json.Unmarshal(line, &c)
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return c, 0, errNoObject
	}
	id = commandID(c.ID)
	switch {
	case err != nil:
		return c, id, badField(err)
	case id == 0:
		return c, 0, chat.Errorf(chat.CodeBadRequest, "id: an integer from 1 to 2^53-1")
	}
	return c, id, nil
}

func badField(err error) error {
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		return chat.Errorf(chat.CodeBadRequest, "%s: not a %s", wrong.Field, wrong.Type)
	}
	return chat.Errorf(chat.CodeBadRequest, "not understood")
}

// commandID is the number of a command, 0 if it is none from 1 to 2^53−1.
func commandID(raw json.RawMessage) int64 {
	n, err := strconv.ParseUint(string(raw), 10, 53)
	if err != nil {
		return 0
	}
	return int64(n)
}

// frame carries out the commands of one frame, in order.
func (s *socket) frame(data []byte) {
	for line := range bytes.SplitSeq(data, []byte{'\n'}) {
		line = bytes.TrimSpace(line)
		if len(line) == 0 {
			continue
		}
		if s.pace(); s.over() {
			return
		}
		c, id, err := parse(line)
		if errors.Is(err, errNoObject) {
			s.replyError(0, chat.Errorf(chat.CodeBadRequest, "not a JSON object"))
			if s.bad++; s.bad == maxBadLines {
				s.Close(chat.CloseProtocol, "too many lines that are not JSON objects")
				return
			}
			continue
		}
		if err != nil {
			if late := s.srv.broker.AllowRead(chat.Actor{Identity: s.peer.Identity()}, costCommand); late != nil {
				err = late
			}
			s.refused(id, err)
			continue
		}
		s.execute(&c, id)
	}
}

// pace waits where the participant sends too much.
func (s *socket) pace() {
	_ = s.peer.Pace(s.srv.commands.Load().ctx) // an error: the node stops
}

func (s *socket) execute(c *command, id int64) {
	actor := chat.Actor{Identity: s.peer.Identity(), Conn: s.peer}
	if err := s.srv.broker.AllowRead(actor, commandCost(c.Cmd)); err != nil {
		s.refused(id, err)
		return
	}
	run, ok := commands[c.Cmd]
	if !ok {
		s.replyError(id, chat.Errorf(chat.CodeBadRequest, "cmd: not known"))
		return
	}
	began := time.Now()
	ctx, span := s.traced(c)
	defer span.End()
	var answer any
	err := chat.Allow(actor, chat.Action(c.Cmd))
	if err == nil {
		answer, err = run(ctx, s.srv.broker, actor, c)
	}
	s.srv.meters.took[c.Cmd].Observe(time.Since(began).Seconds())
	switch {
	case err != nil:
		e := chat.AsError(err)
		refusal(span, e.Code)
		if e.Code == chat.CodeInternal {
			s.srv.log.ErrorContext(ctx, "command failed", "connection", s.name(), "cmd", c.Cmd, "session", sessionName(c.Session), "error", err)
		} else {
			s.srv.log.DebugContext(ctx, "command refused", "connection", s.name(), "cmd", c.Cmd, "session", sessionName(c.Session), "code", e.Code)
		}
		s.refused(id, err)
	case answer != nil:
		line := reply(id, answer)
		if c.Cmd != "send" {
			s.srv.broker.HasRead(actor, len(line)) // before the client can ask for more
		}
		s.answer(line)
	}
}

// refused is replyError that is in no hurry where the client is too fast.
func (s *socket) refused(id int64, err error) {
	s.replyError(id, err)
	if chat.AsError(err).Code == chat.CodeRateLimited {
		time.Sleep(limitedPause)
	}
}

func reply(id int64, ok any) []byte {
	b := make([]byte, 0, 128)
	b = append(b, `{"id":`...)
	b = strconv.AppendInt(b, id, 10)
	b = append(b, `,"ok":`...)
	return append(appendJSON(b, ok), '}')
}

// wireError is an error as the WebSocket shows it.
type wireError struct {
	Code    chat.Code `json:"code"`
	Message string    `json:"message"`
	Retry   bool      `json:"retry"`
	detail
}

func (s *socket) replyError(id int64, err error) {
	e := chat.AsError(err)
	s.srv.meters.refuse(e.Code)
	b := append([]byte(`{"id":`), strconv.FormatInt(id, 10)...)
	b = append(b, `,"error":`...)
	b = appendJSON(b, wireError{e.Code, e.Message, e.Retry(), newDetail(e)})
	s.answer(append(b, '}'))
}

// appendJSON encodes without escapes that only HTML needs.
func appendJSON(b []byte, v any) []byte {
	if r, ok := v.(chat.SendReply); ok && !r.Duplicate {
		return appendSent(b, r)
	}
	buf := bytes.NewBuffer(b)
	e := json.NewEncoder(buf)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err) // a programming error: v is one of our own types
	}
	return buf.Bytes()[:buf.Len()-1]
}

// appendSent is the answer that is given most.
func appendSent(b []byte, r chat.SendReply) []byte {
	b = append(b, `{"seq":`...)
	b = strconv.AppendInt(b, r.Seq, 10)
	b = append(b, `,"mid":"`...)
	b = append(b, r.Mid...)
	b = append(b, `","at":"`...)
	b = r.At.UTC().AppendFormat(b, "2006-01-02T15:04:05.000Z07:00")
	return append(b, `"}`...)
}
