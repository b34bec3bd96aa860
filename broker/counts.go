package broker

import (
	"context"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"bellhop/broker/chat"
)

// tally is what the façade counts: all else the rooms do.
type tally struct{ sends, acknowledged, repeated atomic.Int64 }

// Counts are what went through one node since it started.
type Counts struct {
	Sends           int64 // messages that somebody asked it to send
	Acknowledged    int64 // of those
	Repeated        int64 // of those acknowledged, that were sent before
	Deliveries      int64 // messages given to connections
	Gaps            int64 // times that messages were not heard and were read from the log
	Filled          int64 // messages so read
	SubscribersLost int64 // connections that listened to Redis and ended by themselves
	Partitions      int   // that it looks after now
}

// Counts tells what went through this node.
func (b *Broker) Counts() Counts {
	c := Counts{Sends: b.tally.sends.Load(), Acknowledged: b.tally.acknowledged.Load(), Repeated: b.tally.repeated.Load(),
		Deliveries: b.hub.Delivered(), SubscribersLost: b.store.SubscribersLost()}
	c.Gaps, c.Filled = b.hub.Gaps()
	for _, p := range b.store.Parts {
		if b.works(p) {
			c.Partitions++
		}
	}
	return c
}

// Meters are what is measured of Redis, for Prometheus.
func (b *Broker) Meters() []prometheus.Collector { return b.store.Meters() }

// Census counts the deployment's sessions by state, at most every two seconds.
func (b *Broker) Census(ctx context.Context) (chat.Census, error) { return b.sessions.Census(ctx) }

// Emptied tells whether Redis has lost everything: nothing is served until it has its data again.
func (b *Broker) Emptied() bool { return b.store.Emptied.Load() }
