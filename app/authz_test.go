package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"bellhop/broker"
	"bellhop/broker/chat"
	"bellhop/client"
	"bellhop/handlers"
	"bellhop/internal/testenv"
)

// persona is somebody who asks for everything, over a connection of its own and over HTTP.
type persona struct {
	chat.Actor // as the scenes' set-up uses it
	name       string
	token      string
	ws         *raw // nil where there can be none
	api        client.API
	wrote      map[string]int64 // seq of its message, by scene
}

// cast are all personas, and where they meet.
type cast struct {
	*testing.T
	n              *node
	q, far, nobody string // queues: theirs, another, and one of no agent's
	canned         string
	vic            string // a user whom dan alone has served
	people         map[string]*persona
	ids            int
}

func newCast(t *testing.T) *cast {
	c := &cast{T: t, n: startNode(t, testenv.Shared(t, testenv.EngineRedis)), q: name("q"), far: name("far"), nobody: name("nobody"),
		canned: name("canned"), vic: name("vic"), people: map[string]*persona{}}
	ctx := t.Context()
	for _, q := range []string{c.q, c.nobody} {
		s := chat.DefaultQueue(q)
		s.Sticky = 0
		_, err := c.n.broker.PutQueue(ctx, bossOf(), s)
		require.NoError(t, err)
	}
	_, err := c.n.broker.PutCanned(ctx, bossOf(), chat.Canned{ID: c.canned, Shortcut: name("hi"), Title: "t", Text: "hello"})
	require.NoError(t, err)
	for p, role := range map[string]chat.Role{"uma": "user", "ulf": "user", "dan": "agent", "eli": "agent", "ann": "agent", "cay": "agent",
		"bea": "agent", "gil": "agent", "fay": "agent", "tom": "agent", "quin": "agent", "bot": "bot", "sam": "agent", "sue": "supervisor",
		"wes": "supervisor", "wat": "supervisor", "xer": "agent"} {
		queues := []string{c.q}
		if p == "sam" || p == "xer" || role == "supervisor" {
			queues = []string{c.far}
		}
		c.add(p, role, queues)
	}
	served, err := c.n.broker.Open(ctx, bossOf(), chat.OpenRequest{User: chat.Person{ID: c.vic}, Queue: c.q})
	require.NoError(t, err)
	_, err = c.n.broker.Grab(ctx, c.people["dan"].Actor, served.ID)
	require.NoError(t, err)
	return c
}

func (c *cast) add(p string, role chat.Role, queues []string) *persona {
	id := chat.Identity{Role: role, ID: name(p), Name: p}
	if role.Staff() {
		id.Queues, id.Capacity = queues, 1000
	}
	token, _, err := c.n.broker.IssueToken(c.Context(), id, time.Hour)
	require.NoError(c, err)
	who := &persona{Actor: chat.Actor{Identity: id}, name: p, token: token, wrote: map[string]int64{},
		api: client.API{BaseURL: c.n.url(), Key: token}}
	who.ws = dialRaw(c.T, c.n, "/websocket", "bellhop.v1", token)
	who.ws.next(`"event":"hello"`)
	c.people[p] = who
	return who
}

// scene is a session in one state, with what the personas are to it.
type scene struct {
	name    string
	last    string // whose offer was the last: declined by gil unless said
	walkers string // who walks it; "" for all
	session string
	spent   bool // something has changed it
	chat.State
}

var scenes = []*scene{
	{name: "waiting", State: chat.Waiting}, {name: "serving", State: chat.Serving, last: "gil"},
	{name: "cancelled", State: chat.Serving, last: "fay", walkers: "fay gil bea dan sue"},
	{name: "expired", State: chat.Serving, last: "fay", walkers: "fay"},
	{name: "offered", State: chat.Transferring, last: "gil"}, {name: "moved", State: chat.Waiting, last: "gil"},
	{name: "ended", State: chat.Ended, last: "gil"},
}

