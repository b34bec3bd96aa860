package people

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/redis/go-redis/v9"

	"bellhop/broker/chat"
	"bellhop/broker/internal/store"
)

// tokenBearer is whom a token speaks for, as Redis holds it under the token's hash.
type tokenBearer struct {
	Role       chat.Role `json:"role"`
	ID         string    `json:"id"`
	Name       string    `json:"name"`
	Avatar     string    `json:"avatar"`
	Queues     []string  `json:"queues"`
	Capacity   int       `json:"capacity"`
	Priority   int       `json:"priority"`
	Generation int64     `json:"generation"` // of an older version: 0
}

// tokenRecord is all that Redis holds; the times are the script's.
type tokenRecord struct {
	tokenBearer
	Issued  int64 `json:"issued"`  // ms
	Expires int64 `json:"expires"` // ms
}

func tokenHash(token string) string {
	sum := sha256.Sum256([]byte(token))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// Issue makes an opaque token for an identity; ttl 0 means 24 hours. An
// agent's profile is known from then on.
func (ps *People) Issue(ctx context.Context, id chat.Identity, ttl time.Duration) (string, time.Time, error) {
	if err := id.Normalize(); err != nil {
		return "", time.Time{}, err
	}
	if ttl == 0 {
		ttl = 24 * time.Hour
	}
	if ttl < time.Second || ttl > 10*365*24*time.Hour {
		return "", time.Time{}, chat.Errorf(chat.CodeBadRequest, "ttl: seconds, from 1 to ten years")
	}
	if id.Role.Staff() {
		if err := ps.Introduce(ctx, id); err != nil {
			return "", time.Time{}, err
		}
	}
	revoked, err := ps.revocations(ctx, id.Role, id.ID)
	if err != nil {
		return "", time.Time{}, err
	}
	token := rand.Text() // letters and digits only: it is typed into command lines
	bearer := tokenBearer{id.Role, id.ID, id.Name, id.Avatar, id.Queues, id.Capacity, id.Priority, revoked + 1}
	hash := tokenHash(token)
	p := ps.store.Home(hash)
	r, err := ps.store.Run(ctx, "token", []string{p.Token(hash), p.Dirty()}, hash, strings.TrimSuffix(chat.Encode(bearer), "}"), ttl.Milliseconds())
	if err != nil {
		return "", time.Time{}, err
	}
	return token, time.UnixMilli(r.Num(1)), nil
}

// revocations is how often a participant's tokens have been revoked.
func (ps *People) revocations(ctx context.Context, role chat.Role, id string) (int64, error) {
	n, err := ps.store.Redis.HGet(ctx, ps.store.Home(id).Profile(chat.Who(role, id)), "generation").Int64()
	if errors.Is(err, redis.Nil) {
		return 0, nil
	}
	return n, store.RedisError("revoked", err)
}

// Authenticate finds whom a token speaks for. CodeUnauthorized: no such token,
// expired or revoked; CodeUnavailable: Redis is away.
func (ps *People) Authenticate(ctx context.Context, token string) (chat.Identity, error) {
	id, err := ps.identify(ctx, token)
	if err != nil {
		return chat.Identity{}, err
	}
	if !id.Expires.IsZero() && !time.Now().Before(id.Expires) {
		return chat.Identity{}, chat.Errorf(chat.CodeUnauthorized, "the token has expired")
	}
	p, err := ps.Profile(ctx, id.Role, id.ID)
	if err != nil {
		return chat.Identity{}, err
	}
	if id.Revoked(p.Revoked, p.Generation) {
		return chat.Identity{}, chat.Errorf(chat.CodeUnauthorized, "the token was revoked")
	}
	if p.Disabled {
		return chat.Identity{}, chat.Errorf(chat.CodeUnauthorized, "disabled by an administrator")
	}
	if p.Set {
		id.Queues, id.Capacity = p.Queues, p.Capacity
	}
	return id, nil
}

func (ps *People) identify(ctx context.Context, token string) (chat.Identity, error) {
	if !tokenShape(token) {
		return chat.Identity{}, chat.Errorf(chat.CodeUnauthorized, "no token")
	}
	if ps.opt.JWT != nil && strings.Count(token, ".") == 2 {
		id, err := ps.opt.JWT(ctx, token)
		if err != nil {
			return chat.Identity{}, err
		}
		if err := id.Normalize(); err != nil {
			return chat.Identity{}, chat.Errorf(chat.CodeUnauthorized, "the token's claims: %s", chat.AsError(err).Message)
		}
		if id.Issued.After(time.Now().Add(ps.opt.Leeway)) { // it would outlive a revocation
			return chat.Identity{}, chat.Errorf(chat.CodeUnauthorized, "the token is of the future: a clock is wrong")
		}
		return id, ps.shown(ctx, id)
	}
	hash := tokenHash(token)
	data, err := ps.store.Redis.Get(ctx, ps.store.Home(hash).Token(hash)).Bytes()
	if errors.Is(err, redis.Nil) {
		if ps.store.LookEmptied(ctx); ps.store.Emptied.Load() {
			return chat.Identity{}, store.ErrEmptied // not the token's fault: who gets 401 gives up
		}
		return chat.Identity{}, chat.Errorf(chat.CodeUnauthorized, "no such token, or it has expired")
	}
	if err != nil {
		return chat.Identity{}, store.RedisError("token", err)
	}
	var r tokenRecord
	if err := json.Unmarshal(data, &r); err != nil {
		return chat.Identity{}, err
	}
	if r.ID == "" || r.Role != chat.RoleUser && !r.Role.Staff() {
		return chat.Identity{}, chat.Errorf(chat.CodeUnauthorized, "a token of nobody")
	}
	if chat.ValidAvatar("avatar", r.Avatar) != nil {
		r.Avatar = "" // of an older version, which let it be
	}
	return chat.Identity{Role: r.Role, ID: r.ID, Name: r.Name, Avatar: r.Avatar, Queues: r.Queues, Capacity: r.Capacity, Priority: r.Priority,
		Issued: time.UnixMilli(r.Issued), Expires: time.UnixMilli(r.Expires), TokenID: hash, Generation: r.Generation}, nil
}

// Held is CodeUnauthorized if an opaque token does not exist any more.
func (ps *People) Held(ctx context.Context, id chat.Identity) error {
	if id.TokenID == "" {
		return nil
	}
	n, err := ps.store.Pipe.Exists(ctx, ps.store.Home(id.TokenID).Token(id.TokenID)).Result()
	if err != nil {
		return store.RedisError("token", err)
	}
	if n == 0 {
		return chat.Errorf(chat.CodeUnauthorized, "the token has expired or was revoked")
	}
	return nil
}

func tokenShape(token string) bool {
	if token == "" || len(token) > chat.MaxToken {
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

// Revoke ends one token, and its connections on every node within two seconds.
func (ps *People) Revoke(ctx context.Context, token string) error {
	id, err := ps.identify(ctx, token)
	if err != nil {
		if chat.AsError(err).Code == chat.CodeUnauthorized {
			return nil // it is of no use to anybody already
		}
		return err
	}
	if id.TokenID == "" {
		// A JWT cannot be taken back alone: its participant's older tokens all go.
		return ps.RevokeAll(ctx, id.Role, id.ID)
	}
	p := ps.store.Home(id.TokenID)
	if _, err := ps.store.Run(ctx, "untoken", []string{p.Token(id.TokenID), p.Dirty()}, id.TokenID); err != nil {
		return err
	}
	return ps.Tell(ctx, id.Role, id.ID, chat.Personal{Kind: "revoked", Token: id.TokenID})
}

// RevokeAll ends all of a participant's tokens, JWTs issued before now included.
//
// When a JWT was issued only its issuer knows, whose clock may be fast: an `iat` of up
// to Options.Leeway ahead is accepted. So all end that say they were issued before
// now, by the later of Redis's clock and the node's, or no later than one that was
// shown before: what the same issuer makes afterwards says that it is newer. Opaque
// tokens count revocations.
//
// An `iat` has whole seconds as a rule, so JWTs issued in the second of the revocation
// cannot be told apart and all of them end; the answer waits until that second is
// over, so that whoever logs in once it is given gets one that works.
func (ps *People) RevokeAll(ctx context.Context, role chat.Role, id string) error {
	if err := chat.ValidID("id", id); err != nil {
		return err
	}
	w, p, here := chat.Who(role, id), ps.store.Home(id), time.Now().UnixMilli()
	r, err := ps.store.Run(ctx, "revoke", []string{p.Profile(w), p.Dirty(), p.Ahead(w)}, w, ulid.Make().String(), here)
	if err != nil || ps.opt.JWT == nil {
		return err
	}
	if !store.Sleep(ctx, time.Duration(1000-min(here%1000, r.Num(2)%1000))*time.Millisecond) {
		return store.RedisError("revoke", ctx.Err())
	}
	return nil
}

// shown notes a JWT whose issuer's clock is fast, for revocations.
func (ps *People) shown(ctx context.Context, id chat.Identity) error {
	if !id.Issued.After(time.Now()) {
		return nil
	}
	w, p := chat.Who(id.Role, id.ID), ps.store.Home(id.ID)
	_, err := ps.store.Run(ctx, "ahead", []string{p.Ahead(w)}, id.Issued.UnixMilli(), (2 * ps.opt.Leeway).Milliseconds())
	return err
}
