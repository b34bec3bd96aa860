package demo

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"bellhop/client"
)

// botUser is a user who asks, waits, thanks, now and then gives up, and rates.
type botUser struct {
	*bot
	story   story
	session client.Session // none yet: no ID
	greeted bool
	said    int   // lines of the story
	heard   int64 // the last seq of an agent's

	next   func(context.Context) error // at due
	due    time.Time
	nudge  time.Time // when it asks whether anybody is there
	leave  time.Time // when it gives up
	typing time.Time // when it shows what it writes again
}

// visit is one consultation, from its question to its rating.
func (b *Bots) visit(ctx context.Context, p botPerson) error {
	n, err := b.connect(ctx, p, client.TokenRequest{Role: "user", Priority: p.priority})
	if err != nil {
		return err
	}
	return n.live(ctx, &botUser{bot: n, story: pick(storiesIn(p.lang))})
}

func (u *botUser) hear(e client.Event) {
	switch e := e.(type) {
	case *client.Hello:
		u.greeted = true
		for _, s := range e.Sessions {
			if s.ID == u.session.ID || u.session.ID == "" && s.State != "ended" {
				u.resume(s)
			}
		}
	case *client.SessionChanged:
		if e.Session.ID == u.session.ID {
			u.take(e.Session)
		}
	case *client.MessageEvent:
		if e.Session == u.session.ID {
			u.message(e)
		}
	}
}

// resume goes on with a session of an earlier visit, if it is one of a story that is still told.
func (u *botUser) resume(s client.Session) {
	if st, ok := storyOf(s); ok {
		u.story = st
	}
	u.take(s)
	u.patience()
}

func (u *botUser) patience() {
	u.nudge, u.leave = u.in(40, 70), u.in(100, 240)
}

// take notes what has become of the session, and what follows from it.
func (u *botUser) take(s client.Session) {
	before := u.session
	u.session = s
	if before.ID == s.ID && before.State == s.State {
		return
	}
	switch s.State {
	case "serving":
		u.patience()
	case "ending":
		u.then(2, 6, u.confirm)
	case "ended":
		u.then(2, 8, u.rate)
	}
}

func (u *botUser) message(m *client.MessageEvent) {
	switch {
	case m.From.ID == u.person.id && m.From.Role == "user": // on an earlier visit
		u.said = max(u.said, slices.Index(u.story.user, m.Text())+1)
	case m.From.Role == "agent" || m.From.Role == "supervisor":
		u.heard = m.Seq
		u.patience()
		// A bot says more than its line; whatever a person says is an answer.
		answer := !isBot(m.From.ID) || u.said > 0 && u.said <= len(u.story.agent) && m.Text() == u.story.agent[u.said-1]
		if answer && (u.session.State == "serving" || u.session.State == "transferring") {
			u.then(4, 11, u.answer)
		}
	}
}

// then does something in some seconds, in place of what was to come.
func (u *botUser) then(least, most float64, next func(context.Context) error) {
	u.next, u.due = next, u.in(least, most)
}

func (u *botUser) act(ctx context.Context) (done bool, err error) {
	switch {
	case !u.greeted:
		return false, nil
	case u.session.ID == "":
		return false, u.begin(ctx)
	case past(u.due):
		next := u.next
		u.next, u.due = nil, time.Time{}
		err = next(ctx)
	case u.session.State == "ended":
		return u.next == nil, nil
	case past(u.leave):
		u.leave = u.in(20, 30) // if it fails, once more
		return false, u.end(ctx, "no time left")
	case past(u.nudge):
		u.nudge = time.Time{}
		_, err = u.SendText(ctx, u.session.ID, u.story.text("Is anybody there?", "请问有人在吗？"))
	case u.said < len(u.story.user) && u.next != nil && u.session.State == "serving":
		err = u.preview()
	}
	return false, err
}

// begin opens a session and asks; sometimes it thinks of more while it waits.
func (u *botUser) begin(ctx context.Context) error {
	meta, err := json.Marshal(map[string]string{"demo": u.story.id, "order": u.story.order, "city": u.person.city})
	if err != nil {
		return err
	}
	s, err := u.Open(ctx, client.OpenRequest{Queue: u.story.queue, Subject: u.story.subject, Meta: meta})
	if err != nil {
		return err
	}
	u.resume(s)
	u.then(1, 4, u.ask)
	return nil
}

func (u *botUser) ask(ctx context.Context) error {
	if u.said >= len(u.story.user) {
		return nil
	}
	line := u.story.user[u.said]
	if _, err := u.SendText(ctx, u.session.ID, line); err != nil {
		return err
	}
	u.said++
	return nil
}

// preview shows agents the part of the next line that is written by now.
func (u *botUser) preview() error {
	line := []rune(u.story.user[u.said])
	missing := time.Until(u.due).Seconds() / max(u.span(5).Seconds(), 0.001)
	if missing > 1 || !u.typing.IsZero() && !past(u.typing) {
		return nil // still reading, or shown just now
	}
	u.typing = u.in(1, 1)
	return u.Typing(u.session.ID, string(line[:int(float64(len(line))*(1-max(missing, 0)))]))
}

// answer reads what came and says its next line. After its last one it ends the session, or leaves that to the agent.
func (u *botUser) answer(ctx context.Context) error {
	if _, err := u.Read(ctx, u.session.ID, u.heard); err != nil {
		return err
	}
	if u.said < len(u.story.user) {
		return u.ask(ctx)
	}
	if chance(0.3) {
		return u.end(ctx, "")
	}
	return nil
}

// confirm says that all is solved; or it lets the time run out.
func (u *botUser) confirm(ctx context.Context) error {
	if u.session.State != "ending" || chance(0.1) {
		return nil
	}
	return u.end(ctx, "")
}

func (u *botUser) end(ctx context.Context, reason string) error {
	s, err := u.End(ctx, u.session.ID, reason, false)
	if err == nil {
		u.take(s)
	}
	return err
}

func (u *botUser) rate(ctx context.Context) error {
	if u.session.Grabbed == nil || u.session.Rating != nil || chance(0.3) {
		return nil
	}
	score := pick([]int{5, 5, 5, 5, 4, 4, 4, 3, 2})
	comment := ""
	if chance(0.4) {
		comment = u.story.text("Quick and friendly.", "又快又耐心。")
		if score < 4 {
			comment = u.story.text("It took too long.", "等得有点久。")
		}
	}
	_, err := u.Rate(ctx, u.session.ID, score, comment)
	return err
}
