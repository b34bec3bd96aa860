package uploads

import (
	"context"
	"crypto/rand"

	"bellhop/broker/internal/store"
)

// Key is what all nodes sign links to files with: made by the first that
// asks, and kept in Redis only.
func (u *Uploads) Key(ctx context.Context) ([]byte, error) {
	fresh := make([]byte, 32)
	_, _ = rand.Read(fresh) // never fails
	if err := u.store.Redis.SetNX(ctx, store.FilesKey, fresh, 0).Err(); err != nil {
		return nil, store.RedisError("files", err)
	}
	key, err := u.store.Redis.Get(ctx, store.FilesKey).Bytes()
	return key, store.RedisError("files", err)
}
