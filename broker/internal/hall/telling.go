package hall

import "time"

const (
	// tellPause is the shortest time between two batches of a queue's events: where many come,
	// a watcher gets five frames a second, whatever happens. All queues have the same beat, so
	// that batches of many share a frame.
	tellPause = 200 * time.Millisecond
	// maxBatch is how many bytes are told before that.
	maxBatch = 256 << 10
)

// first is the first beat; not a time of day, which may be set back.
var first = time.Now()

// telling is what watchers are to be told of, all the same bytes.
type telling struct {
	batch []byte // events joined by line breaks
	next  time.Time
	timer *time.Timer // set while there is a batch
}

// tell tells watchers of an event: at once where none was lately, else together with
// those that come until the next beat. v.mu is held.
func (v *View) tell(line []byte) {
	if len(v.watchers) == 0 {
		return
	}
	t := &v.telling
	if len(t.batch) > 0 {
		t.batch = append(t.batch, '\n')
	}
	t.batch = append(t.batch, line...)
	now := time.Now()
	switch {
	case !now.Before(t.next), len(t.batch) > maxBatch:
		v.flush()
	case t.timer == nil:
		t.timer = time.AfterFunc(t.next.Sub(now), func() {
			v.mu.Lock()
			defer v.mu.Unlock()
			if !time.Now().Before(t.next) { // else an event was told at once while this waited for its turn, and set another
				v.flush()
			}
		})
	}
}

// flush tells what is there. v.mu is held.
func (v *View) flush() {
	t := &v.telling
	if t.timer != nil {
		t.timer.Stop()
		t.timer = nil
	}
	if len(t.batch) == 0 {
		return
	}
	for _, c := range v.watchers {
		c.Deliver(t.batch)
	}
	t.batch = nil // it is theirs now
	t.next = first.Add(time.Since(first).Truncate(tellPause) + tellPause)
}
