package broker

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// tokenRecord is what Redis holds under a token's hash.
type tokenRecord struct {
	Role     Role     `json:"role"`
	ID       string   `json:"id"`
	Name     string   `json:"name"`
	Avatar   string   `json:"avatar"`
	Queues   []string `json:"queues"`
	Capacity int      `json:"capacity"`
	Priority int      `json:"priority"`
	Issued   int64    `json:"issued"`  // ms
	Expires  int64    `json:"expires"` // ms
}

func tokenHash(token string) string {
	sum := sha256.Sum256([]byte(token))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// IssueToken makes an opaque token for an identity; ttl 0 means 24 hours. An
// agent's profile is known from then on.
func (b *Broker) IssueToken(ctx context.Context, id Identity, ttl time.Duration) (string, time.Time, error) {
	if err := id.normalize(); err != nil {
		return "", time.Time{}, err
	}
	if ttl == 0 {
		ttl = 24 * time.Hour
	}
	if ttl < time.Second || ttl > 10*365*24*time.Hour {
		return "", time.Time{}, Errorf(CodeBadRequest, "ttl: seconds, from 1 to ten years")
	}
	token := rand.Text() // letters and digits only: it is typed into command lines
	issued, err := b.afterRevocation(ctx, id)
	if err != nil {
		return "", time.Time{}, err
	}
	expires := issued.Add(ttl)
	data, err := json.Marshal(tokenRecord{id.Role, id.ID, id.Name, id.Avatar, id.Queues, id.Capacity, id.Priority,
		issued.UnixMilli(), expires.UnixMilli()})
	if err != nil {
		return "", time.Time{}, err
	}
	hash := tokenHash(token)
	p := b.home(hash)
	if _, err := b.rdb.TxPipelined(ctx, func(pipe redis.Pipeliner) error {
		pipe.Set(ctx, p.token(hash), data, ttl)
		b.changed(ctx, pipe, p, recordToken, hash)
		return nil
	}); err != nil {
		return "", time.Time{}, redisError("token", err)
	}
	if id.Role.Staff() {
		if err := b.introduce(ctx, id); err != nil {
			return "", time.Time{}, err
		}
	}
	return token, expires, nil
}

// afterRevocation is now, or the first instant after the participant's last
// revocation, if that is later by the clock of the node that made it.
func (b *Broker) afterRevocation(ctx context.Context, id Identity) (time.Time, error) {
	issued := time.Now()
	revoked, err := b.revoked(ctx, id.Role, id.ID)
	if err != nil {
		return issued, err
	}
	if issued.UnixMilli() <= revoked {
		issued = time.UnixMilli(revoked + 1)
	}
	return issued, nil
}

func (b *Broker) revoked(ctx context.Context, role Role, id string) (int64, error) {
	w := who(role, id)
	at, err := b.rdb.HGet(ctx, b.home(id).profile(w), "revoked").Result()
	if errors.Is(err, redis.Nil) {
		return 0, nil
	}
	if err != nil {
		return 0, redisError("revoked", err)
	}
	n, _ := strconv.ParseInt(at, 10, 64)
	return n, nil
}

// Authenticate finds whom a token speaks for. CodeUnauthorized: no such token,
// expired or revoked; CodeUnavailable: Redis is away.
func (b *Broker) Authenticate(ctx context.Context, token string) (Identity, error) {
	id, err := b.identify(ctx, token)
	if err != nil {
		return Identity{}, err
	}
	if !id.Expires.IsZero() && !time.Now().Before(id.Expires) {
		return Identity{}, Errorf(CodeUnauthorized, "the token has expired")
	}
	p, err := b.profile(ctx, id.Role, id.ID)
	if err != nil {
		return Identity{}, err
	}
	if id.Issued.UnixMilli() <= p.revoked {
		return Identity{}, Errorf(CodeUnauthorized, "the token was revoked")
	}
	if p.disabled {
		return Identity{}, Errorf(CodeUnauthorized, "disabled by an administrator")
	}
	if p.set {
		id.Queues, id.Capacity = p.queues, p.capacity
	}
	return id, nil
}

func (b *Broker) identify(ctx context.Context, token string) (Identity, error) {
	if !tokenShape(token) {
		return Identity{}, Errorf(CodeUnauthorized, "no token")
	}
	if b.opt.JWT != nil && strings.Count(token, ".") == 2 {
		id, err := b.opt.JWT(ctx, token)
		if err != nil {
			return Identity{}, err
		}
		if err := id.normalize(); err != nil {
			return Identity{}, Errorf(CodeUnauthorized, "the token's claims: %s", AsError(err).Message)
		}
		return id, nil
	}
	hash := tokenHash(token)
	data, err := b.rdb.Get(ctx, b.home(hash).token(hash)).Bytes()
	if errors.Is(err, redis.Nil) {
		if b.lookEmptied(ctx); b.emptied.Load() {
			return Identity{}, errEmptied // not the token's fault: who gets 401 gives up
		}
		return Identity{}, Errorf(CodeUnauthorized, "no such token, or it has expired")
	}
	if err != nil {
		return Identity{}, redisError("token", err)
	}
	var r tokenRecord
	if err := json.Unmarshal(data, &r); err != nil {
		return Identity{}, err
	}
	return Identity{r.Role, r.ID, r.Name, r.Avatar, r.Queues, r.Capacity, r.Priority,
		time.UnixMilli(r.Issued), time.UnixMilli(r.Expires), hash}, nil
}

// held is CodeUnauthorized if an opaque token does not exist any more.
func (b *Broker) held(ctx context.Context, id Identity) error {
	if id.TokenID == "" {
		return nil
	}
	n, err := b.pipe.Exists(ctx, b.home(id.TokenID).token(id.TokenID)).Result()
	if err != nil {
		return redisError("token", err)
	}
	if n == 0 {
		return Errorf(CodeUnauthorized, "the token has expired or was revoked")
	}
	return nil
}

// MaxToken is a token's greatest length in bytes.
const MaxToken = 8 << 10

func tokenShape(token string) bool {
	if token == "" || len(token) > MaxToken {
		return false
	}
	for _, c := range []byte(token) {
		alnum := c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c >= '0' && c <= '9'
		if !alnum && !strings.ContainsRune("._~-", rune(c)) {
			return false
		}
	}
	return true
}

// RevokeToken ends one token, and its connections on every node within two seconds.
func (b *Broker) RevokeToken(ctx context.Context, token string) error {
	id, err := b.identify(ctx, token)
	if err != nil {
		if AsError(err).Code == CodeUnauthorized {
			return nil // it is of no use to anybody already
		}
		return err
	}
	if id.TokenID == "" {
		// A JWT cannot be taken back alone: its participant's older tokens all go.
		return b.RevokeParticipant(ctx, id.Role, id.ID)
	}
	p := b.home(id.TokenID)
	if _, err := b.rdb.TxPipelined(ctx, func(pipe redis.Pipeliner) error {
		pipe.Del(ctx, p.token(id.TokenID))
		b.changed(ctx, pipe, p, recordToken, id.TokenID)
		return nil
	}); err != nil {
		return redisError("revoke", err)
	}
	return b.tell(ctx, id.Role, id.ID, personal{Kind: "revoked", Token: id.TokenID})
}

// RevokeParticipant ends all of a participant's tokens, JWTs issued before now included.
func (b *Broker) RevokeParticipant(ctx context.Context, role Role, id string) error {
	if err := validID("id", id); err != nil {
		return err
	}
	w, at := who(role, id), time.Now().UnixMilli()
	p := b.home(id)
	if _, err := b.rdb.TxPipelined(ctx, func(pipe redis.Pipeliner) error {
		pipe.HSet(ctx, p.profile(w), "revoked", at)
		b.changed(ctx, pipe, p, recordProfile, w)
		return nil
	}); err != nil {
		return redisError("revoke", err)
	}
	return b.tell(ctx, role, id, personal{Kind: "revoked", Before: at})
}

// tell publishes on a participant's own channel.
func (b *Broker) tell(ctx context.Context, role Role, id string, p personal) error {
	data, err := json.Marshal(p)
	if err != nil {
		return err
	}
	channel := b.home(id).profile(who(role, id))
	if b.sharded {
		return redisError("tell", b.rdb.SPublish(ctx, channel, data).Err())
	}
	return redisError("tell", b.rdb.Publish(ctx, channel, data).Err())
}
