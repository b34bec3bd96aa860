package people

import "golang.org/x/time/rate"

// How fast a participant may command at one node, whatever the commands are:
// docs/limits.md. Far above what any client needs; it is for those who would keep
// the node from serving others.
const (
	CommandRate  = 1000 // a second, over its connections
	CommandBurst = 2000
)

// NewPace is for one participant: whoever floods a node on however many connections
// waits for it before each command.
func NewPace() *rate.Limiter { return rate.NewLimiter(CommandRate, CommandBurst) }
