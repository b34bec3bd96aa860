package hall

import (
	"context"
	"time"
)

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

// Keep holds the views of the queues that users wait in, and no others. One call at a time.
func (h *Hall) Keep(ctx context.Context, waiting []string) {
	kept := make(map[string]bool, len(waiting))
	for _, queue := range waiting {
		kept[queue] = true
		if h.waited[queue] == nil {
			v, _, err := h.hold(ctx, queue)
			if err != nil {
				continue // the next round tries again
			}
			h.waited[queue] = v
		}
	}
	for queue, v := range h.waited {
		if !kept[queue] {
			delete(h.waited, queue)
			h.release(v)
		}
	}
}

// Positions are the places in a queue's line that Keep holds, from 1, by session: one walk over its list, whatever
// its length; and how long one takes, 0 while that is not known. From the goroutine that calls Keep.
func (h *Hall) Positions(queue string) (at map[string]int, each time.Duration) {
	v := h.waited[queue]
	if v == nil {
		return nil, 0
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	at = make(map[string]int, len(v.list))
	for i, w := range v.list {
		at[w.id] = i + 1
	}
	return at, v.pace.each(time.Now())
}
