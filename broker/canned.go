package broker

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"unicode"

	"github.com/redis/go-redis/v9"

	"bellhop/broker/chat"
	"bellhop/broker/internal/store"
)

// Limits of canned replies.
const (
	MaxCanned   = 1000 // of one queue, of one agent, and of those for all
	MaxShortcut = 64
	MaxTitle    = 256
)

// Canned is a reply that agents keep ready: a queue's, one agent's own, or,
// with neither, for all. Its text may name variables (see Broker.RenderCanned).
type Canned struct {
	ID       string    `json:"id"`
	Queue    string    `json:"queue"`
	Agent    string    `json:"agent"`
	Shortcut string    `json:"shortcut"` // what an agent types for it
	Title    string    `json:"title"`
	Text     string    `json:"text"`
	Updated  chat.Time `json:"updated"`
}

// CannedRequest lists canned replies.
type CannedRequest struct {
	Queue  string // only this queue's; empty: any
	Limit  int    // 50 when 0, at most 200
	Cursor string
}

// CannedReply is a page, by id; an empty cursor ends the list.
type CannedReply struct {
	Canned []Canned `json:"canned"`
	Cursor string   `json:"cursor"`
}

// The scopes of canned replies, as scripts name them. The one for all is "".
func queueScope(queue string) string { return "q:" + queue }
func agentScope(agent string) string { return "a:" + agent }

func (c *Canned) scope() string {
	switch {
	case c.Queue != "":
		return queueScope(c.Queue)
	case c.Agent != "":
		return agentScope(c.Agent)
	}
	return ""
}

// seen tells whether the actor may use it: staff those for all, their queues' and
// their own, supervisors and host applications all.
func (c *Canned) seen(a chat.Actor) bool {
	switch {
	case a.SeesAll():
		return true
	case !a.Role.Staff():
		return false
	case c.Queue != "":
		return chat.Contains(a.Queues, c.Queue)
	}
	return c.Agent == "" || c.Agent == a.ID
}

func parseCanned(data string) (Canned, error) {
	var c struct {
		Canned
		Updated int64 `json:"updated"`
	}
	err := json.Unmarshal([]byte(data), &c)
	c.Canned.Updated = chat.At(c.Updated)
	return c.Canned, err
}

// data is its JSON as Redis keeps it, up to when it was updated: that is the script's to say.
func (c *Canned) data() string {
	return strings.TrimSuffix(chat.Encode(struct {
		ID       string `json:"id"`
		Queue    string `json:"queue"`
		Agent    string `json:"agent"`
		Shortcut string `json:"shortcut"`
		Title    string `json:"title"`
		Text     string `json:"text"`
	}{c.ID, c.Queue, c.Agent, c.Shortcut, c.Title, c.Text}), "}")
}

func (c *Canned) validate() error {
	if err := chat.ValidID("id", c.ID); err != nil {
		return err
	}
	if c.Queue != "" && c.Agent != "" {
		return chat.Errorf(chat.CodeBadRequest, "queue, agent: at most one of them")
	}
	if err := chat.ValidText("queue", c.Queue, chat.MaxID); err != nil {
		return err
	}
	if err := chat.ValidText("agent", c.Agent, chat.MaxID); err != nil {
		return err
	}
	if err := chat.ValidText("shortcut", c.Shortcut, MaxShortcut); err != nil {
		return err
	}
	if c.Shortcut == "" || strings.ContainsFunc(c.Shortcut, unicode.IsSpace) {
		return chat.Errorf(chat.CodeBadRequest, "shortcut: 1 to %d bytes without spaces", MaxShortcut)
	}
	if err := chat.ValidText("title", c.Title, MaxTitle); err != nil {
		return err
	}
	if c.Text == "" {
		return chat.Errorf(chat.CodeBadRequest, "text: empty")
	}
	return chat.ValidProse("text", c.Text, chat.MaxText)
}

// Canned shows one canned reply to those who may use it.
func (b *Broker) Canned(ctx context.Context, a chat.Actor, id string) (Canned, error) {
	if err := chat.Allow(a, chat.ActCanned); err != nil {
		return Canned{}, err
	}
	if err := chat.ValidID("id", id); err != nil {
		return Canned{}, err
	}
	c, err := b.canned(ctx, id)
	if err == nil && !c.seen(a) {
		err = chat.Errorf(chat.CodeForbidden, "not a canned reply of yours")
	}
	return c, err
}

