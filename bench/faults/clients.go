package faults

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"bellhop/client"
)

// person is a user or an agent: one client at a time, and what it does with it.
type person struct {
	client.TokenRequest
	d     *deployment
	rec   *record
	token string
	rng   *rand.Rand // of its own loop
	step  func(p *person, ctx context.Context)
	n     int     // of its messages
	again []*sent // what was not acknowledged before it went

	mu     sync.Mutex
	c      *client.Client // nil while away
	view   *view
	known  map[string]client.Session // by the last word of the server
	offers map[string]bool
	lost   time.Time // since when it is not connected and wants to be
	resume int       // how often all was there again
}

var queues = []string{"sales", "help", queueAuto}

const queueAuto = "auto"

func agentID(i int) string { return fmt.Sprintf("agent-%02d", i) }

// people are registered, in the order of their names.
func people(ctx context.Context, d *deployment, rec *record) (all []*person, err error) {
	add := func(r client.TokenRequest, step func(*person, context.Context)) {
		all = append(all, &person{TokenRequest: r, d: d, rec: rec, rng: stream(d.o.Seed, r.ID), step: step})
	}
	for i := range d.o.Users {
		add(client.TokenRequest{Role: "user", ID: fmt.Sprintf("user-%02d", i)}, (*person).useIt)
	}
	for i := range d.o.Agents {
		add(client.TokenRequest{Role: "agent", ID: agentID(i), Queues: queues, Capacity: 3 + i%3}, (*person).serveIt)
	}
	for _, p := range all {
		t, err := d.api(apiKey).IssueToken(ctx, p.TokenRequest)
		if err != nil {
			return nil, err
		}
		p.token = t.Token
	}
	return all, nil
}

// live acts until its time is over; a connection is made when there is none. What it began is carried out.
func (p *person) live(ctx, under context.Context) {
	for sleep(under, time.Duration(100+p.rng.IntN(400))*time.Millisecond) {
		if p.client() != nil || p.connect(under) == nil {
			p.step(p, ctx)
		}
	}
}

func (p *person) client() *client.Client {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.c
}

// connect dials until it is in, with a client that knows nothing of the one before.
func (p *person) connect(ctx context.Context) error {
	wanted := time.Now()
	for {
		v := newView(p.rec, p.ID, p.Role)
		p.mu.Lock()
		p.view, p.known, p.offers = v, map[string]client.Session{}, map[string]bool{}
		p.mu.Unlock()
		c, err := client.Dial(ctx, client.Options{URL: p.d.front, Token: p.token, OnEvent: func(e client.Event) { p.saw(v, e) },
			MinBackoff: 100 * time.Millisecond, MaxBackoff: 2 * time.Second, TLSConfig: p.d.trusting()})
		if err == nil {
			p.mu.Lock()
			p.c = c
			p.mu.Unlock()
			p.rec.away(time.Since(wanted))
			return nil
		}
		var e *client.Error
		if errors.As(err, &e) && (e.Status == 401 || e.Status == 403) && len(p.d.lossySpans()) == 0 {
			p.rec.violate("", "%s is refused: %v", p.ID, err)
		}
		p.rec.refused(p.ID, err)
		if !sleep(ctx, 300*time.Millisecond) {
			return fmt.Errorf("%s cannot connect: %w", p.ID, err)
		}
	}
}

// leave closes the client, for a while.
func (p *person) leave() {
	p.mu.Lock()
	c := p.c
	p.c, p.lost = nil, time.Time{}
	p.mu.Unlock()
	if c != nil {
		c.Close()
	}
}

// saw handles an event of a view's client.
func (p *person) saw(v *view, e client.Event) {
	switch e := e.(type) {
	case *client.MessageEvent:
		v.message(e.Message)
		return
	case *client.Reset:
		v.reset(e.Session)
		p.rec.note(e.Session, "%s: reset", p.ID)
		return
	case *client.Malformed:
		p.rec.violate("", "%s was sent what is no frame: %q: %v", p.ID, e.Line, e.Err)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.view != v {
		return
	}
	switch e := e.(type) {
	case *client.Hello:
		p.known, p.offers = map[string]client.Session{}, map[string]bool{}
		for _, s := range e.Sessions {
			p.known[s.ID] = s
		}
		for _, s := range e.Offers {
			p.offers[s.ID] = true
		}
		if !p.lost.IsZero() {
			p.rec.away(time.Since(p.lost))
			p.lost = time.Time{}
		}
	case *client.Resumed:
		p.resume++
	case *client.SessionChanged:
		p.known[e.Session.ID] = e.Session
	case *client.Offer:
		p.offers[e.Session.ID] = true
	case *client.OfferEnded:
		delete(p.offers, e.Session)
	case *client.Disconnected:
		if p.lost.IsZero() && e.WillRetry {
			p.lost = time.Now()
		}
		if !e.WillRetry && p.c != nil { // the server will not have it back: a new one is dialled
			p.rec.note("", "%s: its connection has ended: %d %v", p.ID, e.Code, e.Err)
			p.rec.counted("connections ended for good")
			p.c = nil
		}
	}
}

// mine are the open sessions it owns, or, a user's, has; in order.
func (p *person) mine() (list []client.Session) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.known {
		has := p.Role == "user" || s.Agent != nil && s.Agent.ID == p.ID
		if has && s.State != "ended" {
			list = append(list, s)
		}
	}
	slices.SortFunc(list, func(a, b client.Session) int { return strings.Compare(a.ID, b.ID) })
	return list
}

