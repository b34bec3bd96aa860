package store

import (
	"context"
	"net"
	"time"

	"github.com/redis/go-redis/v9"

	"bellhop/scripts"
)

// While a slot moves from one master of a cluster to another key by key, a script of
// which some keys are here and some there, or nowhere yet, is answered with TRYAGAIN
// by both, until the slot has moved. That is the rule for a partition's slot: few scripts
// name only keys that exist. So they wait. Worse, a script that runs where the slot was
// may not look again at a key that it has just emptied: Redis takes it for one that has
// moved, and ends the script in the middle. All scripts may run twice, and do what is
// left the second time; until then the session is as the first left it.
const (
	movePatience = 20 * time.Second       // of who has set no other
	loopPatience = 300 * time.Millisecond // of what a loop does again soon
	firstPause   = 10 * time.Millisecond
	longestPause = 500 * time.Millisecond
)

// recurring are the scripts of loops that go through all partitions: those that do not
// move must not wait long for one that does.
var recurring = map[string]bool{"take": true, "collect": true, "hooked": true, "hold": true, "roll": true, "seal": true}

// inTransit tells whether a command was not carried out, or not to its end, because its slot is on its way. The
// client library follows redirections, but not always in a batch whose first command
// is answered with TRYAGAIN: it sends all of it again, to where it was.
func inTransit(err error) bool {
	if err == nil {
		return false
	}
	_, moved := redis.IsMovedError(err)
	_, ask := redis.IsAskError(err)
	return moved || ask || redis.IsTryAgainError(err) || redis.HasErrorPrefix(err, "Script attempted to access a non local key") // of which it leaves out ERR
}

// eval carries a script out, and measures that; what it did is where it is to be, when eval returns.
func (s *Store) eval(ctx context.Context, script *scripts.Script, keys []string, args []any) (any, error) {
	began := time.Now()
	v, err := s.insist(ctx, script, keys, args)
	if err == nil && s.replicas > 0 && acknowledged[script.Name] {
		tag, _, _ := Tagged(keys[0])
		err = s.replicated(ctx, s.byTag[tag])
	}
	s.meter.took[script.Name].Observe(time.Since(began).Seconds())
	s.meter.fail(err)
	return v, err
}

// insist runs a script until it has been carried out, or its caller's patience ends. The
// pauses grow, and are not the same for all who wait.
func (s *Store) insist(ctx context.Context, script *scripts.Script, keys []string, args []any) (any, error) {
	v, err := script.Run(ctx, s.Pipe, keys, args...).Result()
	if !inTransit(err) {
		return v, err
	}
	patience := movePatience
	if recurring[script.Name] {
		patience = loopPatience
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for pause := firstPause; inTransit(err) && Sleep(ctx, Jitter(pause)); pause = min(2*pause, longestPause) {
		v, err = script.Run(ctx, s.Pipe, keys, args...).Result()
	}
	return v, err
}

// redirects is a hook of a cluster's client. It carries out one by one, with all that the
// library knows of redirections, what came back from a batch with one.
type redirects struct{ cluster *redis.ClusterClient }

// DialHook changes nothing.
func (redirects) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

// ProcessHook changes nothing.
func (redirects) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }

// ProcessPipelineHook looks at what became of each command. Scripts wait by themselves,
// each for its own caller; a transaction is the library's to repeat.
func (r redirects) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		err := next(ctx, cmds)
		if err == nil || len(cmds) > 0 && cmds[0].Name() == "multi" {
			return err
		}
		var first error
		for _, cmd := range cmds {
			if name := cmd.Name(); inTransit(cmd.Err()) && name != "evalsha" && name != "eval" {
				_ = r.cluster.Process(ctx, cmd) // its error is the command's
			}
			if first == nil {
				first = cmd.Err()
			}
		}
		return first
	}
}
