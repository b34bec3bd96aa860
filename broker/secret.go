package broker

import (
	"context"
	"crypto/rand"
)

// FilesKey is what all nodes sign links to files with: made by the first that
// asks, and kept in Redis only.
func (b *Broker) FilesKey(ctx context.Context) ([]byte, error) {
	fresh := make([]byte, 32)
	_, _ = rand.Read(fresh) // never fails
	if err := b.rdb.SetNX(ctx, filesKey, fresh, 0).Err(); err != nil {
		return nil, redisError("files", err)
	}
	key, err := b.rdb.Get(ctx, filesKey).Bytes()
	return key, redisError("files", err)
}
