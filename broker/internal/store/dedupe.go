package store

import (
	"crypto/sha256"
	"encoding/base64"
)

// KeyHash is short, so that a session's keys stay a compact listpack. Without
// a key the mid makes this call, too, one that may be repeated.
func KeyHash(by, key, mid string) string {
	return base64.RawStdEncoding.EncodeToString(KeySum(by, key, mid))
}

// KeySum is its bytes.
func KeySum(by, key, mid string) []byte {
	if key == "" {
		key = "\x00" + mid
	}
	sum := sha256.Sum256([]byte(by + "\x00" + key))
	return sum[:9]
}
