package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"bellhop/broker/chat"
	"bellhop/scripts"
)

// Reply is what a script answered: a code, then details.
type Reply []any

// Str is the text at a place; "" where there is none.
func (r Reply) Str(i int) string {
	if i >= len(r) {
		return ""
	}
	switch v := r[i].(type) {
	case string:
		return v
	case int64:
		return strconv.FormatInt(v, 10)
	default:
		return ""
	}
}

// List is an array within a reply, nil where there is none.
func (r Reply) List(i int) []any {
	if i >= len(r) {
		return nil
	}
	list, _ := r[i].([]any)
	return list
}

// Num is the number at a place; 0 where there is none.
func (r Reply) Num(i int) int64 {
	if i >= len(r) {
		return 0
	}
	switch v := r[i].(type) {
	case int64:
		return v
	case string:
		n, _ := strconv.ParseInt(v, 10, 64)
		return n
	default:
		return 0
	}
}

// Strs is the list of texts at a place; nil where there is none.
func (r Reply) Strs(i int) []string {
	list := r.List(i)
	if list == nil {
		return nil
	}
	out := make([]string, 0, len(list))
	for _, v := range list {
		if s, ok := v.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

// Run carries out a script. Concurrent callers share one write to Redis. The
// error is what became of Redis, never what the script decided: that is in the reply.
func (s *Store) Run(ctx context.Context, script string, keys []string, args ...any) (Reply, error) {
	s.Calls.Add(1)
	if s.Emptied.Load() && script != "take" && script != "renew" && script != "beat" {
		return nil, ErrEmptied
	}
	run, err := s.script(script, len(keys))
	if err != nil {
		return nil, err
	}
	if len(keys) > 0 && strings.HasPrefix(keys[0], lost.prefix) {
		return nil, errLost
	}
	if run.Hooks && s.told != nil {
		tag, _, _ := Tagged(keys[0])
		p := s.byTag[tag]
		keys = append(slices.Clip(keys), p.Hooks())
		defer s.told(p)
	}
	span := s.traced(ctx, script, keys)
	defer span.End()
	if span.Sampled() && run.Traced {
		args = withTrace(args, span)
	}
	v, err := s.eval(ctx, run, keys, args)
	if err != nil {
		s.lookAgain(ctx, err)
		return nil, failed(span, RedisError(script, err))
	}
	switch v := v.(type) {
	case []any:
		return v, nil
	default:
		return Reply{v}, nil
	}
}

// lookAgain has a cluster's client find out who owns what, where a server did not answer.
func (s *Store) lookAgain(ctx context.Context, err error) {
	var answer redis.Error
	if c, ok := s.Redis.(*redis.ClusterClient); ok && !errors.As(err, &answer) && ctx.Err() == nil {
		c.ReloadState(ctx)
	}
}

// RunJSON is run with one JSON argument before the others.
func (s *Store) RunJSON(ctx context.Context, script string, keys []string, arg any, more ...any) (Reply, error) {
	data, err := json.Marshal(arg)
	if err != nil {
		return nil, fmt.Errorf("script %s: %w", script, err)
	}
	return s.Run(ctx, script, keys, append([]any{string(data)}, more...)...)
}

// IsNil tells that there is no such key, or field.
func IsNil(err error) bool { return errors.Is(err, redis.Nil) }

// IsUnavailable tells whether an error says that Redis did not answer.
func IsUnavailable(err error) bool { return errors.Is(err, &chat.Error{Code: chat.CodeUnavailable}) }

// RedisError is the one place where what Redis or the way to it answered
// becomes an error of ours.
func RedisError(what string, err error) error {
	var answer redis.Error
	switch {
	case err == nil:
		return nil
	case redis.IsOOMError(err):
		return &chat.Error{Code: chat.CodeOverloaded, Message: "no room for more right now; nothing was stored", Err: err}
	case errors.As(err, &answer) && !passing(err):
		return fmt.Errorf("%s: %w", what, err)
	default:
		return &chat.Error{Code: chat.CodeUnavailable, Message: "the store does not answer; send again with the same key",
			Err: fmt.Errorf("%s: %w", what, err)}
	}
}

// ArchiveError is the same for the archive.
func ArchiveError(what string, err error) error {
	if err == nil {
		return nil
	}
	return &chat.Error{Code: chat.CodeUnavailable, Message: "the archive does not answer; try again", Err: fmt.Errorf("archive: %s: %w", what, err)}
}

// passing tells whether an answer of Redis's says that it will be well again by itself.
func passing(err error) bool {
	return inTransit(err) || redis.IsLoadingError(err) || redis.IsReadOnlyError(err) || redis.IsClusterDownError(err) ||
		redis.IsMasterDownError(err) || redis.IsNoReplicasError(err) ||
		redis.IsMaxClientsError(err) || redis.HasErrorPrefix(err, "MISCONF")
}

// Refused turns a script's code into the broker's error; nil for 'ok'.
func Refused(r Reply) error {
	switch code := chat.Code(r.Str(0)); code {
	case "ok":
		return nil
	case chat.CodeNotFound:
		return chat.Errorf(code, "no such session")
	case chat.CodeForbidden:
		return chat.Errorf(code, "this is not yours to do")
	case chat.CodeTaken:
		return &chat.Error{Code: code, Message: "somebody else has it", By: r.Str(1)}
	case chat.CodeFull, "busy":
		code = chat.CodeFull
		return &chat.Error{Code: code, Message: "no room for more", Load: int(r.Num(1)), Capacity: int(r.Num(2))}
	case "crowded":
		return &chat.Error{Code: chat.CodeFull, Message: "too many queues that nobody has set or serves", Load: int(r.Num(1)), Capacity: int(r.Num(2))}
	case chat.CodeEnded:
		return chat.Errorf(code, "the session has ended")
	case chat.CodeWrongState:
		return &chat.Error{Code: code, Message: "not while the session is " + r.Str(1), State: chat.State(r.Str(1))}
	case "late":
		return ErrLate
	case "too_early":
		return ErrEarly
	case "rated":
		return chat.Errorf(chat.CodeTooLate, "it has been rated already")
	case chat.CodeTooLate:
		return chat.Errorf(code, "too late for that")
	case chat.CodeNoAgent:
		return chat.Errorf(code, "that agent is not online, or not of this queue")
	case chat.CodeBlocked:
		return chat.Errorf(code, "blocked by an administrator")
	case chat.CodeUnauthorized:
		return chat.Errorf(code, "the token was revoked")
	case chat.CodeRateLimited:
		return TooFast(r.Num(1))
	case chat.CodeBadRequest, chat.CodeTooLarge:
		return chat.Errorf(code, "%s", r.Str(1))
	default:
		return fmt.Errorf("script answered %q", code)
	}
}

// preload puts every script on every master, so that pipelines find them.
func (s *Store) preload(ctx context.Context) error {
	load := func(ctx context.Context, c *redis.Client) error {
		for name, s := range s.scripts {
			if err := s.Load(ctx, c).Err(); err != nil {
				return fmt.Errorf("loading script %s: %w", name, err)
			}
		}
		return nil
	}
	switch c := s.Redis.(type) {
	case *redis.ClusterClient:
		return c.ForEachMaster(ctx, load)
	case *redis.Client:
		return load(ctx, c)
	default:
		return errors.New("broker: Redis must be a *redis.Client or a *redis.ClusterClient")
	}
}

var (
	// ErrAgain says that a timer should be tried again in a second.
	ErrAgain = errors.New("not yet")
	// ErrEarly says that a timer's condition does not hold (any more).
	ErrEarly = errors.New("not due")
	// ErrLate says that the place that was reserved is too old.
	ErrLate = errors.New("the place is too old")
)

// TooFast is the refusal of who asks too often: it may try again after so many milliseconds.
func TooFast(wait int64) *chat.Error {
	return &chat.Error{Code: chat.CodeRateLimited, Message: "slow down", RetryMS: max(1, wait)}
}

// script is the one of that name, if it takes so many keys.
func (s *Store) script(name string, keys int) (*scripts.Script, error) {
	run := s.scripts[name]
	if run == nil {
		return nil, fmt.Errorf("script %s: there is none", name)
	}
	return run, run.Takes(keys)
}

// KeyNames are what a script calls its keys, in their order; the last is `hooks` where there are
// webhooks, which Run adds. One that ends in `...` stands for any number.
func (s *Store) KeyNames(script string) []string {
	run := s.scripts[script]
	if run == nil {
		return nil
	}
	return run.KeyNames()
}

// Hash is what Redis knows a script by.
func (s *Store) Hash(script string) string { return s.scripts[script].Hash() }

// Publish sends one event on a session's or queue's channel, from outside a script.
func (s *Store) Publish(ctx context.Context, channel, payload string) error {
	span := s.traced(ctx, "publish", []string{channel})
	defer span.End()
	var cmd *redis.IntCmd
	if s.Sharded {
		cmd = s.Pipe.SPublish(ctx, channel, payload)
	} else {
		cmd = s.Pipe.Publish(ctx, channel, payload)
	}
	s.meter.fail(cmd.Err())
	return failed(span, RedisError("publish", cmd.Err()))
}
