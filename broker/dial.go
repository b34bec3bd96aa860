package broker

import (
	"github.com/redis/go-redis/v9"

	"bellhop/broker/internal/store"
)

// MaxPartitions is how many partitions a deployment can have.
const MaxPartitions = store.MaxPartitions

// Dial makes a client for a Redis URL: redis:// or rediss:// for one server,
// redis+cluster://h:p,h:p (rediss+cluster), redis+sentinel://h:p,h:p/master
// (rediss+sentinel). User, password and the database's number may be given as
// usual. It does not connect yet. An error does not quote the URL, which may hold a password.
func Dial(rawURL string) (redis.UniversalClient, error) { return store.Dial(rawURL) }
