package chat

// PageBytes is how long a list may be as it is sent, in bytes of JSON; one item
// it holds at least, however long that is.
const PageBytes = 256 << 10

// Envelope is room for what is around the items of a list: the reply, cursors.
const Envelope = 512

// Page counts the bytes of a list that is being put together.
type Page struct {
	Left int
	some bool
}

// NewPage has room for the items of one reply.
func NewPage() Page { return Page{Left: PageBytes - Envelope} }

// Fits tells whether an item of so many bytes goes in, and counts it if so. The
// first always does.
func (p *Page) Fits(size int) bool {
	size++ // the comma
	if p.some && size > p.Left {
		return false
	}
	p.Left, p.some = p.Left-size, true
	return true
}

// Sized is what something takes as JSON, as it is sent.
func Sized(v any) int { return len(Encode(v)) }

// Fill leaves in each queue's view as many of its first sessions as fit into one
// page with those of the others, taking turns.
func Fill(queues []QueueView) {
	room, most := NewPage(), 0
	open := make([]bool, len(queues)) // whether it may have more
	for i := range queues {
		q := queues[i]
		most, open[i] = max(most, len(q.Waiting)), true
		q.Waiting = nil
		room.Left -= Sized(q) + len(`,"more":true`)
	}
	kept := make([]int, len(queues))
	for n := range most {
		for i := range queues {
			if !open[i] || n == len(queues[i].Waiting) || !room.Fits(Sized(queues[i].Waiting[n])) {
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
