package broker

// PageBytes is how long a list may be as it is sent, in bytes of JSON; one item
// it holds at least, however long that is.
const PageBytes = 256 << 10

// envelope is room for what is around the items of a list: the reply, cursors.
const envelope = 512

// page counts the bytes of a list that is being put together.
type page struct {
	left int
	some bool
}

func newPage() page { return page{left: PageBytes - envelope} }

// fits tells whether an item of so many bytes goes in, and counts it if so. The
// first always does.
func (p *page) fits(size int) bool {
	size++ // the comma
	if p.some && size > p.left {
		return false
	}
	p.left, p.some = p.left-size, true
	return true
}

// sized is what something takes as JSON, as it is sent.
func sized(v any) int { return len(encode(v)) }

// size is what the entry takes as JSON in a list.
func (e *entry) size(session string, own bool) int {
	const names = len(`{"session":"","seq":,"at":"2006-01-02T15:04:05.000Z",,"recalled":true,"replyTo":,"key":}`) + 20
	n := names + len(session) + len(e.head) + len(e.body)
	if own && e.key != "" {
		n += len(quote(e.key))
	}
	return n
}

// fill leaves in each queue's view as many of its first sessions as fit into one
// page with those of the others, taking turns.
func fill(queues []QueueView) {
	room, most := newPage(), 0
	open := make([]bool, len(queues)) // whether it may have more
	for i := range queues {
		q := queues[i]
		most, open[i] = max(most, len(q.Waiting)), true
		q.Waiting = nil
		room.left -= sized(q) + len(`,"more":true`)
	}
	kept := make([]int, len(queues))
	for n := range most {
		for i := range queues {
			if !open[i] || n == len(queues[i].Waiting) || !room.fits(sized(queues[i].Waiting[n])) {
				open[i] = false
				continue
			}
			kept[i]++
		}
	}
	for i := range queues {
		q := &queues[i]
		q.Waiting = q.Waiting[:kept[i]]
		q.More = len(q.Waiting) < q.Size
	}
}
