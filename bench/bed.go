package main

import (
	"context"
	"os"

	"github.com/redis/go-redis/v9"

	"bellhop/client"
)

// bed is a Redis and nodes on it.
type bed struct {
	dir    string
	bin    string
	redis  *proc
	copies []*proc // replicas of it
	rdb    *redis.Client
	server *proc // the first node
	nodes  []*proc
	args   []string // of every node
}

// newBed starts Redis and one node, with these arguments besides the usual ones.
func newBed(ctx context.Context, args ...string) (*bed, error) {
	return newReplicatedBed(ctx, 0, args...)
}

// newReplicatedBed is newBed with so many replicas of Redis.
func newReplicatedBed(ctx context.Context, replicas int, args ...string) (b *bed, err error) {
	b = &bed{args: args}
	defer func() {
		if err != nil {
			b.stop()
		}
	}()
	if b.dir, err = os.MkdirTemp("", "bellhop-bench-"); err != nil {
		return b, err
	}
	if b.bin, err = build(ctx); err != nil {
		return b, err
	}
	if b.redis, b.rdb, err = startRedis(ctx); err != nil {
		return b, err
	}
	for range replicas {
		copied, err := startReplica(ctx, b.redis)
		if copied != nil {
			b.copies = append(b.copies, copied)
		}
		if err != nil {
			return b, err
		}
	}
	if err = b.add(ctx); err != nil {
		return b, err
	}
	b.server = b.nodes[0]
	return b, nil
}

// selfAndBed is a bed, and this program, of which floors run another one.
func selfAndBed(ctx context.Context, args ...string) (string, *bed, error) {
	self, err := os.Executable()
	if err != nil {
		return "", nil, err
	}
	b, err := newBed(ctx, args...)
	return self, b, err
}

// add starts one more node.
func (b *bed) add(ctx context.Context) error {
	p, err := startServer(ctx, b.bin, b.dir, b.redis, b.args...)
	if p != nil {
		b.nodes = append(b.nodes, p)
	}
	return err
}

// serverCPU is what all nodes have used, in µs.
func (b *bed) serverCPU() (sum float64) {
	for _, n := range b.nodes {
		sum += n.cpu()
	}
	return sum
}

// api is the host application at the first node.
func (b *bed) api() client.API {
	return client.API{BaseURL: "http://" + b.server.addr, Key: apiKey, HTTP: pooled}
}

func (b *bed) stop() {
	for _, n := range b.nodes {
		n.stop()
	}
	if b.rdb != nil {
		_ = b.rdb.Close()
	}
	for _, c := range b.copies {
		c.stop()
	}
	if b.redis != nil {
		b.redis.stop()
	}
	_ = os.RemoveAll(b.dir)
}
