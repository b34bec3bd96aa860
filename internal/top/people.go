package top

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"bellhop/client"
)

// Agent is somebody who serves.
type Agent struct {
	ID, Name, Status string
	Queues           []string
	Capacity, Load   int
	Disabled         bool
}

// Queue is one, and who is there for it.
type Queue struct {
	ID, Name, Routing string
	Waiting, Serving  int
	Oldest            time.Time // since when the oldest of those that wait is open; zero where none was seen
	AtLeast           bool      // there are older ones, which were not looked at
	Online, Agents    int
}

// people is what the API for host applications tells and no metric does: each queue and agent would be a series for ever.
type people struct {
	queues []Queue
	agents []Agent
}

const (
	pageLimit = 200 // sessions of a page, the most a node gives
	maxPages  = 10  // of waiting sessions, looked at for the oldest of each queue
)

// ErrKey is the API key that a node refused.
var ErrKey = errors.New("--api-key: the node refused it")

// ask reads the queues and agents by one node; all nodes tell the same.
func ask(ctx context.Context, api client.API) (people, error) {
	var (
		agents struct{ Agents []Agent }
		queues struct{ Queues []Queue }
		stats  struct {
			Queues []struct {
				Queue            *string
				Waiting, Serving int
			}
		}
	)
	now := url.Values{"since": {time.Now().Add(-time.Second).UTC().Format(time.RFC3339)}} // what holds now, and no hour but this
	for path, into := range map[string]any{"/agents": &agents, "/queues": &queues, "/stats?" + now.Encode(): &stats} {
		if err := api.Do(ctx, http.MethodGet, path, nil, into); err != nil {
			return people{}, refusal(err)
		}
	}
	p := people{agents: agents.Agents}
	byID := map[string]*Queue{}
	for i := range queues.Queues {
		byID[queues.Queues[i].ID] = &queues.Queues[i]
	}
	of := func(id string) *Queue {
		if byID[id] == nil { // users make queues up
			byID[id] = &Queue{ID: id, Name: id}
		}
		return byID[id]
	}
	waiting := 0
	for _, s := range stats.Queues {
		if s.Queue != nil {
			q := of(*s.Queue)
			q.Waiting, q.Serving = s.Waiting, s.Serving
			waiting += s.Waiting
		}
	}
	for _, a := range p.agents {
		for _, id := range a.Queues {
			q := of(id)
			q.Agents++
			if a.Status == "online" && !a.Disabled {
				q.Online++
			}
		}
	}
	if waiting > 0 {
		if err := oldest(ctx, api, of); err != nil {
			return people{}, refusal(err)
		}
	}
	for _, q := range byID {
		p.queues = append(p.queues, *q)
	}
	return p, nil
}

// oldest looks at those that wait, the newest first, for the oldest of each queue; at so many, and no more.
func oldest(ctx context.Context, api client.API, of func(string) *Queue) error {
	var page struct {
		Sessions []client.Session
		Cursor   string
	}
	seen := map[*Queue]int{}
	for range maxPages {
		query := url.Values{"state": {"waiting"}, "limit": {"200"}, "cursor": {page.Cursor}}
		page.Sessions, page.Cursor = nil, ""
		if err := api.Do(ctx, http.MethodGet, "/sessions?"+query.Encode(), nil, &page); err != nil {
			return err
		}
		for _, s := range page.Sessions {
			q := of(s.Queue)
			q.Oldest = s.Created
			seen[q]++
		}
		if page.Cursor == "" {
			return nil
		}
	}
	for q, n := range seen {
		q.AtLeast = n < q.Waiting
	}
	return nil
}

// refusal is why an answer did not come, without the URL; ErrKey where the key is not good.
func refusal(err error) error {
	var e *client.Error
	if errors.As(err, &e) && (e.Code == "unauthorized" || e.Code == "forbidden") {
		return ErrKey
	}
	return unquoted(err)
}
