package hall

import (
	"context"
	"strconv"
	"strings"

	"bellhop/broker/chat"
)

// Follower is who assigns what waits in a queue, and must know more of it than its
// watchers. All are called with the view's lock held, and must not wait.
type Follower interface {
	// Present tells how an agent is now: a presence as JSON, since when it is idle, and which of its
	// partition's presences in this queue it is, by number; 0 where a version before told it.
	Present(told int64, presence, idle string)
	// Stir tells that there may be something to assign: that session, if it is named, waits now.
	Stir(session string)
	// Anew tells that the list has been read again, since something may not have been heard.
	Anew()
}

// Follow holds a queue's view for who assigns there, one at a time, and reads it. The
// caller calls Unfollow in the end, also if it is not sound: what was read is not all then.
func (h *Hall) Follow(ctx context.Context, queue string, f Follower) (followed *Followed, sound bool, err error) {
	v, _, err := h.hold(ctx, queue)
	if err != nil {
		return nil, false, err
	}
	v.mu.Lock()
	v.follower = f
	v.mu.Unlock()
	return &Followed{v, f}, v.Renew(ctx) == nil, nil
}

// Followed is a view that somebody follows.
type Followed struct {
	*View
	by Follower
}

// Unfollow is Follow's opposite; whoever follows by now goes on.
func (f *Followed) Unfollow() {
	v := f.View
	v.mu.Lock()
	if v.follower == f.by {
		v.follower = nil
	}
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

// present tells of an agent: its presence as JSON, which begins with its number, and since when it is idle.
// v.mu is held.
func (v *View) present(presence, idle string) {
	var told int64
	if rest, ok := strings.CutPrefix(presence, `{"n":`); ok { // which is no watcher's business
		n, fields, _ := strings.Cut(rest, ",")
		told, _ = strconv.ParseInt(n, 10, 64)
		presence = "{" + fields
	}
	v.tell([]byte(`{"event":"presence",` + presence[1:]))
	if v.follower != nil {
		v.follower.Present(told, presence, idle)
	}
}
