package broker

import (
	"context"
	"slices"
	"time"
)

// positionPause is the shortest time between two `position` events of a user.
const positionPause = 2 * time.Second

// pace is how fast a queue has been moving lately.
type pace struct{ left []time.Time }

const paceWindow = 20

func (p *pace) note(at time.Time) {
	if len(p.left) == paceWindow {
		p.left = p.left[1:]
	}
	p.left = append(p.left, at)
}

// estimate is the wait in seconds at a position; false while too little has
// been seen: two that left within the last ten minutes.
func (p *pace) estimate(position int) (int, bool) {
	recent := slices.DeleteFunc(slices.Clone(p.left), func(t time.Time) bool { return time.Since(t) > 10*time.Minute })
	if len(recent) < 2 {
		return 0, false
	}
	each := time.Since(recent[0]) / time.Duration(len(recent))
	return int((each * time.Duration(position)).Round(time.Second) / time.Second), true
}

// positions tells every user who waits here its place in line, where it changed.
func (b *Broker) positions(ctx context.Context) {
	waiting := map[string][]*feed{}
	for _, p := range b.hub.parts {
		p.mu.Lock()
		feeds := make([]*feed, 0, len(p.feeds))
		for _, f := range p.feeds {
			feeds = append(feeds, f)
		}
		p.mu.Unlock()
		for _, f := range feeds {
			f.mu.Lock()
			if f.st != nil && f.st.State == Waiting && f.seats["u:"+f.st.User.ID] != nil {
				waiting[f.st.Queue] = append(waiting[f.st.Queue], f)
			}
			f.mu.Unlock()
		}
	}
	b.hub.views.keep(ctx, waiting)
	for queue, feeds := range waiting {
		b.hub.views.place(queue, feeds)
	}
}

// keep holds the views of the queues that users wait in, and no others.
func (vs *views) keep(ctx context.Context, waiting map[string][]*feed) {
	for queue := range waiting {
		if vs.waited[queue] == nil {
			v, err := vs.hold(ctx, queue)
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
	p := pace{slices.Clone(v.pace.left)}
	v.mu.Unlock()
	for _, f := range feeds {
		position := at[f.id]
		if position == 0 {
			continue
		}
		wait, estimated := p.estimate(position)
		f.mu.Lock()
		if m := f.seats["u:"+f.st.User.ID]; m != nil && f.st.State == Waiting && f.placed != [2]int{position, wait} {
			f.placed = [2]int{position, wait}
			m.deliver(eventLine("position", struct {
				Session   string `json:"session"`
				Position  int    `json:"position"`
				Wait      int    `json:"wait"` // seconds
				Estimated bool   `json:"estimated"`
			}{f.id, position, wait, estimated}), "")
		}
		f.mu.Unlock()
	}
}