// set makes a scene's session.
func (c *cast) set(s *scene) {
	c.Helper()
	b, ctx, p := c.n.broker, c.Context(), c.people
	must := func(_ any, err error) { c.Helper(); require.NoError(c, err, s.name) }
	say := func(who, kind string) {
		c.Helper()
		r, err := b.Send(ctx, p[who].Actor, chat.SendRequest{Session: s.session, Type: kind, Body: json.RawMessage(`"hm"`)})
		require.NoError(c, err)
		p[who].wrote[s.name] = r.Seq
	}
	offer := func(by, to string) {
		c.Helper()
		must(b.Transfer(ctx, p[by].Actor, chat.TransferRequest{Session: s.session, Agent: p[to].ID}))
	}
	if s.session != "" { // a user has one in a queue
		must(b.End(ctx, bossOf(), chat.EndRequest{Session: s.session}))
	}
	s.spent = false
	open, err := b.Open(ctx, chat.Actor{Host: true}, chat.OpenRequest{User: p["uma"].Person(), Queue: c.q})
	require.NoError(c, err)
	s.session = open.ID
	say("uma", "text")
	if s.name == "waiting" {
		return
	}
	must(b.Grab(ctx, p["ann"].Actor, s.session))
	say("ann", "text")
	for _, joins := range []string{"cay", "eli"} {
		must(b.Join(ctx, p[joins].Actor, s.session, false))
		say(joins, "note")
	}
	must(b.Leave(ctx, p["cay"].Actor, s.session))
	offer("ann", "bea")
	must(b.Decline(ctx, p["bea"].Actor, s.session, "not mine"))
	for _, whispers := range []string{"wes", "xer"} { // xer was a supervisor then
		sup := p[whispers].Actor
		sup.Role = chat.RoleSupervisor
		r, err := b.Whisper(ctx, sup, broker.WhisperRequest{Session: s.session, Text: "psst"})
		require.NoError(c, err)
		p[whispers].wrote[s.name] = r.Seq
	}
	offer("ann", "dan")
	must(b.Accept(ctx, p["dan"].Actor, s.session))
	say("dan", "text")
	switch {
	case s.name == "expired":
		c.expire(s, offer)
	case s.last == "fay":
		offer("dan", "fay")
		must(b.Cancel(ctx, p["dan"].Actor, s.session))
	default:
		offer("dan", "gil")
		must(b.Decline(ctx, p["gil"].Actor, s.session, ""))
	}
	p["wat"].ask(c, fmt.Sprintf(`"cmd":"join","session":%q,"silent":true`, s.session))
	switch s.name {
	case "offered":
		offer("dan", "tom")
	case "moved":
		must(b.Transfer(ctx, p["sue"].Actor, chat.TransferRequest{Session: s.session, Queue: c.nobody}))
	case "ended":
		must(b.End(ctx, p["uma"].Actor, chat.EndRequest{Session: s.session}))
	}
}

func (c *cast) expire(s *scene, offer func(by, to string)) {
	c.Helper()
	q := chat.DefaultQueue(c.q)
	q.OfferTimeout, q.Sticky = 1, 0
	_, err := c.n.broker.PutQueue(c.Context(), bossOf(), q)
	require.NoError(c, err)
	offer("dan", "fay")
	q.OfferTimeout = 30
	_, err = c.n.broker.PutQueue(c.Context(), bossOf(), q)
	require.NoError(c, err)
	require.Eventually(c, func() bool {
		got, err := c.n.broker.Session(c.Context(), bossOf(), s.session)
		return err == nil && got.Target == nil
	}, 10*time.Second, 20*time.Millisecond)
}

// role gives what one is by one's role alone.
func (p *persona) role() chat.Relation {
	switch {
	case p.Role == chat.RoleUser:
		return chat.Anybody | chat.AnyUser
	case p.Role == chat.RoleSupervisor:
		return chat.Anybody | chat.AnyStaff | chat.Supervisor
	}
	return chat.Anybody | chat.AnyStaff
}