func (b *Broker) canned(ctx context.Context, id string) (Canned, error) {
	data, err := b.Pipe.HGet(ctx, b.Parts[0].Canned(), id).Result()
	if errors.Is(err, redis.Nil) {
		return Canned{}, chat.Errorf(chat.CodeNotFound, "no such canned reply")
	}
	if err != nil {
		return Canned{}, store.RedisError("canned", err)
	}
	return parseCanned(data)
}

// CannedList shows the canned replies that the actor may use, by id.
func (b *Broker) CannedList(ctx context.Context, a chat.Actor, r CannedRequest) (CannedReply, error) {
	reply := CannedReply{Canned: []Canned{}}
	if err := chat.Allow(a, chat.ActCanned); err != nil {
		return reply, err
	}
	limit, err := chat.ListLimit(r.Limit)
	if err != nil {
		return reply, err
	}
	for name, v := range map[string]string{"queue": r.Queue, "cursor": r.Cursor} {
		if err := chat.ValidText(name, v, chat.MaxID); err != nil {
			return reply, err
		}
	}
	ids, err := b.cannedIDs(ctx, a, r.Queue)
	if err != nil {
		return reply, err
	}
	slices.Sort(ids)
	ids = slices.Compact(ids) // a queue may be among one's own twice
	from, found := slices.BinarySearch(ids, r.Cursor)
	if found {
		from++
	}
	ids = ids[from:]
	if len(ids) > limit {
		ids = ids[:limit]
		reply.Cursor = ids[limit-1]
	}
	if len(ids) == 0 {
		return reply, nil
	}
	list, err := b.Redis.HMGet(ctx, b.Parts[0].Canned(), ids...).Result()
	if err != nil {
		return reply, store.RedisError("canned", err)
	}
	room := chat.NewPage()
	for i, data := range list {
		text, ok := data.(string)
		if !ok {
			continue // removed meanwhile
		}
		c, err := parseCanned(text)
		if err != nil {
			return reply, err
		}
		if c.seen(a) && (r.Queue == "" || c.Queue == r.Queue) { // it may have moved meanwhile
			if !room.Fits(chat.Sized(c)) {
				reply.Cursor = ids[i-1]
				return reply, nil
			}
			reply.Canned = append(reply.Canned, c)
		}
	}
	return reply, nil
}

// cannedIDs are those the actor may use.
func (b *Broker) cannedIDs(ctx context.Context, a chat.Actor, queue string) ([]string, error) {
	p := b.Parts[0]
	var scopes []string
	switch {
	case queue != "" && (a.SeesAll() || chat.Contains(a.Queues, queue)):
		scopes = []string{queueScope(queue)}
	case queue != "":
		return nil, nil
	case a.SeesAll():
		ids, err := b.Redis.HKeys(ctx, p.Canned()).Result()
		return ids, store.RedisError("canned", err)
	default:
		scopes = []string{"", agentScope(a.ID)}
		for _, q := range a.Queues {
			scopes = append(scopes, queueScope(q))
		}
	}
	cmds := make([]*redis.StringSliceCmd, len(scopes))
	if _, err := b.Redis.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for i, s := range scopes {
			cmds[i] = pipe.HVals(ctx, p.Shortcuts(s))
		}
		return nil
	}); err != nil {
		return nil, store.RedisError("canned", err)
	}
	var ids []string
	for _, c := range cmds {
		ids = append(ids, c.Val()...)
	}
	return ids, nil
}

// mayWrite gives the only agent whose canned replies the actor may write; "": everyone's.
func mayWrite(a chat.Actor) (own string, err error) {
	if a.SeesAll() {
		return "", nil
	}
	return a.ID, chat.Allow(a, chat.ActCanned)
}

// cannedStep is what the scripts take.
type cannedStep struct {
	ID       string `json:"id"`
	Shortcut string `json:"shortcut"`
	Scope    string `json:"scope"`
	Was      string `json:"was"`
	Own      string `json:"own,omitempty"`
	Data     string `json:"data"`
	Max      int    `json:"max"`
}

var errCannedMoves = chat.Errorf(chat.CodeUnavailable, "others keep changing it; try again")

