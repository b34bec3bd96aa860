package broker

import (
	"context"

	"bellhop/broker/chat"
	"bellhop/broker/internal/store"
)

// overdueArgs is what abandon.lua and idle.lua are told.
type overdueArgs struct {
	call
	Queue string `json:"queue"`
	Keep  int64  `json:"keep"` // ms
}

// idle warns in a served session in which nobody writes, or ends it.
func (b *Broker) idle(ctx context.Context, session string) error {
	return b.overdue(ctx, "idle", session, endKeys)
}

// abandon ends a session whose user has been away for too long while it waits.
func (b *Broker) abandon(ctx context.Context, session string) error {
	return b.overdue(ctx, "abandon", session, func(p store.Partition, queue, user string) []string {
		return append(endKeys(p, queue, user), p.Conns("u:"+user), p.Epoch())
	})
}

func (b *Broker) overdue(ctx context.Context, script, session string, keys func(p store.Partition, queue, user string) []string) error {
	args := overdueArgs{call: newCall(session)}
	_, err := b.relocate(ctx, chat.Actor{}, "", session, func(p store.Partition, queue, user string) (store.Reply, error) {
		return b.ruled(ctx, script, p, p.Transition(session, keys(p, queue, user)...), func() any {
			args.Queue, args.Keep = queue, b.settings.keep()
			return args
		})
	})
	return err
}

// idleTimes are the queues' idle time-outs in ms, for a session whose queue only the script knows.
func (b *Broker) idleTimes(queues ...string) map[string]int64 {
	out := make(map[string]int64, len(queues))
	for _, q := range queues {
		out[q] = store.Milliseconds(b.settings.queue(q).IdleTimeout)
	}
	return out
}
