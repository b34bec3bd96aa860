// Package deploy holds what a deployment needs besides the program. What is
// named here is what tests run under.
package deploy

import (
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"strings"
)

//go:embed redis-users.acl
var redisUsers string

// Nginx is the configuration of nginx in front of two nodes.
//
//go:embed nginx.conf
var Nginx string

// RedisUser is the user of the ACL file that Bellhop connects as.
const RedisUser = "bellhop"

// RedisUsers is the ACL file with the hash of a password in its place.
func RedisUsers(password string) string {
	sum := sha256.Sum256([]byte(password))
	return strings.ReplaceAll(redisUsers, "PUT-THE-SHA-256-OF-ITS-PASSWORD-HERE", hex.EncodeToString(sum[:]))
}
