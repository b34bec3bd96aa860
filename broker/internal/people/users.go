package people

import (
	"context"
	"strings"

	"bellhop/broker/chat"
	"bellhop/broker/internal/store"
)

// Blocked tells whether a user is kept out.
func (ps *People) Blocked(ctx context.Context, user string) (bool, error) {
	blocked, err := ps.store.Pipe.HExists(ctx, ps.store.Home(user).Profile(chat.Who(chat.RoleUser, user)), "blocked").Result()
	return blocked, store.RedisError("profile", err)
}

// Block keeps a user out, who may never have been seen, or lets it in again.
func (ps *People) Block(ctx context.Context, id string, s chat.UserSettings) error {
	for range 5 {
		moved, err := ps.block(ctx, id, s)
		if err != nil || !moved {
			return err
		}
	}
	return chat.Errorf(chat.CodeUnavailable, "the user keeps opening sessions; try again")
}

// block tells a user's profile and its open sessions; moved: it has opened one meanwhile.
func (ps *People) block(ctx context.Context, id string, s chat.UserSettings) (moved bool, err error) {
	part, w := ps.store.Home(id), chat.Who(chat.RoleUser, id)
	open, err := ps.store.Pipe.HVals(ctx, part.Open(id)).Result()
	if err != nil {
		return false, store.RedisError("user", err)
	}
	keys, sessions := []string{part.Profile(w), part.Open(id), part.Dirty()}, []string{}
	for _, ids := range open {
		for session := range strings.SplitSeq(ids, ",") {
			keys, sessions = append(keys, part.Session(session)), append(sessions, session)
		}
	}
	r, err := ps.store.RunJSON(ctx, "block", keys, struct {
		Who      string   `json:"who"`
		Info     string   `json:"info"`
		Blocked  bool     `json:"blocked"`
		Reason   string   `json:"reason"`
		Sessions []string `json:"sessions"`
	}{w, chat.Encode(chat.Person{ID: id}), s.Blocked, s.Reason, sessions})
	return r.Str(0) == "moved", err
}
