package handlers

import "sync"

// writers are goroutines that flush sockets. They are kept a while, since their
// stacks have grown to what a write needs.
type writers struct {
	work chan *socket
	idle chan struct{} // a place for each that waits
	stop chan struct{}
	once sync.Once // closes stop
}

const idleWriters = 64

func newWriters() *writers {
	return &writers{work: make(chan *socket), idle: make(chan struct{}, idleWriters), stop: make(chan struct{})}
}

// run never blocks: where no writer waits, it starts one.
func (w *writers) run(s *socket) {
	select {
	case w.work <- s:
	default:
		go w.loop(s)
	}
}

func (w *writers) loop(s *socket) {
	for {
		s.flush()
		select {
		case w.idle <- struct{}{}:
		default:
			return // enough wait already
		}
		select {
		case s = <-w.work:
			<-w.idle
		case <-w.stop:
			<-w.idle
			return
		}
	}
}