// is tells what a persona is to a scene's session: told here once more, not asked of the broker.
func (s *scene) is(p *persona) chat.Relation {
	is, served := p.role(), s.name != "waiting"
	if s.name != "moved" && strings.Contains("dan eli ann cay bea gil fay tom quin bot", p.name) && p.name != "" {
		is |= chat.OfQueue
		if s.State == chat.Waiting {
			is |= chat.InLine
		}
	}
	takesPart := s.name != "waiting" && s.name != "moved"
	former := chat.Former
	if s.State == chat.Ended {
		former |= chat.FormerAfter
	}
	switch {
	case p.name == "uma":
		is |= chat.SessionUser
	case p.name == "dan" && takesPart:
		is |= chat.Owner
	case p.name == "eli" && takesPart:
		is |= chat.Assistant
	case served && slices.Contains([]string{"ann", "cay", "dan", "eli"}, p.name):
		is |= former
	case p.name == "tom" && s.name == "offered":
		is |= chat.Target
	case p.name == s.last && s.name != "offered":
		is |= chat.LastTarget
	case p.name == s.last: // another's is open
		is |= chat.LastTarget
	case p.name == "wat" && served:
		is |= chat.Watcher
	}
	if s.State == chat.Ended && is&(chat.Owner|chat.Assistant) != 0 {
		is |= chat.Stayed
	}
	return is
}

// outcome is what one who may is answered in a scene; "" is ok.
func (s *scene) outcome(action chat.Action, is chat.Relation) string {
	has := func(r chat.Relation) bool { return is&r != 0 }
	ended := s.State == chat.Ended
	switch action {
	case chat.ActSend, chat.ActTyping, chat.ActTransfer, chat.ActAccept, chat.ActTakeOver, chat.ActWhisper, chat.ActCancel:
		if ended {
			return "ended"
		}
	case chat.ActGrab:
		switch {
		case ended:
			return "ended"
		case s.State != chat.Waiting && !has(chat.Owner):
			return "taken"
		}
	case chat.ActJoin:
		switch {
		case has(chat.Owner | chat.Assistant):
		case ended:
			return "ended"
		case s.State == chat.Waiting:
			return "wrong_state"
		}
	case chat.ActLeave:
		if ended && has(chat.Assistant) {
			return "ended"
		}
	case chat.ActReopen, chat.ActRate:
		if !ended {
			return "wrong_state"
		}
	}
	switch {
	case action == chat.ActCancel && s.name != "offered" && s.name != "cancelled",
		action == chat.ActWhisper && s.State == chat.Waiting:
		return "wrong_state"
	}
	return ""
}

// want is the code that a cell must have.
func (s *scene) want(action chat.Action, is chat.Relation) string {
	switch code := chat.Rules()[action].Verdict(is); {
	case code == "":
		return s.outcome(action, is)
	case code == chat.CodeWrongState && s.State == chat.Ended && action != chat.ActLeave:
		return "ended"
	case code == chat.CodeWrongState && s.repeats(action, is):
		return ""
	default:
		return string(code)
	}
}

// repeats: the offer that gil declined is declined again.
func (s *scene) repeats(action chat.Action, is chat.Relation) bool {
	return action == chat.ActDecline && s.last == "gil" && s.name != "offered" && is&chat.LastTarget != 0
}

// harmless are those that leave everybody what they were.
var harmless = []chat.Action{chat.ActPing, chat.ActOpen, chat.ActRead, chat.ActTyping, chat.ActHistory, chat.ActSessions,
	chat.ActRender, chat.ActStatus, chat.ActWatch, chat.ActSend, chat.ActLabel, chat.ActWhisper}

// ask gives the code of a command's answer; "" for ok.
func (p *persona) ask(c *cast, line string) string {
	c.Helper()
	c.ids++
	id := c.ids
	answer := p.ws.ask(id, line)
	return codeOf(c, []byte(answer))
}

func codeOf(c *cast, answer []byte) string {
	c.Helper()
	var got struct {
		OK    json.RawMessage `json:"ok"`
		Error struct {
			Code string `json:"code"`
		} `json:"error"`
	}
	require.NoError(c, json.Unmarshal(answer, &got), "%s", answer)
	require.True(c, (got.OK == nil) != (got.Error.Code == ""), "%s", answer)
	return got.Error.Code
}

