package main

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"bellhop/broker/chat"
	"bellhop/handlers"
)

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
