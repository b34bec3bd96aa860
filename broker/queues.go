package broker

import (
	"context"
	"sort"

	"bellhop/broker/chat"
)

// QueueList shows the queues that were set, those of known agents, and the default one.
func (b *Broker) QueueList(ctx context.Context, _ chat.Actor) ([]chat.QueueSettings, error) {
	if err := b.settings.Load(ctx); err != nil {
		return nil, err
	}
	named, err := b.people.Named(ctx)
	if err != nil {
		return nil, err
	}
	named[chat.DefaultQueueID] = true
	out := append([]chat.QueueSettings{}, b.settings.All()...)
	for _, q := range out {
		delete(named, q.ID)
	}
	for q := range named {
		out = append(out, chat.DefaultQueue(q))
	}
	sort.Slice(out, func(i, j int) bool { return out[i].ID < out[j].ID })
	return out, nil
}

// Queue shows one queue; one that nobody has set has the defaults.
func (b *Broker) Queue(ctx context.Context, a chat.Actor, id string) (chat.QueueSettings, error) {
	if err := chat.Allow(a, chat.ActQueue); err != nil {
		return chat.QueueSettings{}, err
	}
	if err := chat.ValidID("id", id); err != nil {
		return chat.QueueSettings{}, err
	}
	return b.settings.Stored(ctx, id)
}

// QueueName is what people read of a queue: its name, or the id where it has none.
func (b *Broker) QueueName(id string) string { return b.settings.Queue(id).Name }

// PutQueue replaces a queue's settings; timers that run keep their time.
func (b *Broker) PutQueue(ctx context.Context, a chat.Actor, q chat.QueueSettings) (chat.QueueSettings, error) {
	if err := chat.Allow(a, chat.ActQueue); err != nil {
		return q, err
	}
	if err := q.Validate(); err != nil {
		return q, err
	}
	if _, err := b.settings.Put(ctx, q.ID, chat.Encode(q)); err != nil {
		return q, err
	}
	b.dispatchers.Tend(b.store.Life)
	return q, nil
}

// DeleteQueue gives a queue the defaults again. Its sessions stay.
func (b *Broker) DeleteQueue(ctx context.Context, a chat.Actor, id string) error {
	if err := chat.Allow(a, chat.ActQueue); err != nil {
		return err
	}
	if err := chat.ValidID("id", id); err != nil {
		return err
	}
	had, err := b.settings.Put(ctx, id, "")
	if err != nil {
		return err
	}
	if !had {
		return chat.Errorf(chat.CodeNotFound, "nobody has set this queue")
	}
	return nil
}
