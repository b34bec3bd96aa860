package demo

import (
	"context"
	"slices"
	"time"

	"bellhop/client"
)

const (
	botCapacity = 2 // fewer than there are users, so that some wait
	// People's orders are left to people for a while: two windows shall be a real chat, bots or not.
	humanFirst = 25
)

// botAgent comes online, grabs, answers, now and then transfers, takes breaks and goes home.
type botAgent struct {
	*bot
	hall   map[string]*order
	talks  map[string]*talk
	offers map[string]time.Time // to be answered then
	seen   bool                 // whether hall is what the server has

	look time.Time // for the next order
	rest time.Time // the break's begin
	back time.Time // its end
	home time.Time // the shift's end
	last time.Time // when what is left goes back into the queue
}

// order is a waiting session, left alone until then.
type order struct {
	session client.Session
	ripe    time.Time
}

// shift is some minutes of work.
func (b *Bots) shift(ctx context.Context, p botPerson) error {
	n, err := b.connect(ctx, p, client.TokenRequest{Role: "agent", Queues: p.queues, Capacity: botCapacity})
	if err != nil {
		return err
	}
	return n.live(ctx, &botAgent{bot: n, hall: map[string]*order{}, talks: map[string]*talk{}, offers: map[string]time.Time{},
		look: n.in(1, 4), rest: n.in(90, 300), home: n.in(240, 600)})
}

func (a *botAgent) hear(e client.Event) {
	switch e := e.(type) {
	case *client.Hello:
		a.hello(e)
	case *client.Queue:
		a.queue(e)
	case *client.SessionChanged:
		a.changed(e.Session)
	case *client.MessageEvent:
		if t := a.talks[e.Session]; t != nil {
			t.message(e)
		}
	case *client.Offer:
		a.offers[e.Session.ID] = a.in(3, 8)
	case *client.OfferEnded:
		delete(a.offers, e.Session)
	}
}

// hello says what is one's own; all else may have changed meanwhile.
func (a *botAgent) hello(e *client.Hello) {
	a.seen = false
	named := map[string]bool{}
	for _, s := range e.Sessions {
		named[s.ID] = true
		a.changed(s)
	}
	for id := range a.talks {
		if !named[id] {
			delete(a.talks, id)
		}
	}
	clear(a.offers)
	for _, s := range e.Offers {
		a.offers[s.ID] = a.in(3, 8)
	}
}

func (a *botAgent) queue(e *client.Queue) {
	if e.Reset != nil {
		for id, o := range a.hall {
			if o.session.Queue == e.Queue {
				delete(a.hall, id)
			}
		}
		a.waiting(e.Reset...)
	}
	if e.Added != nil {
		a.waiting(*e.Added)
	}
	delete(a.hall, e.Removed)
}

func (a *botAgent) waiting(sessions ...client.Session) {
	for _, s := range sessions {
		ripe := a.in(5, 30)
		if !isBot(s.User.ID) {
			ripe = a.in(humanFirst, humanFirst+10)
		}
		if known := a.hall[s.ID]; known != nil {
			ripe = known.ripe
		}
		a.hall[s.ID] = &order{s, ripe}
	}
}

// changed begins, continues or drops a talk.
func (a *botAgent) changed(s client.Session) {
	if s.Agent == nil || s.Agent.ID != a.person.id || s.State == "waiting" || s.State == "ended" {
		delete(a.talks, s.ID)
		return
	}
	if t := a.talks[s.ID]; t != nil {
		t.changed(s)
		return
	}
	a.talks[s.ID] = newTalk(a, s)
}

func (a *botAgent) act(ctx context.Context) (done bool, err error) {
	if !a.seen {
		return false, a.watch(ctx)
	}
	for id, at := range a.offers {
		if past(at) {
			delete(a.offers, id)
			return false, a.reply(ctx, id)
		}
	}
	for _, t := range a.talks {
		if past(t.due) {
			return false, t.act(ctx)
		}
	}
	switch {
	case past(a.home):
		return a.leave(ctx)
	case past(a.back):
		a.back, a.rest = time.Time{}, a.in(120, 300)
		_, err = a.SetStatus(ctx, "online")
	case past(a.rest):
		a.rest, a.back = time.Time{}, a.in(15, 40)
		_, err = a.SetStatus(ctx, "away")
	case past(a.look) && a.back.IsZero() && len(a.talks) < botCapacity:
		a.look = a.in(2, 6)
		err = a.grab(ctx)
	}
	return false, err
}

func (a *botAgent) watch(ctx context.Context) error {
	views, err := a.Watch(ctx)
	if err != nil {
		return err
	}
	known := a.hall
	a.hall = map[string]*order{}
	for _, v := range views {
		for _, s := range v.Waiting {
			if o := known[s.ID]; o != nil {
				a.hall[s.ID] = o
			}
			a.waiting(s)
		}
	}
	a.seen = true
	return nil
}

// grab takes what is most pressing. Somebody else may have been faster: then it is not for us.
func (a *botAgent) grab(ctx context.Context) error {
	var best *order
	for _, o := range a.hall {
		if past(o.ripe) && (best == nil || o.session.Priority > best.session.Priority ||
			o.session.Priority == best.session.Priority && o.session.Created.Before(best.session.Created)) {
			best = o
		}
	}
	if best == nil {
		return nil
	}
	delete(a.hall, best.session.ID)
	s, err := a.Grab(ctx, best.session.ID)
	if err == nil {
		a.changed(s)
	}
	return err
}

// reply answers an offer.
func (a *botAgent) reply(ctx context.Context, session string) error {
	if past(a.home) || len(a.talks) >= botCapacity || chance(0.15) {
		_, err := a.Decline(ctx, session, "busy")
		return err
	}
	s, err := a.Accept(ctx, session)
	if err == nil {
		a.changed(s)
	}
	return err
}

// leave ends the shift: nothing new, the rest to its end or, if that takes long, back into its queue.
func (a *botAgent) leave(ctx context.Context) (done bool, err error) {
	if a.last.IsZero() {
		a.last = a.in(45, 60)
		_, err = a.SetStatus(ctx, "away")
		return false, err
	}
	if past(a.last) {
		for id, t := range a.talks {
			s, err := a.TransferToQueue(ctx, id, t.session.Queue, t.story.text("My shift is over.", "我下班了，请接手。"))
			if err != nil {
				return false, err
			}
			a.changed(s)
		}
	}
	if len(a.talks) > 0 {
		return false, nil
	}
	_, err = a.SetStatus(ctx, "offline")
	return true, err
}

// colleague is another bot who works in a queue.
func (a *botAgent) colleague(queue string) (id string, ok bool) {
	var all []string
	for _, p := range botAgents {
		if p.id != a.person.id && slices.Contains(p.queues, queue) {
			all = append(all, p.id)
		}
	}
	if len(all) == 0 {
		return "", false
	}
	return pick(all), true
}
