package main

import (
	"context"
	"os"

	"github.com/redis/go-redis/v9"
)

// bed is a Redis and nodes on it.
type bed struct {
	dir    string
	bin    string
	redis  *proc
	rdb    *redis.Client
	server *proc // the first node
	nodes  []*proc
	args   []string // of every node
}

// newBed starts Redis and one node, with these arguments besides the usual ones.
func newBed(ctx context.Context, args ...string) (b *bed, err error) {
	b = &bed{args: args}
	defer func() {
		if err != nil {
			b.stop()
		}
	}()
	if b.dir, err = os.MkdirTemp("", "bellhop-bench-"); err != nil {
		return b, err
	}
	if b.bin, err = build(ctx, b.dir); err != nil {
		return b, err
	}
	if b.redis, b.rdb, err = startRedis(ctx); err != nil {
		return b, err
	}
	if err = b.add(ctx); err != nil {
		return b, err
	}
	b.server = b.nodes[0]
	return b, nil
}

// add starts one more node.
func (b *bed) add(ctx context.Context) error {
	p, err := startServer(ctx, b.bin, b.dir, b.redis, b.args...)
	if p != nil {
		b.nodes = append(b.nodes, p)
	}
	return err
}

func (b *bed) stop() {
	for _, n := range b.nodes {
		n.stop()
	}
	if b.rdb != nil {
		_ = b.rdb.Close()
	}
	if b.redis != nil {
		b.redis.stop()
	}
	_ = os.RemoveAll(b.dir)
}
