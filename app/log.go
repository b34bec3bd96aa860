package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"

	"github.com/redis/go-redis/v9"

	"bellhop/broker"
)

// newLog makes the one log of this process: libraries that log by themselves write to
// it, too, in the same format.
func newLog(s *Stores) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(s.LogLevel)) // one of the enum's
	o := &slog.HandlerOptions{Level: level}
	var lines slog.Handler = slog.NewJSONHandler(os.Stderr, o)
	if s.textLog() {
		lines = slog.NewTextHandler(os.Stderr, o)
	}
	log := slog.New(traceLog{lines})
	slog.SetDefault(log) // of those that use slog, or package log: JWKS, WebSockets
	redis.SetLogger(redisLog{log})
	return log
}

// redisLog is where the Redis client logs.
type redisLog struct{ log *slog.Logger }

// Printf takes what the client says of connections for details: whatever fails by them
// is an error of ours, which is told where it matters.
func (r redisLog) Printf(ctx context.Context, format string, v ...any) {
	text, level := fmt.Sprintf(format, v...), slog.LevelDebug
	switch {
	case strings.Contains(text, "panic"):
		level = slog.LevelError
	case strings.HasPrefix(text, "sentinel: new master"):
		level = slog.LevelInfo
	}
	r.log.Log(ctx, level, text, "from", "redis client")
}

// toldError was logged already.
type toldError struct{ error }

// told logs why a node does not serve, in the set format. A setting that cannot be used
// may be the format's own: that stays a line for people. What a later version has stored is no setting,
// though it is refused as one: no second start helps.
func told(s *Stores, what string, err error) error {
	if errors.Is(err, broker.ErrShape) {
		newLog(s).Error(what, "error", err)
	}
	var bad settingsError
	if err == nil || errors.As(err, &bad) {
		return err
	}
	newLog(s).Error(what, "error", err)
	return toldError{err}
}
