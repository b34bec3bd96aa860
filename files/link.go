package files

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"strconv"
	"time"
)

// LinkTTL is how long a link of Sign is good for.
const LinkTTL = time.Hour

// Sign makes what a link needs that is to work without a token: until when, in
// Unix seconds, and a signature.
func (s *Store) Sign(key []byte, id string) (expires time.Time, signature string) {
	expires = s.now().Add(LinkTTL).Truncate(time.Second)
	return expires, s.SignUntil(key, id, expires)
}

// SignUntil makes the signature of a link that is good until then, to the second.
func (s *Store) SignUntil(key []byte, id string, expires time.Time) string {
	return sign(key, id, strconv.FormatInt(expires.Unix(), 10))
}

// Signed tells whether a link's signature is right and it has not expired.
func (s *Store) Signed(key []byte, id, expires, signature string) bool {
	until, err := strconv.ParseInt(expires, 10, 64)
	return err == nil && hmac.Equal([]byte(sign(key, id, expires)), []byte(signature)) && s.now().Unix() < until
}

func sign(key []byte, id, expires string) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(id + "\x00" + expires))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}
