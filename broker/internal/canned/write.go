package canned

import (
	"context"
	"errors"

	"github.com/redis/go-redis/v9"

	"bellhop/broker/chat"
	"bellhop/broker/internal/store"
)

// step is what the scripts take.
type step struct {
	ID       string `json:"id"`
	Shortcut string `json:"shortcut"`
	Scope    string `json:"scope"`
	Was      string `json:"was"`
	Own      string `json:"own,omitempty"`
	Data     string `json:"data"`
	Max      int    `json:"max"`
}

var errMoves = chat.Errorf(chat.CodeUnavailable, "others keep changing it; try again")

// Put writes a reply, a new one or in place of the one with that id. own is the
// agent who writes, if it may write its own only. CodeTaken, by another reply's
// id: its scope has that shortcut already. CodeFull: its scope has chat.MaxCanned.
func (r *Replies) Put(ctx context.Context, own string, c chat.Canned) (chat.Canned, error) {
	if own != "" && c.Agent == "" && c.Queue == "" {
		c.Agent = own
	}
	if err := c.Validate(); err != nil {
		return c, err
	}
	if own != "" && c.Agent != own {
		return c, chat.Errorf(chat.CodeForbidden, "agents write their own canned replies")
	}
	p := r.store.Parts[0]
	for range 5 {
		s := step{c.ID, c.Shortcut, scopeOf(&c), scopeOf(&c), own, begin(&c), chat.MaxCanned}
		old, err := r.Get(ctx, c.ID)
		switch {
		case err == nil:
			s.Was = scopeOf(&old)
		case !errors.Is(err, errNone):
			return c, err
		}
		answer, err := r.store.RunJSON(ctx, "canned", []string{p.Canned(), p.Shortcuts(s.Scope), p.Shortcuts(s.Was), p.Dirty()}, s)
		if err != nil {
			return c, err
		}
		switch {
		case answer.Str(0) == "moved":
			continue
		case answer.Str(0) == string(chat.CodeTaken):
			return c, &chat.Error{Code: chat.CodeTaken, Message: "another reply has that shortcut", By: answer.Str(1)}
		}
		if err := store.Refused(answer); err != nil {
			return c, err
		}
		return Parse(answer.Str(1))
	}
	return c, errMoves
}

// Delete removes a reply; own is as with Put. CodeNotFound: there is none of that id.
func (r *Replies) Delete(ctx context.Context, own, id string) error {
	p := r.store.Parts[0]
	for range 5 {
		old, err := r.Get(ctx, id)
		if err != nil {
			return err
		}
		answer, err := r.store.RunJSON(ctx, "uncanned", []string{p.Canned(), p.Shortcuts(scopeOf(&old)), p.Dirty()},
			step{ID: id, Was: scopeOf(&old), Own: own})
		if err != nil {
			return err
		}
		if answer.Str(0) != "moved" {
			return store.Refused(answer)
		}
	}
	return errMoves
}

// Kept is a reply as the archive keeps it; nil where there is none.
func (r *Replies) Kept(ctx context.Context, id string) ([]byte, error) {
	data, err := r.store.Pipe.HGet(ctx, r.store.Parts[0].Canned(), id).Bytes()
	if err != nil && !errors.Is(err, redis.Nil) {
		return nil, store.RedisError("canned", err)
	}
	return data, nil
}

// Restore puts what the archive has kept of one back, with the commands of a
// pipe; what cannot be read is left out. It may be repeated.
func (r *Replies) Restore(ctx context.Context, pipe redis.Pipeliner, data []byte) {
	if c, err := Parse(string(data)); err == nil {
		pipe.HSet(ctx, r.store.Parts[0].Canned(), c.ID, data)
		pipe.HSet(ctx, r.store.Parts[0].Shortcuts(scopeOf(&c)), c.Shortcut, c.ID)
	}
}
