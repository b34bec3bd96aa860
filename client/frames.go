package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/lxzan/gws"
)

// OnMessage implements gws.Event: one or more objects.
func (l *link) OnMessage(_ *gws.Conn, m *gws.Message) {
	defer func() { _ = m.Close() }()
	for line := range bytes.SplitSeq(m.Bytes(), []byte{'\n'}) {
		if len(line) > 0 {
			l.c.line(l, line)
		}
	}
}

// OnPing implements gws.Event.
func (l *link) OnPing(ws *gws.Conn, payload []byte) {
	_ = ws.SetWriteDeadline(time.Now().Add(l.c.opt.DialTimeout))
	_ = ws.WritePong(payload)
}

func (c *Client) line(l *link, line []byte) {
	var head struct {
		ID    *int64          `json:"id"`
		OK    json.RawMessage `json:"ok"`
		Error *Error          `json:"error"`
		Event string          `json:"event"`
	}
	if err := json.Unmarshal(line, &head); err != nil {
		c.malformed(line, err)
		return
	}
	if head.Event == "" {
		if head.ID != nil {
			c.answered(*head.ID, head.OK, head.Error)
		}
		return
	}
	e := newEvent(head.Event)
	if e == nil {
		return // a newer server's
	}
	if err := json.Unmarshal(line, e); err != nil {
		c.malformed(line, err)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ws != l.ws {
		return // given up meanwhile
	}
	switch e := e.(type) {
	case *Hello:
		if e.Heartbeat > 0 {
			l.silence.Store(int64(time.Duration(e.Heartbeat)*time.Second + c.opt.DialTimeout))
		}
		c.hello(e)
		l.once.Do(func() { close(l.hello) })
		return
	case *MessageEvent:
		c.message(e.Message)
		return
	case *Reset:
		c.reset(e.Session)
		return
	case *SessionChanged:
		c.emit(e)
		c.saw(&e.Session)
		return
	case *Closing:
		c.after = time.Duration(e.ReconnectAfter) * time.Millisecond
	}
	c.emit(e)
}

// malformed tells of a line that was skipped.
func (c *Client) malformed(line []byte, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.emit(&Malformed{bytes.Clone(line), err}) // the frame's memory is used again
}

// answered gives a reply to its caller.
func (c *Client) answered(id int64, ok json.RawMessage, refusal *Error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	call := c.calls[id]
	if call == nil {
		return
	}
	if call.key != "" && refusal != nil && (refusal.Code == "unavailable" || refusal.Code == "overloaded" || refusal.Code == "rate_limited") {
		pause := max(time.Duration(refusal.RetryAfter)*time.Millisecond, 200*time.Millisecond)
		c.wg.Go(func() { c.later(call, pause) })
		return
	}
	delete(c.calls, id)
	c.sends = slices.DeleteFunc(c.sends, func(s *sendCall) bool { return s == call })
	if refusal != nil {
		call.done <- refusal
		return
	}
	var err error
	if call.out != nil {
		err = json.Unmarshal(ok, call.out)
	}
	switch out := call.out.(type) {
	case *SendReply:
		c.hold(call.session).acknowledged(*out)
	case *sessionReply:
		if call.follow() {
			c.joined(&out.Session)
		}
	}
	call.done <- err
}

type sendCall = call

// follow tells whether the answer's session is one we take part in from now on.
func (k *call) follow() bool {
	switch k.cmd {
	case "open", "grab", "accept", "join":
		return true
	}
	return false
}

// later sends a message again, under its key, when the server may take it.
func (c *Client) later(call *call, pause time.Duration) {
	if c.pause(pause) != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.calls[call.id] == call && c.greeted {
		c.write(call)
	}
}

// write puts a command on the wire; a failure shows as a lost connection. mu is held.
func (c *Client) write(k *call) {
	b := make([]byte, 0, len(k.fields)+48)
	b = append(b, `{"id":`...)
	b = strconv.AppendInt(b, k.id, 10)
	b = append(b, `,"cmd":"`...)
	b = append(b, k.cmd...)
	b = append(b, '"')
	if len(k.fields) > 2 {
		b = append(b, ',')
		b = append(b, k.fields[1:]...)
	} else {
		b = append(b, '}')
	}
	ws := c.ws
	_ = ws.SetWriteDeadline(time.Now().Add(c.opt.DialTimeout))
	_ = ws.WriteMessage(gws.OpcodeText, b)
}

// start registers a command and sends it, or, for a send, keeps it for the next connection.
func (c *Client) start(k *call) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || !c.greeted && k.key == "" {
		return errDisconnected
	}
	c.lastID++
	k.id = c.lastID
	c.calls[k.id] = k
	if k.key != "" {
		c.sends = append(c.sends, k)
	}
	if c.greeted {
		c.write(k)
	}
	return nil
}

// wait gives a command's outcome. A send given up stays unsent by us; the
// server may have it.
func (c *Client) wait(ctx context.Context, k *call) error {
	select {
	case err := <-k.done:
		return err
	case <-ctx.Done():
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.calls, k.id)
		c.sends = slices.DeleteFunc(c.sends, func(s *sendCall) bool { return s == k })
		return ctx.Err()
	case <-c.ctx.Done():
		select {
		case err := <-k.done:
			return err
		default:
			return errDisconnected
		}
	}
}

// Do carries out any command: fields is encoded as an object, the answer
// decoded into out; either may be nil. It fails with an *Error, the context's
// error, or Code "disconnected" where it is unknown whether it took effect.
func (c *Client) Do(ctx context.Context, cmd string, fields, out any) error {
	k := &call{cmd: cmd, out: out, done: make(chan error, 1)}
	if fields != nil {
		data, err := json.Marshal(fields)
		if err != nil {
			return err
		}
		if len(data) == 0 || data[0] != '{' {
			return errors.New("client: fields must encode as an object")
		}
		k.fields = data
	}
	if err := c.start(k); err != nil {
		return err
	}
	return c.wait(ctx, k)
}
