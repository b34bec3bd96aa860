package broker

import (
	"context"
	"slices"
	"sync"

	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"

	"bellhop/broker/chat"
	"bellhop/broker/internal/store"
)

// Stats gives statistics to host applications and supervisors. CodeForbidden:
// anybody else; CodeBadRequest: what was asked for makes no sense, or is too much.
// Calls at the same time are answered one after the other.
func (b *Broker) Stats(ctx context.Context, a chat.Actor, r chat.StatsRequest) (chat.StatsReply, error) {
	if err := chat.Allow(a, chat.ActStats); err != nil {
		return chat.StatsReply{}, err
	}
	return b.counts.Report(ctx, r)
}

// current is what statistics ask of the rest: who works and who waits now.
type current struct{ *Broker }

// Agents are all agents that are known.
func (b current) Agents(ctx context.Context) ([]chat.AgentInfo, error) { return b.people.Agents(ctx) }

// Queues are the ids of the queues that somebody has set.
func (b current) Queues() []string { return b.settings.Set() }

// Waiting is how many wait in each of some queues.
func (b current) Waiting(ctx context.Context, queues []string) (map[string]int64, error) {
	out, mu := map[string]int64{}, sync.Mutex{}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(4)
	for _, p := range b.store.Parts {
		g.Go(func() error {
			for some := range slices.Chunk(queues, 100) {
				sizes := make([]*redis.IntCmd, len(some))
				_, err := b.store.Redis.Pipelined(ctx, func(pipe redis.Pipeliner) error {
					for i, q := range some {
						sizes[i] = pipe.ZCard(ctx, p.Waiting(q))
					}
					return nil
				})
				if err != nil {
					return store.RedisError("waiting", err)
				}
				mu.Lock()
				for i, q := range some {
					out[q] += sizes[i].Val()
				}
				mu.Unlock()
			}
			return nil
		})
	}
	return out, g.Wait()
}
