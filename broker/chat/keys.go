package chat

import (
	"crypto/sha256"
	"time"
)

// RecallWindow is how long a sender may take a message back.
const RecallWindow = 2 * time.Minute

// KeySum names a message among all of a sender's, the same each time it is sent again with
// its key. Without one the mid makes this call, too, one that may be repeated.
func KeySum(by, key, mid string) []byte {
	if key == "" {
		key = "\x00" + mid
	}
	sum := sha256.Sum256([]byte(by + "\x00" + key))
	return sum[:9]
}