// PutCanned writes a canned reply, a new one or in place of the one with that id.
// Agents write their own, supervisors and host applications everyone's.
// CodeTaken, by another reply's id: its scope has that shortcut already.
// CodeFull: its scope has MaxCanned.
func (b *Broker) PutCanned(ctx context.Context, a chat.Actor, c Canned) (Canned, error) {
	own, err := mayWrite(a)
	if err != nil {
		return c, err
	}
	if own != "" && c.Agent == "" && c.Queue == "" {
		c.Agent = own
	}
	if err := c.validate(); err != nil {
		return c, err
	}
	if own != "" && c.Agent != own {
		return c, chat.Errorf(chat.CodeForbidden, "agents write their own canned replies")
	}
	p := b.Parts[0]
	for range 5 {
		s := cannedStep{c.ID, c.Shortcut, c.scope(), c.scope(), own, c.data(), MaxCanned}
		old, err := b.canned(ctx, c.ID)
		switch {
		case err == nil:
			s.Was = old.scope()
		case !errors.Is(err, &chat.Error{Code: chat.CodeNotFound}):
			return c, err
		}
		r, err := b.RunJSON(ctx, "canned", []string{p.Canned(), p.Shortcuts(s.Scope), p.Shortcuts(s.Was), p.Dirty()}, s)
		if err != nil {
			return c, err
		}
		switch {
		case r.Str(0) == "moved":
			continue
		case r.Str(0) == string(chat.CodeTaken):
			return c, &chat.Error{Code: chat.CodeTaken, Message: "another reply has that shortcut", By: r.Str(1)}
		}
		if err := store.Refused(r); err != nil {
			return c, err
		}
		return parseCanned(r.Str(1))
	}
	return c, errCannedMoves
}

// DeleteCanned removes a canned reply; who may is as with PutCanned.
func (b *Broker) DeleteCanned(ctx context.Context, a chat.Actor, id string) error {
	own, err := mayWrite(a)
	if err != nil {
		return err
	}
	if err := chat.ValidID("id", id); err != nil {
		return err
	}
	p := b.Parts[0]
	for range 5 {
		old, err := b.canned(ctx, id)
		if err != nil {
			return err
		}
		r, err := b.RunJSON(ctx, "uncanned", []string{p.Canned(), p.Shortcuts(old.scope()), p.Dirty()},
			cannedStep{ID: id, Was: old.scope(), Own: own})
		if err != nil {
			return err
		}
		if r.Str(0) != "moved" {
			return store.Refused(r)
		}
	}
	return errCannedMoves
}

// RenderCanned gives the text of a canned reply, named by its id or its shortcut,
// for a session that the actor may read. A shortcut is sought among the actor's
// own replies, then the session's queue's, then those for all. The variables are
// {{user.name}}, {{agent.name}} (the agent who asks; the owner, if a host
// application does), {{session.id}}, {{session.subject}}, {{queue.name}} and
// {{meta.<key>}}; one without a value stays as it is. CodeTooLarge: the result is
// longer than MaxText.
func (b *Broker) RenderCanned(ctx context.Context, a chat.Actor, session, name string) (string, error) {
	if err := chat.Allow(a, chat.ActRender); err != nil {
		return "", err
	}
	if err := chat.ValidID("canned", name); err != nil {
		return "", err
	}
	st, err := b.Look(ctx, session)
	if err == nil {
		err = b.Judge(ctx, a, chat.ActRender, st)
	}
	if err != nil {
		return "", err
	}
	c, err := b.findCanned(ctx, a, name, st.Queue)
	if err != nil {
		return "", err
	}
	agent := st.Agent
	if a.Role.Staff() {
		p := a.Person()
		agent = &p
	}
	text, ok := render(c.Text, chat.MaxText, variables(st, b.settings.queue(st.Queue).Name, agent))
	if !ok {
		return "", chat.Errorf(chat.CodeTooLarge, "the text, with its variables: at most %d bytes", chat.MaxText)
	}
	return text, nil
}

// findCanned finds what the actor may use, by its id or by its shortcut.
func (b *Broker) findCanned(ctx context.Context, a chat.Actor, name, queue string) (Canned, error) {
	none := chat.Errorf(chat.CodeNotFound, "no such canned reply")
	c, err := b.canned(ctx, name)
	if err == nil && c.seen(a) || err != nil && !errors.Is(err, none) {
		return c, err
	}
	scopes := []string{queueScope(queue), ""}
	if a.Role.Staff() {
		scopes = append([]string{agentScope(a.ID)}, scopes...)
	}
	for _, s := range scopes {
		id, err := b.Pipe.HGet(ctx, b.Parts[0].Shortcuts(s), name).Result()
		if errors.Is(err, redis.Nil) {
			continue
		}
		if err != nil {
			return c, store.RedisError("canned", err)
		}
		c, err := b.canned(ctx, id)
		if err == nil && c.seen(a) || err != nil && !errors.Is(err, none) {
			return c, err
		}
	}
	return Canned{}, none
}
