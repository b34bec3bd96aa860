// Package jwt tells whom a JSON Web Token speaks for: one signed with a secret that the issuer
// and this program share, or with one of the keys that the issuer publishes, which are asked for
// in the background until Close. Whatever of a token two programs might read differently makes it
// one that is not valid. What an identity may be is the broker's to say.
package jwt

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"bellhop/broker/chat"
)

// clockLeeway is by how much an issuer's clock may be ahead of ours.
const clockLeeway = 30 * time.Second

// latest is the last second that RFC 3339 can name, in seconds: no token lives longer.
const latest = 253402300799

// claims are what a JWT says of a participant: the fields of POST /tokens, `sub` for id.
type claims struct {
	jwt.RegisteredClaims
	Role     chat.Role
	Name     string
	Avatar   string
	Queues   []string
	Capacity int
	Priority int
}

// UnmarshalJSON takes names by their exact case, each once, and times as numbers only:
// what another program may read otherwise is no basis for who somebody is.
func (c *claims) UnmarshalJSON(data []byte) error {
	fields, err := members(data)
	if err != nil {
		return err
	}
	for name, into := range map[string]any{"iss": &c.Issuer, "sub": &c.Subject, "aud": &c.Audience, "role": &c.Role, "name": &c.Name,
		"avatar": &c.Avatar, "queues": &c.Queues, "capacity": &c.Capacity, "priority": &c.Priority} {
		if raw, ok := fields[name]; ok {
			if err := json.Unmarshal(raw, into); err != nil {
				return fmt.Errorf("%s: not of its type", name)
			}
		}
	}
	for name, into := range map[string]**jwt.NumericDate{"exp": &c.ExpiresAt, "nbf": &c.NotBefore, "iat": &c.IssuedAt} {
		if raw, ok := fields[name]; ok {
			if *into, err = numericDate(raw); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	return nil
}

// members are those of a JSON object. One that is there twice is an error (RFC 7519, 4, allows that).
func members(data []byte) (map[string]json.RawMessage, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, errors.New("not an object")
	}
	fields := map[string]json.RawMessage{}
	for d.More() {
		t, err := d.Token()
		name, ok := t.(string)
		var value json.RawMessage
		if err != nil || !ok || d.Decode(&value) != nil {
			return nil, errors.New("not an object")
		}
		if _, twice := fields[name]; twice {
			return nil, errors.New("a name is there twice")
		}
		fields[name] = value
	}
	return fields, nil
}

// numericDate reads seconds since 1970, with or without a fraction, to the millisecond.
func numericDate(raw json.RawMessage) (*jwt.NumericDate, error) {
	var seconds *float64 // null is not a time
	if err := json.Unmarshal(raw, &seconds); err != nil || seconds == nil {
		return nil, errors.New("not a number")
	}
	if *seconds < 0 || *seconds > latest {
		return nil, errors.New("not a time from 1970 to 9999")
	}
	return &jwt.NumericDate{Time: time.UnixMilli(int64(math.Round(*seconds * 1000)))}, nil
}

// Options say which JWTs are accepted.
type Options struct {
	Secret   string // that signs them by HS256; "" for none
	URL      string // where keys for RS256, ES256 and EdDSA are found, as CheckURL lets pass; "" for nowhere
	Audience string // what aud must hold; "": it is not looked at
	Issuer   string // what iss must be; "": it is not looked at
	Log      *slog.Logger
}

// Verifier tells who a JWT is. Its methods may be called concurrently.
type Verifier struct {
	parser *jwt.Parser
	secret []byte // nil for none
	keys   *jwks  // nil for none
}

// Start makes what accepts JWTs, and begins to ask for keys; nil if none can be accepted.
func Start(ctx context.Context, o Options) *Verifier {
	var keys *jwks
	if o.URL != "" {
		keys = startJWKS(ctx, o.URL, o.Log, defaultPace)
	}
	return newVerifier(o, keys, time.Now)
}

// Close ends the asking. It does nothing on nil.
func (v *Verifier) Close() {
	if v != nil {
		v.keys.close()
	}
}

// newVerifier is Start with the keys and the clock given.
func newVerifier(o Options, keys *jwks, now func() time.Time) *Verifier {
	v := &Verifier{keys: keys}
	var methods []string
	if o.Secret != "" {
		v.secret = []byte(o.Secret)
		methods = append(methods, "HS256")
	}
	if keys != nil {
		methods = append(methods, "RS256", "ES256", "EdDSA")
	}
	if len(methods) == 0 {
		return nil
	}
	options := []jwt.ParserOption{jwt.WithValidMethods(methods), jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithLeeway(clockLeeway),
		jwt.WithStrictDecoding(), jwt.WithTimeFunc(now)}
	if o.Audience != "" {
		options = append(options, jwt.WithAudience(o.Audience))
	}
	if o.Issuer != "" {
		options = append(options, jwt.WithIssuer(o.Issuer))
	}
	v.parser = jwt.NewParser(options...)
	return v
}

// Verify finds whom a JWT speaks for. CodeUnauthorized: it is not valid; CodeUnavailable: it
// cannot be told yet, for lack of keys.
func (v *Verifier) Verify(ctx context.Context, token string) (chat.Identity, error) {
	var c claims
	_, err := v.parser.ParseWithClaims(token, &c, func(t *jwt.Token) (any, error) { return v.key(ctx, t) })
	var away *awayError
	switch {
	case errors.As(err, &away):
		return chat.Identity{}, &chat.Error{Code: chat.CodeUnavailable, Message: "the keys that tell whether the token is valid are away",
			RetryMS: (away.after + time.Millisecond - 1).Milliseconds(), Err: err}
	case err != nil:
		return chat.Identity{}, &chat.Error{Code: chat.CodeUnauthorized, Message: "the token is not valid", Err: err}
	}
	// Without an iat, or with one of 0, it may be from before any revocation: as old as can be.
	id := chat.Identity{Role: c.Role, ID: c.Subject, Name: c.Name, Avatar: c.Avatar, Queues: c.Queues,
		Capacity: c.Capacity, Priority: c.Priority, Expires: c.ExpiresAt.Time, Issued: time.UnixMilli(1)}
	if c.IssuedAt != nil && c.IssuedAt.After(id.Issued) {
		id.Issued = c.IssuedAt.Time
	}
	return id, nil
}

// key gives what may have signed a token, by its header.
func (v *Verifier) key(ctx context.Context, t *jwt.Token) (any, error) {
	encoded, _, _ := strings.Cut(t.Raw, ".")
	header, err := v.parser.DecodeSegment(encoded)
	if err != nil {
		return nil, err
	}
	fields, err := members(header)
	if err != nil {
		return nil, err
	}
	if _, there := fields["crit"]; there {
		return nil, errors.New("crit names what is not understood here") // no extension is (RFC 7515, 4.1.11)
	}
	var id string
	if raw, ok := fields["kid"]; ok && json.Unmarshal(raw, &id) != nil {
		return nil, errors.New("kid is not a string")
	}
	if t.Method.Alg() == "HS256" {
		return v.secret, nil
	}
	keys, err := v.keys.find(ctx, id, t.Method.Alg())
	if err != nil {
		return nil, err
	}
	set := jwt.VerificationKeySet{}
	for _, k := range keys {
		set.Keys = append(set.Keys, k)
	}
	return set, nil
}
