package live

import (
	"context"
	"time"

	"bellhop/broker/chat"
)

// positionPause is the shortest time between two `position` events of a user.
const positionPause = 2 * time.Second

// pace is how fast a queue has been moving lately.
type pace struct{ left []time.Time }

const paceWindow = 100

func (p *pace) note(at time.Time) {
	if len(p.left) == paceWindow {
		p.left = p.left[1:]
	}
	p.left = append(p.left, at)
}

// each is how long one place takes, by those who left within the last ten
// minutes; 0 while fewer than two have.
func (p *pace) each(now time.Time) time.Duration {
	old := 0
	for old < len(p.left) && now.Sub(p.left[old]) > 10*time.Minute {
		old++
	}
	if p.left = p.left[old:]; len(p.left) < 2 {
		return 0
	}
	return now.Sub(p.left[0]) / time.Duration(len(p.left))
}

// positions tells every user who waits here its place in line, where it changed.
func (h *Hub) positions(ctx context.Context) {
	h.views.show()
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
	h.views.keep(ctx, waiting)
	for queue, feeds := range waiting {
		h.views.place(queue, feeds)
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

// keep holds the views of the queues that users wait in, and no others.
func (vs *views) keep(ctx context.Context, waiting map[string][]*feed) {
	for queue := range waiting {
		if vs.waited[queue] == nil {
			v, _, err := vs.hold(ctx, queue)
			if err != nil {
				continue // the next round tries again
			}
			vs.waited[queue] = v
		}
	}
	for queue, v := range vs.waited {
		if waiting[queue] == nil {
			delete(vs.waited, queue)
			vs.release(v)
		}
	}
}

// place sends positions in one queue: one walk over its list, whatever its length.
func (vs *views) place(queue string, feeds []*feed) {
	v := vs.waited[queue]
	if v == nil {
		return
	}
	v.mu.Lock()
	at := make(map[string]int, len(v.list))
	for i, w := range v.list {
		at[w.id] = i + 1
	}
	each := v.pace.each(time.Now())
	v.mu.Unlock()
	for _, f := range feeds {
		position := at[f.id]
		if position == 0 {
			continue
		}
		wait := int((each*time.Duration(position) + time.Second - 1) / time.Second) // never none at all
		f.mu.Lock()
		if m := f.seats["u:"+f.st.User.ID]; m != nil && f.st.State == chat.Waiting && worth(f.placed, position, wait) {
			f.placed = [2]int{position, wait}
			m.deliver(chat.EventLine("position", struct {
				Session   string `json:"session"`
				Position  int    `json:"position"`
				Wait      int    `json:"wait"` // seconds
				Estimated bool   `json:"estimated"`
			}{f.id, position, wait, each > 0}), "")
		}
		f.mu.Unlock()
	}
}
