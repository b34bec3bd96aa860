package hall

import (
	"context"

	"bellhop/broker/chat"
)

// Follower is who assigns what waits in a queue, and must know more of it than its
// watchers. All but Read are called with the view's lock held, and must not wait.
type Follower interface {
	// Read reads what it needs beside the list, whenever that is read again; keep, called
	// with the lock held, takes it over. What was heard meanwhile follows.
	Read(ctx context.Context) (keep func(), err error)
	// Present tells how an agent is now: a presence as JSON, and since when it is idle.
	Present(presence, idle string)
	// Stir tells that there may be something to assign: that session, if it is named, waits now.
	Stir(session string)
}

// Follow holds a queue's view for who assigns there, one at a time, and reads it. The
// caller calls Unfollow in the end, also if it is not sound: what was read is not all then.
func (h *Hall) Follow(ctx context.Context, queue string, f Follower) (v *View, sound bool, err error) {
	v, _, err = h.hold(ctx, queue)
	if err != nil {
		return nil, false, err
	}
	v.mu.Lock()
	v.follower = f
	v.mu.Unlock()
	return v, v.Renew(ctx) == nil, nil
}

// Unfollow is Follow's opposite.
func (v *View) Unfollow() {
	v.mu.Lock()
	v.follower = nil
	v.mu.Unlock()
	v.h.release(v)
}

// Renew reads the queue again, and shows it to its watchers.
func (v *View) Renew(ctx context.Context) error { return v.renew(ctx, true) }

// Size is how many wait.
func (v *View) Size() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return len(v.list)
}

// Line calls f with those who wait, first come first, until it returns false; with
// nil for a session of which only the id is known. The view's lock is held.
func (v *View) Line(f func(session string, st *chat.Snapshot) bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, w := range v.list {
		if !f(w.id, v.sessions[w.id]) {
			return
		}
	}
}

func (v *View) stir(session string) {
	if v.follower != nil {
		v.follower.Stir(session)
	}
}
