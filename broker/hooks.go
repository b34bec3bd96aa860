package broker

import (
	"context"

	"bellhop/broker/chat"
	"bellhop/broker/internal/hooks"
)

// Hook is told, one event at a time for each session, what happens in it. Package
// webhook implements it.
type Hook = hooks.Hook

// HookStats are one node's counts since it started.
type HookStats = hooks.Stats

// HookLag is how far the hook is behind.
type HookLag = hooks.Lag

func newHooks(b *Broker, o Options) *hooks.Teller {
	return hooks.New(b.store, sessionsOf{b}, hooks.Options{Hook: o.Hook, Retries: o.HookRetries, Patience: o.hookPatience,
		Life: o.hookLife, Keep: o.hookKeep, BasePath: o.BasePath})
}

// HookStats tells what this node has delivered.
func (b *Broker) HookStats() HookStats { return b.hooks.Stats() }

// HookLag measures how far the hook is behind, at most every two seconds.
func (b *Broker) HookLag(ctx context.Context) (HookLag, error) { return b.hooks.Lag(ctx) }

// DeadLetters lists the events that were given up, the oldest first. The
// caller sees to it that a host application asks.
func (b *Broker) DeadLetters(ctx context.Context, limit int, cursor string) (chat.DeadLetters, error) {
	limit, err := chat.ListLimit(limit)
	if err != nil {
		return chat.DeadLetters{}, err
	}
	return b.hooks.Dead(ctx, limit, cursor)
}

// ReplayDeadLetter tries once more to deliver an event that was given up, with
// the id it had, and removes it once it is taken. CodeUnavailable: it was not,
// and stays; CodeWrongState: there is no hook.
func (b *Broker) ReplayDeadLetter(ctx context.Context, id string) error {
	return b.hooks.Replay(ctx, id)
}

// DeleteDeadLetter removes one for good.
func (b *Broker) DeleteDeadLetter(ctx context.Context, id string) error {
	return b.hooks.Discard(ctx, id)
}
