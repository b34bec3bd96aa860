package testenv

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"bellhop/deploy"
)

// Bellhop connects as the user of deploy's ACL, with only what that allows; the
// harness may do everything, and nobody else anything.
const (
	bellhopPassword = "not-a-secret"
	harnessUser     = "harness"
	harnessPassword = "not-a-secret-either"

	login = deploy.RedisUser + ":" + bellhopPassword + "@"

	embeddedPassword = "not-a-secret" // it has no users
	embeddedLogin    = ":" + embeddedPassword + "@"
)

// users is the ACL file of a server.
func users() string {
	return deploy.RedisUsers(bellhopPassword) + "user " + harnessUser + " on >" + harnessPassword + " ~* &* +@all\n"
}

// Refused gives what the server refused Bellhop since it started, or since the
// last call, and forgets it: a reason and what it was about each.
func (r *RedisServer) Refused() ([]string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	c := redis.NewClient(&redis.Options{Addr: r.Addr(), Username: r.user, Password: r.password, ContextTimeoutEnabled: true})
	defer c.Close() // one of its own: at the end of the test the other is closed
	log, err := c.Do(ctx, "acl", "log", "128").Slice()
	if err != nil {
		return nil, err
	}
	var refused []string
	for _, entry := range log {
		// RESP3 has a map, RESP2 a list of names and values.
		about := make(map[string]any)
		switch e := entry.(type) {
		case map[any]any:
			for k, v := range e {
				about[fmt.Sprint(k)] = v
			}
		case []any:
			for i := 0; i+1 < len(e); i += 2 {
				about[fmt.Sprint(e[i])] = e[i+1]
			}
		default:
			return nil, fmt.Errorf("ACL LOG: %T", entry)
		}
		if about["username"] == deploy.RedisUser && about["reason"] != "auth" {
			refused = append(refused, fmt.Sprintf("%v %v (%v)", about["reason"], about["object"], about["client-info"]))
		}
	}
	return refused, c.Do(ctx, "acl", "log", "reset").Err()
}

// checkRefused fails the test where Bellhop lacked a right: it may have gone on
// without what it asked for.
func (r *RedisServer) checkRefused() {
	if r.user == "" || !r.proc.serving() {
		return
	}
	if refused, err := r.Refused(); err == nil && len(refused) > 0 {
		r.t.Errorf("testenv: deploy/redis-users.acl refused Bellhop:\n%s", strings.Join(refused, "\n"))
	}
}
