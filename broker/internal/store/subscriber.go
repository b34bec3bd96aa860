package store

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"bellhop/broker/chat"
)

// Subscriber keeps one pub/sub connection, with a receive loop of its own. On a
// cluster one connection can only hear the channels of one server, so each
// partition has its own; elsewhere all share one, which saves Redis a write for
// each. go-redis would hide a lost connection; here any error, and any
// unsubscription we did not ask for, means a new one and a resync.
type Subscriber struct {
	s    *Store
	hold *holder
	back func() // what was published while there was no connection may not have been heard

	mu      sync.Mutex
	started bool
	ps      *redis.PubSub // nil while there is no connection
	want    map[string]*subscription
	leaving map[string]int // unsubscriptions under way
}

// subscription is one channel this node listens to.
type subscription struct {
	users   int
	pending int           // subscribe commands not confirmed yet
	ready   chan struct{} // closed when confirmed
}

// NewSubscriber makes one that connects with its first channel. Handle must not wait; of one partition's
// messages it is called in their order, of several's at the same time where many come (hands); back is
// called when a lost connection hears all channels again, after handle for all that came before.
func NewSubscriber(s *Store, handle func(channel, payload string), back func()) *Subscriber {
	return &Subscriber{s: s, hold: newHolder(s.hands, handle), back: back, want: map[string]*subscription{}, leaving: map[string]int{}}
}

// Add listens to a channel and waits until Redis has confirmed it: what is
// published afterwards will be heard, or a resync will follow.
func (s *Subscriber) Add(ctx context.Context, channel string) error {
	s.mu.Lock()
	sub := s.want[channel]
	if sub == nil {
		sub = &subscription{ready: make(chan struct{})}
		s.want[channel] = sub
		s.send(sub, channel)
	}
	sub.users++
	ready := sub.ready
	s.mu.Unlock()
	select {
	case <-ready:
		return nil
	case <-ctx.Done():
		s.Remove(channel)
		return RedisError("subscribe", ctx.Err())
	case <-s.s.Life.Done():
		return chat.Errorf(chat.CodeUnavailable, "this node is stopping")
	}
}

// send asks for one channel; s.mu is held. Errors show in the receive loop.
func (s *Subscriber) send(sub *subscription, channel string) {
	if !s.started {
		s.started = true
		s.s.Tasks.Go(s.loop)
		return // the loop subscribes to all that is wanted
	}
	if s.ps != nil {
		sub.pending++
		s.subscribe(channel)
	}
}

func (s *Subscriber) subscribe(channels ...string) {
	if s.s.Sharded {
		_ = s.ps.SSubscribe(s.s.Life, channels...)
	} else {
		_ = s.ps.Subscribe(s.s.Life, channels...)
	}
}

// Remove stops listening once nobody needs the channel.
func (s *Subscriber) Remove(channel string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sub := s.want[channel]
	if sub == nil {
		return
	}
	if sub.users--; sub.users > 0 {
		return
	}
	delete(s.want, channel)
	if s.ps == nil {
		return
	}
	s.leaving[channel]++
	if s.s.Sharded {
		_ = s.ps.SUnsubscribe(s.s.Life, channel)
	} else {
		_ = s.ps.Unsubscribe(s.s.Life, channel)
	}
}

// loop connects, listens until something breaks, and does it again.
func (s *Subscriber) loop() {
	ctx := s.s.Life
	for pause, first := 50*time.Millisecond, true; ctx.Err() == nil; first = false {
		began := time.Now()
		err := s.listen(ctx, !first)
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > 10*time.Second {
			pause = 50 * time.Millisecond
		}
		s.s.meter.lost.Add(1)
		s.s.Log.Warn("subscriber lost; connecting again", "error", err)
		Sleep(ctx, Jitter(pause))
		pause = min(2*pause, 2*time.Second)
	}
}

// listen holds one connection until it fails.
func (s *Subscriber) listen(ctx context.Context, again bool) error {
	missing, ps := s.connect(ctx)
	defer func() {
		s.mu.Lock()
		s.ps = nil
		s.mu.Unlock()
		_ = ps.Close()
	}()
	unblock := context.AfterFunc(ctx, func() { _ = ps.Close() })
	defer unblock()
	defer s.hold.settle()
	for silent := 0; ; {
		asked := time.Now()
		msg, err := ps.ReceiveTimeout(ctx, 10*time.Second)
		var netErr net.Error
		switch {
		case err == nil:
			silent = 0
		case errors.As(err, &netErr) && netErr.Timeout() && silent < 2:
			silent++
			_ = ps.Ping(ctx)
			continue
		default:
			return err
		}
		switch m := msg.(type) {
		case *redis.Message:
			s.hold.take(m.Channel, m.Payload, time.Since(asked) < atHand)
		case *redis.Subscription:
			s.hold.settle() // who waits for this reads Redis next: what came before must not come after
			if !s.confirm(m) {
				return errors.New("unsubscribed: the slot has moved")
			}
			if delete(missing, m.Channel); again && len(missing) == 0 {
				again = false
				s.back()
			}
		}
	}
}

// connect opens a connection and subscribes to all that is wanted.
func (s *Subscriber) connect(ctx context.Context) (map[string]bool, *redis.PubSub) {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.leaving)
	missing := make(map[string]bool, len(s.want))
	channels := make([]string, 0, len(s.want))
	for ch, sub := range s.want {
		select {
		case <-sub.ready:
			sub.ready = make(chan struct{}) // newcomers wait for the new connection
		default:
		}
		sub.pending = 1
		missing[ch] = true
		channels = append(channels, ch)
	}
	// Without a first channel a cluster client would pick any node.
	if s.s.Sharded {
		s.ps = s.s.Redis.SSubscribe(ctx)
	} else {
		s.ps = s.s.Redis.Subscribe(ctx)
	}
	for len(channels) > 0 {
		n := min(len(channels), 500)
		s.subscribe(channels[:n]...)
		channels = channels[n:]
	}
	return missing, s.ps
}

// confirm notes an answer of Redis's; false for one that we did not ask for.
func (s *Subscriber) confirm(m *redis.Subscription) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch m.Kind {
	case "subscribe", "ssubscribe":
		sub := s.want[m.Channel]
		if sub == nil {
			return true
		}
		if sub.pending--; sub.pending <= 0 {
			select {
			case <-sub.ready:
			default:
				close(sub.ready)
			}
		}
	case "unsubscribe", "sunsubscribe":
		if s.leaving[m.Channel] == 0 {
			return false
		}
		if s.leaving[m.Channel]--; s.leaving[m.Channel] == 0 {
			delete(s.leaving, m.Channel)
		}
	}
	return true
}

// Silence has Redis publish a channel to others only, as if it had lost what this node asked for:
// tests see what becomes of an event that is not heard.
func (s *Subscriber) Silence(ctx context.Context, channel string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.leaving[channel]++
	return s.ps.Unsubscribe(ctx, channel)
}

// Cut closes the connection, as a network does. Another one follows.
func (s *Subscriber) Cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ps != nil {
		_ = s.ps.Close()
	}
}

// Channels is how many channels this node listens to.
func (s *Subscriber) Channels() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.want)
}
