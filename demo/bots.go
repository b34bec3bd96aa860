package demo

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"sync"
	"time"

	"bellhop/client"
)

// Options of Start, all required.
type Options struct {
	API  client.API // of the node that they chat at, with its key
	Pace float64    // 1 is a human's, less is faster
	Log  *slog.Logger
}

// Bots are users and agents who chat with each other, and with people, until
// they are stopped. They use what any client may, over the real WebSocket, and
// are bounded: one connection and at most one open session for each user bot.
type Bots struct {
	pace   float64
	log    *slog.Logger
	http   *http.Client
	api    client.API
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

// Start lets bots come, one after the other, until they are stopped or ctx ends. It does
// not wait for the node to serve.
func Start(ctx context.Context, o Options) *Bots {
	ctx, cancel := context.WithCancel(ctx)
	b := &Bots{pace: o.Pace, log: o.Log, api: o.API, cancel: cancel, http: &http.Client{Transport: &http.Transport{}, Timeout: 10 * time.Second}}
	b.api.HTTP = b.http
	b.wg.Go(func() { b.open(ctx) })
	return b
}

// Stop sends all of them home and waits until they are gone. It may be called twice, and of none.
func (b *Bots) Stop() {
	if b != nil {
		b.cancel()
		b.wg.Wait()
		b.http.CloseIdleConnections()
	}
}

// open prepares the queues, then lets everybody in.
func (b *Bots) open(ctx context.Context) {
	for {
		err := b.prepare(ctx)
		if err == nil {
			break
		}
		if !b.failed(ctx, "setting up", err) || !b.rest(ctx, 2, 4) {
			return
		}
	}
	for _, p := range botAgents {
		b.wg.Go(func() { b.again(ctx, p, 10, 40, b.shift) })
	}
	for _, p := range botUsers {
		b.wg.Go(func() { b.again(ctx, p, 10, 70, b.visit) })
	}
}

// again lives a bot's life over and over, with pauses. An error ends one life, not the bot.
func (b *Bots) again(ctx context.Context, p botPerson, least, most float64, life func(context.Context, botPerson) error) {
	for b.rest(ctx, 0, most-least) {
		if err := life(ctx, p); err != nil {
			b.failed(ctx, p.id, err)
		}
		if !b.rest(ctx, least, least) {
			return
		}
	}
}

// prepare writes what the bots' queues are like, and the replies their agents keep ready.
func (b *Bots) prepare(ctx context.Context) error {
	for id, settings := range botQueueSettings {
		if err := b.api.Do(ctx, http.MethodPut, "/queues/"+url.PathEscape(id), settings, nil); err != nil {
			return err
		}
	}
	for _, c := range botReplies {
		if _, err := b.api.PutCanned(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

// failed logs what went wrong; false if that was only the end.
func (b *Bots) failed(ctx context.Context, what string, err error) bool {
	if ctx.Err() != nil {
		return false
	}
	b.log.Debug("demo bots go on after an error", "bot", what, "error", err)
	return true
}

// span is a time of some seconds at the bots' pace.
func (b *Bots) span(seconds float64) time.Duration {
	return time.Duration(seconds * b.pace * float64(time.Second))
}

// in is a moment between least and most seconds from now.
func (b *Bots) in(least, most float64) time.Time {
	return time.Now().Add(b.span(least + (most-least)*rand.Float64())) //nolint:gosec // nothing secret
}

// rest waits; false when it is time to go.
func (b *Bots) rest(ctx context.Context, least, most float64) bool {
	t := time.NewTimer(time.Until(b.in(least, most)))
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// chance is true so often.
func chance(p float64) bool { return rand.Float64() < p } //nolint:gosec // nothing secret

func pick[T any](of []T) T { return of[rand.IntN(len(of))] } //nolint:gosec // nothing secret

// past tells whether a moment that was set is over.
func past(t time.Time) bool { return !t.IsZero() && time.Now().After(t) }

// bot is one of them while it is connected. All it does it does on one goroutine.
type bot struct {
	*Bots
	*client.Client
	person botPerson
	events chan client.Event
	gone   chan struct{}
}

// life is what a bot does with what it hears and, twice a second, with the time that passes.
type life interface {
	hear(e client.Event)
	act(ctx context.Context) (done bool, err error)
}

func (b *Bots) connect(ctx context.Context, p botPerson, r client.TokenRequest) (*bot, error) {
	r.ID, r.Name = p.id, p.name
	token, err := b.api.IssueToken(ctx, r)
	if err != nil {
		return nil, err
	}
	n := &bot{Bots: b, person: p, events: make(chan client.Event, 64), gone: make(chan struct{})}
	n.Client, err = client.Dial(ctx, client.Options{URL: b.api.BaseURL, Token: token.Token, Device: "demo", OnEvent: func(e client.Event) {
		select {
		case n.events <- e:
		case <-n.gone:
		}
	}})
	return n, err
}

// live goes on until it is done, stopped, or not let in any more. What fails
// otherwise is tried again, or answered by what the next events say.
func (n *bot) live(ctx context.Context, l life) error {
	defer n.Close()
	defer close(n.gone)
	tick := time.NewTicker(max(n.span(0.5), 5*time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case e := <-n.events:
			if lost, ok := e.(*client.Disconnected); ok && !lost.WillRetry {
				return lost.Err
			}
			l.hear(e)
		case <-tick.C:
			within, cancel := context.WithTimeout(ctx, 10*time.Second)
			done, err := l.act(within)
			cancel()
			if err != nil {
				n.failed(ctx, n.person.id, err)
			}
			if done {
				return nil
			}
		}
	}
}
