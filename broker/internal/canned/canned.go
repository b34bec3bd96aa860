// Package canned keeps the replies that agents have ready.
//
// A shortcut is one reply's in its scope (a queue's, one agent's own, or for
// all), whichever nodes write at the same time, and a scope has at most
// chat.MaxCanned. What is read is what the reader may use, and no more.
//
// The keys `canned` (id → JSON) and `canned:<scope>` (shortcut → id) are its
// own, both in the first partition only, and so are the scripts `canned` and
// `uncanned`. Both mark what they change as dirty, in that partition, for the
// archive. It runs no loop and takes no lock.
package canned

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	"github.com/redis/go-redis/v9"

	"bellhop/broker/chat"
	"bellhop/broker/internal/store"
)

// Replies are the canned replies of a deployment. Its methods may be called concurrently.
type Replies struct {
	store *store.Store
}

// New looks after the canned replies in a Redis, which need not be opened yet.
func New(s *store.Store) *Replies { return &Replies{store: s} }

// Reader is somebody who uses canned replies: those for all, its queues' and its own.
type Reader struct {
	All    bool     // everyone's, too
	Agent  string   // who it is among the staff; "": nobody, who has none of its own
	Queues []string // its own
}

// Sees tells whether the reader may use a reply.
func (r Reader) Sees(c *chat.Canned) bool {
	switch {
	case r.All:
		return true
	case r.Agent == "":
		return false
	case c.Queue != "":
		return chat.Contains(r.Queues, c.Queue)
	}
	return c.Agent == "" || c.Agent == r.Agent
}

// The scopes of canned replies, as scripts name them. The one for all is "".
func queueScope(queue string) string { return "q:" + queue }
func agentScope(agent string) string { return "a:" + agent }

func scopeOf(c *chat.Canned) string {
	switch {
	case c.Queue != "":
		return queueScope(c.Queue)
	case c.Agent != "":
		return agentScope(c.Agent)
	}
	return ""
}

// Parse reads a reply as Redis and the archive keep it.
func Parse(data string) (chat.Canned, error) {
	var c struct {
		chat.Canned
		Updated int64 `json:"updated"`
	}
	err := json.Unmarshal([]byte(data), &c)
	c.Canned.Updated = chat.At(c.Updated)
	return c.Canned, err
}

// begin is its JSON as Redis keeps it, up to when it was updated: that is the script's to say.
func begin(c *chat.Canned) string {
	return strings.TrimSuffix(chat.Encode(struct {
		ID       string `json:"id"`
		Queue    string `json:"queue"`
		Agent    string `json:"agent"`
		Shortcut string `json:"shortcut"`
		Title    string `json:"title"`
		Text     string `json:"text"`
	}{c.ID, c.Queue, c.Agent, c.Shortcut, c.Title, c.Text}), "}")
}

// errNone is for an id, or a shortcut, that no reply has.
var errNone = chat.Errorf(chat.CodeNotFound, "no such canned reply")

// Get gives one reply, whoever may use it. CodeNotFound: there is none of that id.
func (r *Replies) Get(ctx context.Context, id string) (chat.Canned, error) {
	data, err := r.store.Pipe.HGet(ctx, r.store.Parts[0].Canned(), id).Result()
	if errors.Is(err, redis.Nil) {
		return chat.Canned{}, errNone
	}
	if err != nil {
		return chat.Canned{}, store.RedisError("canned", err)
	}
	return Parse(data)
}