// typing is answered only where it is refused: what comes before the ping's answer is the refusal.
func (p *persona) typing(c *cast, session string) string {
	c.Helper()
	c.ids += 2
	p.ws.write(fmt.Sprintf(`{"id":%d,"cmd":"typing","session":%q}`+"\n"+`{"id":%d,"cmd":"ping"}`, c.ids-1, session, c.ids))
	for {
		line := p.ws.next(`{"id":`)
		if strings.HasPrefix(line, fmt.Sprintf(`{"id":%d,`, c.ids-1)) {
			p.ws.next(fmt.Sprintf(`{"id":%d,`, c.ids))
			return codeOf(c, []byte(line))
		}
		if strings.HasPrefix(line, fmt.Sprintf(`{"id":%d,`, c.ids)) {
			return ""
		}
	}
}

// line is a command's, as one who may would send it.
func (c *cast) line(action chat.Action, p *persona, s *scene) string {
	fields := map[chat.Action]string{chat.ActOpen: fmt.Sprintf(`"queue":%q`, c.far), chat.ActSend: `"body":"x"`, chat.ActRead: `"seq":1`,
		chat.ActHistory: `"limit":1`, chat.ActTransfer: fmt.Sprintf(`"to":{"queue":%q}`, c.far), chat.ActSilent: `"silent":true`,
		chat.ActRate: `"score":5`, chat.ActLabel: `"add":["x"]`, chat.ActWhisper: `"text":"x"`, chat.ActRender: fmt.Sprintf(`"canned":%q`, c.canned),
		chat.ActStatus: `"status":"online"`, chat.ActRecall: fmt.Sprintf(`"seq":%d`, c.recalls(p, s)),
		chat.ActAccept: `"n":0`, chat.ActPing: `"n":0`, chat.ActWatch: `"n":0`, chat.ActSessions: `"limit":1`}[action]
	cmd, _, _ := strings.Cut(string(action), " ")
	line := fmt.Sprintf(`"cmd":%q,"session":%q`, cmd, s.session)
	if fields != "" {
		line += "," + fields
	}
	return line
}

// recalls is which message one asks to recall: one's own, else the user's.
func (c *cast) recalls(p *persona, s *scene) int64 {
	if seq := p.wrote[s.name]; seq > 0 {
		return seq
	}
	return c.people["uma"].wrote[s.name]
}

// Every command by everybody in every relation to a session answers what the table says; a command
// without a row fails.
func TestEveryCommandByEverybody(t *testing.T) {
	var actions []chat.Action
	for _, cmd := range handlers.Commands() {
		require.Contains(t, chat.Rules(), chat.Action(cmd), "the table has no row for a command")
		actions = append(actions, chat.Action(cmd))
	}
	actions = append(actions, chat.ActSilent)
	c, cells, granted := newCast(t), 0, map[chat.Action]bool{}
	for _, s := range scenes {
		s.session, s.spent = "", true
		for _, action := range actions {
			for _, p := range c.people {
				if s.walkers != "" && !slices.Contains(strings.Fields(s.walkers), p.name) {
					continue
				}
				if s.spent {
					c.set(s)
				}
				is := s.is(p)
				if action == chat.ActRecall && p.wrote[s.name] > 0 {
					is |= chat.Sender
				}
				want, ask := s.want(action, is), func() string { return p.ask(c, c.line(action, p, s)) }
				if action == chat.ActTyping {
					ask = func() string { return p.typing(c, s.session) }
				}
				got := ask()
				require.Equal(t, want, got, "%s by %s in the scene %s (%s)", action, p.name, s.name, s.session)
				cells++
				granted[action] = granted[action] || got == ""
				s.spent = s.spent || got == "" && !slices.Contains(harmless, action)
			}
		}
		if s.session != "" {
			_, err := c.n.broker.End(t.Context(), bossOf(), chat.EndRequest{Session: s.session})
			require.NoError(t, err)
		}
	}
	for _, action := range actions {
		require.True(t, granted[action], "nobody could %s: the walk shows nothing", action)
	}
	t.Logf("%d cells", cells)
}