func (p *person) offered() (list []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for id := range p.offers {
		list = append(list, id)
	}
	slices.Sort(list)
	return list
}

func (p *person) knows(s client.Session) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if old, ok := p.known[s.ID]; !ok || old.Rev <= s.Rev {
		p.known[s.ID] = s
	}
}

// patience is how long one waits for an answer.
const patience = 45 * time.Second

// act carries out a command that concerns who owns a session.
func (p *person) act(ctx context.Context, session, what, to string, do func(ctx context.Context, c *client.Client) (client.Session, error)) {
	c := p.client()
	if c == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	o := op{Session: session, What: what, By: p.ID, To: to, Call: time.Now()}
	s, err := do(ctx, c)
	o.Return, o.Out = time.Now(), outcome(err)
	var e *client.Error
	if errors.As(err, &e) && e.Code == "internal" {
		p.rec.violate(session, "%s: %s is answered %v", p.ID, what, err)
	}
	if err == nil {
		p.knows(s)
		if session != "" && s.ID != session { // reopen, where another one is open already
			p.rec.counted(what + ": answered with another")
			return
		}
		o.Session = s.ID
	}
	if o.Out != "" {
		p.rec.did(o)
	} else {
		p.rec.counted(what + ": refused otherwise")
		p.rec.note(session, "%s: %s %s → %v", p.ID, what, to, err)
	}
}

// outcome is what an error says; "" where it says nothing of the session, and nothing was done.
func outcome(err error) string {
	var e *client.Error
	switch {
	case err == nil:
		return outOK
	case !errors.As(err, &e):
		return outUnknown
	}
	switch e.Code {
	case "taken", "wrong_state", "ended":
		return outNo
	case "disconnected", "unavailable", "internal":
		return outUnknown
	}
	return ""
}

// say sends a message, or again one that was not acknowledged.
func (p *person) say(ctx context.Context, session, kind string) {
	c := p.client()
	if c == nil {
		return
	}
	var s *sent
	var body any
	if n := len(p.again); n > 0 && p.rng.IntN(2) == 0 {
		s = p.again[n-1]
		p.again = p.again[:n-1]
	} else {
		p.n++
		mark := fmt.Sprintf("%s.%d", p.ID, p.n)
		s = &sent{Mark: mark, Session: session, By: p.ID, Key: mark, Type: kind}
	}
	body = s.Mark + strings.Repeat(" word", len(s.Mark)%7)
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if s.Type == "file" {
		f, err := p.api().Upload(ctx, s.Mark+".txt", strings.NewReader("the file of "+s.Mark))
		if err != nil {
			p.rec.counted("uploads that failed")
			return
		}
		body = f
		p.rec.counted("uploads")
	}
	if s.Began.IsZero() {
		p.rec.sending(s)
	}
	p.mu.Lock()
	v := p.view
	p.mu.Unlock()
	r, err := c.Send(ctx, client.SendRequest{Session: s.Session, Type: s.Type, Body: body, Key: s.Key})
	if err == nil {
		v.acked(s.Session, r.Mid)
		p.rec.acked(s, r)
		return
	}
	p.rec.counted("messages refused, or given up")
	if outcome(err) == outUnknown && s.Type != "file" {
		p.again = append(p.again, s)
	}
}

func (p *person) api() client.API { return p.d.api(p.token) }

// look reads some of a session.
func (p *person) look(ctx context.Context, s client.Session) {
	c := p.client()
	if c == nil || s.Seq == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	seq := 1 + p.rng.Int64N(s.Seq)
	r, err := c.Read(ctx, s.ID, seq)
	if err == nil {
		p.rec.read(readMark{s.ID, p.ID, seq, time.Now(), r.ReadSeq})
		p.rec.counted("reads")
	}
}

// goAway cuts the connection, or is away for a while.
func (p *person) goAway(ctx context.Context, most time.Duration) {
	if c := p.client(); c != nil && p.rng.IntN(3) > 0 {
		p.rec.counted("connections dropped")
		c.Drop()
		return
	}
	p.rec.counted("times somebody left and came back")
	p.leave()
	sleep(ctx, time.Duration(p.rng.Int64N(int64(most))))
}
