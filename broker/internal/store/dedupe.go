package store

import (
	"encoding/base64"

	"bellhop/broker/chat"
)

// KeyHash is short, so that a session's keys stay a compact listpack. Without
// a key the mid makes this call, too, one that may be repeated.
func KeyHash(by, key, mid string) string {
	return base64.RawStdEncoding.EncodeToString(chat.KeySum(by, key, mid))
}
