package demo

import (
	"context"
	"slices"
	"strings"
	"time"
	"unicode"

	"bellhop/client"
)

// toTheEnd reads all that is there.
const toTheEnd = 1 << 40

// talk is one session that an agent bot serves.
type talk struct {
	agent   *botAgent
	session client.Session
	story   story // of its user; nothing where that is no bot
	person  bool  // whether the user is one

	asked    int // the user's lines of the story
	answered int // the agents' lines of it, whoever's
	said     int // what we said, of it or not

	due  time.Time
	next func(context.Context) error
}

// newTalk begins: what was said before comes as events.
func newTalk(a *botAgent, s client.Session) *talk {
	t := &talk{agent: a, session: s}
	st, ok := storyOf(s)
	t.story, t.person = st, !ok
	t.then(2, 5, t.greet)
	return t
}

func (t *talk) then(least, most float64, next func(context.Context) error) {
	t.next, t.due = next, t.agent.in(least, most)
}

func (t *talk) changed(s client.Session) {
	before := t.session.State
	t.session = s
	if before == "transferring" && s.State == "serving" {
		t.then(2, 5, t.answer) // nobody took it
	}
}

// message counts by the story's lines where there is one: whatever else is said, the story goes on.
func (t *talk) message(m *client.MessageEvent) {
	user := m.From.Role == "user"
	switch {
	case m.Type == "system" || m.Type == "note":
	case user && t.person:
		t.story.lang = language(m.Text(), t.story.lang)
		if t.said > 0 {
			t.then(4, 11, t.answer)
		}
	case user:
		if i := slices.Index(t.story.user, m.Text()); i >= 0 {
			t.asked = i + 1
		}
		if t.said > 0 && t.answered < t.asked {
			t.then(4, 11, t.answer)
		}
	default:
		if i := slices.Index(t.story.agent, m.Text()); i >= 0 {
			t.answered = i + 1
		}
	}
}

// act does what is due, if it is still one's own to do.
func (t *talk) act(ctx context.Context) error {
	next := t.next
	t.next, t.due = nil, time.Time{}
	if t.session.State == "transferring" {
		return nil
	}
	return next(ctx)
}

// greet is the first thing one does: read, label, say hello.
func (t *talk) greet(ctx context.Context) error {
	if _, err := t.agent.Read(ctx, t.session.ID, toTheEnd); err != nil {
		return err
	}
	if t.story.label != "" && chance(0.6) {
		if _, err := t.agent.Label(ctx, t.session.ID, []string{t.story.label}, nil); err != nil {
			return err
		}
	}
	if t.story.note != "" && chance(0.3) {
		if _, err := t.agent.Send(ctx, client.SendRequest{Session: t.session.ID, Type: "note", Body: t.story.note}); err != nil {
			return err
		}
	}
	hello, err := t.agent.Canned(ctx, t.session.ID, t.story.text("hi", "你好"))
	if t.person {
		hello, err = t.story.text(botHelloEn, botHelloZh), nil
	}
	if err != nil {
		return err
	}
	if err := t.say(ctx, hello); err != nil {
		return err
	}
	switch {
	case t.person:
		t.then(170, 200, t.end)
	case t.answered < t.asked:
		t.then(3, 8, t.answer)
	}
	return nil
}

func (t *talk) say(ctx context.Context, text string) error {
	if _, err := t.agent.SendText(ctx, t.session.ID, text); err != nil {
		return err
	}
	t.said++
	return nil
}

// answer begins to write: the user sees that one types.
func (t *talk) answer(ctx context.Context) error {
	if err := t.agent.Typing(t.session.ID, ""); err != nil {
		return err
	}
	t.then(2, 4, t.write)
	return nil
}

// write reads what was asked and says what fits, or gives the session to somebody who knows better.
func (t *talk) write(ctx context.Context) error {
	if _, err := t.agent.Read(ctx, t.session.ID, toTheEnd); err != nil {
		return err
	}
	if t.person {
		return t.chat(ctx)
	}
	line := t.asked - 1
	if line < 0 || t.answered >= t.asked {
		return nil
	}
	if moved, err := t.handOver(ctx, line); moved || err != nil {
		return err
	}
	if line >= len(t.story.agent) {
		return t.end(ctx)
	}
	if err := t.say(ctx, t.story.agent[line]); err != nil {
		return err
	}
	t.answered = t.asked
	if line == len(t.story.agent)-1 {
		t.then(5, 12, t.end)
	}
	return nil
}

// handOver transfers: to the queue of the story's turn, or, now and then, to a colleague.
func (t *talk) handOver(ctx context.Context, line int) (moved bool, err error) {
	var s client.Session
	if t.story.to != "" && t.story.to != t.session.Queue && line == t.story.turn {
		if err := t.say(ctx, t.story.text("My colleagues know more about that. One moment, please.", "这个由同事处理更合适，马上为您转接。")); err != nil {
			return false, err
		}
		s, err = t.agent.TransferToQueue(ctx, t.session.ID, t.story.to, t.story.text("Yours, I think.", "这个归你们。"))
	} else if id, ok := t.agent.colleague(t.session.Queue); ok && line == 1 && chance(0.12) {
		s, err = t.agent.TransferToAgent(ctx, t.session.ID, id, t.story.text("You know this better.", "这个你更熟。"))
		if err != nil {
			return false, nil //nolint:nilerr // away or full: one answers oneself
		}
	} else {
		return false, nil
	}
	if err == nil {
		t.agent.changed(s)
	}
	return err == nil, err
}

// chat answers a person, who is told by whom.
func (t *talk) chat(ctx context.Context) error {
	lines := botChatEn
	if t.story.lang == "zh" {
		lines = botChatZh
	}
	if err := t.say(ctx, lines[t.said%len(lines)]); err != nil {
		return err
	}
	t.then(170, 200, t.end) // unless there is more
	return nil
}

// end asks the user whether all is solved.
func (t *talk) end(ctx context.Context) error {
	if t.session.State != "serving" {
		return nil
	}
	s, err := t.agent.End(ctx, t.session.ID, t.story.text("solved", "已解决"), false)
	if err == nil {
		t.agent.changed(s)
	}
	return err
}

// language is that of a text, if it tells.
func language(text, unless string) string {
	switch {
	case strings.ContainsFunc(text, func(r rune) bool { return unicode.Is(unicode.Han, r) }):
		return "zh"
	case strings.ContainsFunc(text, unicode.IsLetter):
		return "en"
	}
	return unless
}
