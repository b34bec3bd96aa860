package faults

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"bellhop/archive"
	"bellhop/client"
)

// gather asks the deployment what it has, by HTTP and beside it.
func (d *deployment) gather(ctx context.Context, rec *record, all []*person, store archive.Archive) (*evidence, error) {
	e := rec.evidence(d.lossySpans())
	e.clock = d.clockSteps()
	sessions, err := d.sessions(ctx)
	if err != nil {
		return nil, fmt.Errorf("sessions: %w", err)
	}
	for _, s := range sessions {
		if e.sessions[s.ID], e.log[s.ID], err = d.one(ctx, s.ID); err != nil {
			return nil, fmt.Errorf("session %s: %w", s.ID, err)
		}
		if e.archive[s.ID], err = archived(ctx, store, s.ID); err != nil {
			return nil, fmt.Errorf("archive: %w", err)
		}
	}
	for _, p := range all {
		if p.Role == "agent" {
			e.capacity[p.ID] = p.Capacity
		}
		if err := p.tell(ctx, e); err != nil {
			return nil, err
		}
	}
	return e, nil
}

// one is a session and its log, of one time: every transition has a message, so they fit where nothing came between.
func (d *deployment) one(ctx context.Context, id string) (f facts, log []message, err error) {
	for range 5 {
		s, err := d.api(apiKey).Session(ctx, id)
		if err != nil {
			return f, nil, err
		}
		f = facts{ID: s.ID, Queue: s.Queue, State: s.State, User: s.User.ID, Seq: s.Seq}
		if s.Agent != nil {
			f.Agent = s.Agent.ID
		}
		if s.Ended != nil {
			f.Ended = *s.Ended
		}
		if s.Rating != nil {
			f.Score = s.Rating.Score
		}
		if log, err = d.history(ctx, id); err != nil || f.Seq == int64(len(log)) {
			return f, log, err
		}
	}
	return f, log, nil
}

// tell adds what a person's client has, and what the server says to it.
func (p *person) tell(ctx context.Context, e *evidence) error {
	p.mu.Lock()
	v, connected := p.view, p.c != nil
	p.mu.Unlock()
	if connected {
		e.views = append(e.views, v.copied())
	}
	for id, f := range e.sessions {
		if !f.takesPart(p.ID, p.Role) {
			continue
		}
		s, err := p.api().Session(ctx, id)
		if err != nil {
			return fmt.Errorf("%s asks for %s: %w", p.ID, id, err)
		}
		e.counts = append(e.counts, count{id, p.ID, p.Role, s.Unread, s.ReadSeq})
	}
	return nil
}

// sessions are all there are, live and archived.
func (d *deployment) sessions(ctx context.Context) (all []client.Session, err error) {
	for cursor := ""; ; {
		var page struct {
			Sessions []client.Session `json:"sessions"`
			Cursor   string           `json:"cursor"`
		}
		if err := d.api(apiKey).Do(ctx, http.MethodGet, "/sessions?limit=200&cursor="+url.QueryEscape(cursor), nil, &page); err != nil {
			return nil, err
		}
		all = append(all, page.Sessions...)
		if cursor = page.Cursor; cursor == "" {
			return all, nil
		}
	}
}

// history is a session's log, as the host application reads it.
func (d *deployment) history(ctx context.Context, session string) (all []message, err error) {
	for after := int64(0); ; {
		var page client.HistoryReply
		path := fmt.Sprintf("/sessions/%s/messages?limit=200&after=%d", url.PathEscape(session), after)
		if err := d.api(apiKey).Do(ctx, http.MethodGet, path, nil, &page); err != nil {
			return nil, err
		}
		for _, m := range page.Messages {
			all = append(all, messageOf(m))
			after = m.Seq
		}
		if !page.More || len(page.Messages) == 0 {
			return all, nil
		}
	}
}

// archived are a session's messages in the archive.
func archived(ctx context.Context, store archive.Archive, session string) (all []message, err error) {
	list, err := store.Messages(ctx, session, 1, 1<<40)
	for _, m := range list {
		if !m.Superseded {
			all = append(all, message{Seq: m.Seq, Mid: m.Mid, From: m.Sender, Role: m.Role, Type: m.Type, Mark: markOf(m.Type, m.Body), Body: m.Body})
		}
	}
	return all, err
}

// watchLoads compares agents' loads with their capacities, every second.
func (d *deployment) watchLoads(ctx context.Context, rec *record) {
	for sleep(ctx, meanPause/8) {
		var list struct {
			Agents []struct {
				ID       string `json:"id"`
				Load     int    `json:"load"`
				Capacity int    `json:"capacity"`
			} `json:"agents"`
		}
		if d.api(apiKey).Do(ctx, http.MethodGet, "/agents", nil, &list) != nil {
			continue
		}
		for _, a := range list.Agents {
			if a.Load > a.Capacity {
				rec.violate("", "%s has a load of %d and room for %d", a.ID, a.Load, a.Capacity)
			}
		}
		rec.counted("looks at loads")
	}
}
