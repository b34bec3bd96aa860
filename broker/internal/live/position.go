package live

import (
	"context"
	"maps"
	"slices"
	"time"

	"bellhop/broker/chat"
)

// positionPause is the shortest time between two `position` events of a user.
const positionPause = 2 * time.Second

// positions tells every user who waits here its place in line, where it changed.
func (h *Hub) positions(ctx context.Context) {
	waiting := map[string][]*feed{}
	for _, p := range h.parts {
		p.mu.Lock()
		feeds := make([]*feed, 0, len(p.feeds))
		for _, f := range p.feeds {
			feeds = append(feeds, f)
		}
		p.mu.Unlock()
		for _, f := range feeds {
			f.mu.Lock()
			if f.st != nil && f.st.State == chat.Waiting && f.seats["u:"+f.st.User.ID] != nil {
				waiting[f.st.Queue] = append(waiting[f.st.Queue], f)
			}
			f.mu.Unlock()
		}
	}
	h.line.Keep(ctx, slices.Collect(maps.Keys(waiting)))
	for queue, feeds := range waiting {
		at, each := h.line.Positions(queue)
		for _, f := range feeds {
			f.place(at[f.id], each)
		}
	}
}

// worth tells whether a user should hear of a new position or wait: far behind
// in a long line only of what changes it by a twentieth, or everybody would be
// told of everything.
func worth(before [2]int, position, wait int) bool {
	moved, later := abs(position-before[0]), abs(wait-before[1])
	return before[0] == 0 || moved > 0 && moved >= before[0]/20 || later > 0 && later >= max(5, before[1]/5)
}

func abs(n int) int { return max(n, -n) }

// place tells who waits of its place, unless that is none, with how long one takes; 0: not known.
func (f *feed) place(position int, each time.Duration) {
	if position == 0 {
		return
	}
	wait := int((each*time.Duration(position) + time.Second - 1) / time.Second) // never none at all
	f.mu.Lock()
	defer f.mu.Unlock()
	if m := f.seats["u:"+f.st.User.ID]; m != nil && f.st.State == chat.Waiting && worth(f.placed, position, wait) {
		f.placed = [2]int{position, wait}
		m.deliver(chat.EventLine("position", struct {
			Session   string `json:"session"`
			Position  int    `json:"position"`
			Wait      int    `json:"wait"` // seconds
			Estimated bool   `json:"estimated"`
		}{f.id, position, wait, each > 0}), "")
	}
}
