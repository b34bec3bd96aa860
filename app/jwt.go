package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/MicahParks/keyfunc/v3"
	"github.com/golang-jwt/jwt/v5"

	"bellhop/broker"
)

// claims are what a JWT says of a participant: the fields of POST /tokens, `sub` for id.
type claims struct {
	jwt.RegisteredClaims
	Role     broker.Role `json:"role"`
	Name     string      `json:"name"`
	Avatar   string      `json:"avatar"`
	Queues   []string    `json:"queues"`
	Capacity int         `json:"capacity"`
	Priority int         `json:"priority"`
}

// An `iat` may have a fraction of a second: then a revocation is compared with it to the millisecond.
func init() { jwt.TimePrecision = time.Microsecond }

type verifier = func(ctx context.Context, token string) (broker.Identity, error)

// newVerifier makes what accepts JWTs by the settings; nil if none are.
func newVerifier(ctx context.Context, s Settings) (verifier, error) {
	var keys keyfunc.Keyfunc
	var methods []string
	if s.JWTSecret != "" {
		methods = append(methods, "HS256")
	}
	if s.JWKSURL != "" {
		var err error
		// It is asked again hourly, and for an unknown key at most every five minutes.
		keys, err = keyfunc.NewDefaultOverrideCtx(ctx, []string{s.JWKSURL}, keyfunc.Override{
			Client: &http.Client{Timeout: 10 * time.Second}})
		if err != nil {
			return nil, fmt.Errorf("--jwks-url: %w", err)
		}
		methods = append(methods, "RS256", "ES256", "EdDSA")
	}
	if len(methods) == 0 {
		return nil, nil //nolint:nilnil // the broker takes nil for opaque tokens only
	}
	parser := jwt.NewParser(jwt.WithValidMethods(methods), jwt.WithExpirationRequired(), jwt.WithLeeway(5*time.Second))
	return func(ctx context.Context, token string) (broker.Identity, error) {
		var c claims
		_, err := parser.ParseWithClaims(token, &c, func(t *jwt.Token) (any, error) {
			if t.Method.Alg() == "HS256" {
				return []byte(s.JWTSecret), nil
			}
			if keys == nil {
				return nil, errors.New("no keys")
			}
			return keys.KeyfuncCtx(ctx)(t)
		})
		if err != nil {
			return broker.Identity{}, &broker.Error{Code: broker.CodeUnauthorized, Message: "the token is not valid", Err: err}
		}
		id := broker.Identity{Role: c.Role, ID: c.Subject, Name: c.Name, Avatar: c.Avatar, Queues: c.Queues,
			Capacity: c.Capacity, Priority: c.Priority, Expires: c.ExpiresAt.Time, Issued: time.UnixMilli(1)}
		if c.IssuedAt != nil {
			id.Issued = c.IssuedAt.Round(time.Millisecond)
		}
		return id, nil
	}, nil
}
