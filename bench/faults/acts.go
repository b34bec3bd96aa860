package faults

import (
	"context"
	"slices"
	"time"

	"bellhop/client"
)

// Times of the queues, short so that a run sees all of them.
const (
	offerTimeout   = 8 * time.Second
	endTimeout     = 8 * time.Second
	abandonTimeout = 15 * time.Second
	agentGrace     = 8 * time.Second
	idleTimeout    = 40 * time.Second
	nodeNoticed    = 15 * time.Second // a dead node, within
)

func seconds(d time.Duration) int { return int(d / time.Second) }

// settings of a queue, as the host application sets them.
func settings(queue string) map[string]any {
	s := map[string]any{"routing": "grab", "offerTimeout": seconds(offerTimeout), "endTimeout": seconds(endTimeout), "idleTimeout": 0,
		"abandonTimeout": seconds(abandonTimeout), "agentGrace": seconds(agentGrace), "sticky": 0, "patience": 0}
	switch queue {
	case "help":
		s["idleTimeout"], s["sticky"] = seconds(idleTimeout), 600
	case queueAuto:
		s["routing"] = "auto"
	}
	return s
}

// useIt is a step of a user's.
func (p *person) useIt(ctx context.Context) {
	open := p.mine()
	dice := p.rng.IntN(100)
	switch {
	case dice < 2:
		p.goAway(ctx, 25*time.Second)
		return
	case len(open) == 0:
		p.begin(ctx)
		return
	}
	s := open[p.rng.IntN(len(open))]
	switch {
	case s.State == "ending" && dice < 40, s.State == "serving" && dice < 4, s.State == "waiting" && dice < 3:
		p.act(ctx, s.ID, opUserEnd, "", func(ctx context.Context, c *client.Client) (client.Session, error) {
			return c.End(ctx, s.ID, "", false)
		})
	case dice < 60:
		p.say(ctx, s.ID, "text")
	case dice < 62:
		p.say(ctx, s.ID, "file")
	case dice < 75:
		p.look(ctx, s)
	case dice < 76:
		p.begin(ctx) // in another queue, perhaps
	}
}

// begin opens a session, or an ended one again, or rates it first.
func (p *person) begin(ctx context.Context) {
	p.mu.Lock()
	var ended []client.Session
	for _, s := range p.known {
		if s.State == "ended" {
			ended = append(ended, s)
		}
	}
	p.mu.Unlock()
	slices.SortFunc(ended, func(a, b client.Session) int { return b.Created.Compare(a.Created) })
	if len(ended) > 0 && p.rng.IntN(3) == 0 {
		s := ended[0]
		if s.Rating == nil && p.rng.IntN(2) == 0 {
			p.rateIt(ctx, s)
			return
		}
		p.act(ctx, s.ID, opReopen, "", func(ctx context.Context, c *client.Client) (client.Session, error) { return c.Reopen(ctx, s.ID) })
		return
	}
	c := p.client()
	if c == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	s, err := c.Open(ctx, client.OpenRequest{Queue: queues[p.rng.IntN(len(queues))], Subject: "of " + p.ID})
	if err != nil {
		p.rec.counted("opens that failed")
		return
	}
	p.knows(s)
	p.rec.counted("opens answered")
	if s.Seq == 1 { // it is new, and nobody has moved it
		p.rec.began(s.ID, s.Queue)
	}
	p.rec.note(s.ID, "%s: opened in %s", p.ID, s.Queue)
}

func (p *person) rateIt(ctx context.Context, s client.Session) {
	c := p.client()
	if c == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	score := 1 + p.rng.IntN(5)
	r, err := c.Rate(ctx, s.ID, score, "")
	if err == nil {
		p.knows(r)
		p.rec.rate(rated{s.ID, score, time.Now()})
		p.rec.counted("ratings")
	}
}

// serveIt is a step of an agent's.
func (p *person) serveIt(ctx context.Context) {
	dice := p.rng.IntN(100)
	if dice < 1 {
		p.goAway(ctx, 25*time.Second)
		return
	}
	if offers := p.offered(); len(offers) > 0 && dice < 50 {
		p.answer(ctx, offers[0])
		return
	}
	own := p.mine()
	if len(own) == 0 || dice < 15 { // beyond its capacity, too: it is refused then
		p.take(ctx)
		return
	}
	s := own[p.rng.IntN(len(own))]
	switch {
	case dice < 60:
		p.say(ctx, s.ID, "text")
	case dice < 63:
		p.say(ctx, s.ID, "note")
	case dice < 80:
		p.look(ctx, s)
	case dice < 84:
		p.act(ctx, s.ID, opEnd, "", func(ctx context.Context, c *client.Client) (client.Session, error) {
			return c.End(ctx, s.ID, "done", false)
		})
	case dice < 87:
		to := queues[p.rng.IntN(len(queues))]
		p.act(ctx, s.ID, opRequeue, to, func(ctx context.Context, c *client.Client) (client.Session, error) {
			return c.TransferToQueue(ctx, s.ID, to, "")
		})
	case dice < 93:
		to := agentID(p.rng.IntN(p.d.o.Agents))
		p.act(ctx, s.ID, opOffer, to, func(ctx context.Context, c *client.Client) (client.Session, error) {
			return c.TransferToAgent(ctx, s.ID, to, "")
		})
	case dice < 95 && s.State == "transferring":
		p.act(ctx, s.ID, opCancel, "", func(ctx context.Context, c *client.Client) (client.Session, error) { return c.Cancel(ctx, s.ID) })
	}
}

func (p *person) answer(ctx context.Context, session string) {
	p.mu.Lock()
	delete(p.offers, session)
	p.mu.Unlock()
	if p.rng.IntN(3) == 0 {
		p.act(ctx, session, opDecline, "", func(ctx context.Context, c *client.Client) (client.Session, error) {
			return c.Decline(ctx, session, "")
		})
		return
	}
	p.act(ctx, session, opAccept, "", func(ctx context.Context, c *client.Client) (client.Session, error) { return c.Accept(ctx, session) })
}

// take grabs one of those that wait, as others try to, or the first in line.
func (p *person) take(ctx context.Context) {
	c := p.client()
	if c == nil {
		return
	}
	q := queues[p.rng.IntN(len(queues))]
	if p.rng.IntN(4) == 0 {
		p.act(ctx, "", opGrab, q, func(ctx context.Context, c *client.Client) (client.Session, error) { return c.GrabQueue(ctx, q) })
		return
	}
	list, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	all, _, err := c.Sessions(list, client.SessionsRequest{State: "waiting", Queue: q})
	if err != nil || len(all) == 0 {
		return
	}
	s := all[len(all)-1]
	p.act(ctx, s.ID, opGrab, "", func(ctx context.Context, c *client.Client) (client.Session, error) { return c.Grab(ctx, s.ID) })
}
