package faults

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"syscall"
	"time"

	"bellhop/internal/testenv"
)

// What a crash or a failover may lose is bounded by these, generously: what was acknowledged within
// them before it may be gone. docs/operations.md names the true times, on a machine that is not slow.
const (
	fsyncLoss       = 5 * time.Second
	replicationLoss = 10 * time.Second
)

// inflict carries out a schedule, each track by itself, until the context ends; then everything is
// mended. What cannot be inflicted is told, and the next one comes.
func (d *deployment) inflict(ctx context.Context, schedule []Fault, rec *record) {
	began := time.Now()
	byTrack := map[string][]Fault{}
	for _, f := range schedule {
		byTrack[f.Track] = append(byTrack[f.Track], f)
	}
	var all sync.WaitGroup
	for _, faults := range byTrack {
		all.Go(func() {
			for _, f := range faults {
				if !sleep(ctx, f.At-time.Since(began)) {
					return
				}
				if d.lacks(f.Kind) {
					rec.counted("fault left out, for no disk can be mounted: " + f.Kind)
					continue
				}
				rec.note("", "fault begins: %s, node %d, for %v%s", f.Kind, f.Target, f.Lasts.Round(time.Millisecond), f.by())
				err := d.h.guard(func() { d.break1(ctx, f) })
				rec.note("", "fault is over: %s (%v)", f.Kind, errOr(err, "mended"))
				rec.counted("fault: " + f.Kind)
				if err != nil {
					rec.counted("fault not carried out to its end")
				}
			}
		})
	}
	all.Wait()
}

func errOr(err error, otherwise string) string {
	if err != nil {
		return err.Error()
	}
	return otherwise
}

// sleep waits; false when the context has ended.
func sleep(ctx context.Context, d time.Duration) bool {
	if ctx.Err() != nil {
		return false
	}
	select {
	case <-ctx.Done():
		return false
	case <-time.After(max(0, d)):
		return true
	}
}

// break1 breaks one thing and mends it.
func (d *deployment) break1(ctx context.Context, f Fault) {
	n := d.nodes[f.Target%len(d.nodes)]
	switch f.Track {
	case "node":
		d.breakNode(ctx, n, f)
	case "way":
		d.breakWay(ctx, n, f)
	case "certificates":
		d.renew(ctx, f)
	case "archive":
		if f.Kind == dataFull {
			d.full(ctx, d.dataDisk, f)
			return
		}
		unlock, err := d.lockArchive(ctx)
		if err != nil {
			d.h.Fatalf("archive: %v", err)
		}
		sleep(ctx, f.Lasts)
		unlock()
	default:
		d.breakRedis(ctx, f)
	}
}

func (d *deployment) breakNode(ctx context.Context, n *node, f Fault) {
	switch f.Kind {
	case nodeAhead, nodeBehind:
		d.jumpNode(ctx, n, f)
		return
	case nodeStopped:
		n.signal(syscall.SIGSTOP)
		sleep(ctx, f.Lasts)
		n.signal(syscall.SIGCONT)
		return
	case nodeRestarted:
		n.end(syscall.SIGTERM, d.limit(10*time.Second))
	default:
		n.end(syscall.SIGKILL, d.limit(10*time.Second))
	}
	sleep(ctx, f.Lasts)
	if err := eventually(context.WithoutCancel(ctx), d.limit(40*time.Second), func() error { return n.ready(context.WithoutCancel(ctx)) }); err != nil {
		d.h.Fatalf("%s does not come back: %v\n%s", n.name, err, n.logTail())
	}
}

func (d *deployment) breakWay(ctx context.Context, n *node, f Fault) {
	switch f.Kind {
	case wayCut:
		n.way.Cut()
	case waySlow:
		n.way.Latency(time.Duration(5+rand.IntN(100)) * time.Millisecond)
	case wayHalfOpen:
		n.way.Freeze()
	}
	sleep(ctx, f.Lasts)
	n.way.Restore()
}

func (d *deployment) breakRedis(ctx context.Context, f Fault) {
	switch f.Kind {
	case redisStalled:
		s := d.some()
		s.Pause()
		sleep(ctx, f.Lasts)
		s.Resume()
	case hungUp:
		_ = d.some().Client().Do(ctx, "client", "kill", "type", "normal").Err()
		_ = d.some().Client().Do(ctx, "client", "kill", "type", "pubsub").Err()
	case redisKilled:
		if d.o.Fsync != fsyncAlways {
			now := time.Now()
			d.maybeLost(now.Add(-fsyncLoss), now.Add(time.Second))
		}
		d.redis.Kill()
		sleep(ctx, f.Lasts)
		d.redis.Restart()
	case redisFull:
		d.full(ctx, d.redisDisk, f)
		d.redisAgain(ctx)
	case redisAhead, redisBehind:
		d.jumpRedis(ctx, f)
	case slotMoved:
		d.cluster.WaitOK()
		if key := d.someKey(ctx); key != "" {
			d.cluster.MoveSlot(key, time.Millisecond)
		}
	case failedOver, askedOver, promotedOver:
		if d.sentinel != nil {
			d.overBySentinel(ctx, f)
		} else {
			d.overByCluster(ctx, f)
		}
	}
}

// some is one of the masters.
func (d *deployment) some() *testenv.RedisServer {
	all := d.servers()
	return all[rand.IntN(len(all))]
}

// someKey is a key that a cluster holds; "" for none.
func (d *deployment) someKey(ctx context.Context) string {
	for range 20 {
		if key := d.some().Client().RandomKey(ctx).Val(); key != "" {
			return key
		}
	}
	return ""
}

func (d *deployment) overBySentinel(ctx context.Context, f Fault) {
	d.sentinel.WaitOK()
	began := time.Now()
	defer func() { d.maybeLost(began.Add(-replicationLoss), time.Now()) }()
	switch f.Kind {
	case failedOver:
		old := d.sentinel.KillMaster()
		d.sentinel.WaitMaster(old)
		sleep(ctx, f.Lasts)
		old.Restart()
	case promotedOver:
		old := d.sentinel.Master()
		old.Pause()
		mended := time.AfterFunc(f.Lasts, old.Resume)
		defer mended.Stop()
		d.sentinel.WaitMaster(old)
		if mended.Stop() {
			old.Resume()
		}
	default:
		d.sentinel.Failover()
	}
	d.sentinel.WaitOK() // the old one takes writes until it follows
}

func (d *deployment) overByCluster(ctx context.Context, f Fault) {
	d.cluster.WaitOK()
	key := d.someKey(ctx)
	if f.Kind == askedOver { // it hands over, and loses nothing
		d.cluster.Failover(key)
		return
	}
	began := time.Now()
	defer func() { d.maybeLost(began.Add(-replicationLoss), time.Now()) }()
	old := d.cluster.KillMaster(key)
	d.cluster.WaitOK()
	sleep(ctx, f.Lasts)
	old.Restart()
	d.cluster.WaitOK()
}

// mend brings everything back, whatever broke.
func (d *deployment) mend(ctx context.Context) error {
	err := d.h.guard(func() {
		for _, n := range d.nodes {
			n.signal(syscall.SIGCONT)
			if n.way != nil {
				n.way.Restore()
			}
		}
		switch {
		case d.sentinel != nil:
			d.sentinel.WaitOK()
		case d.cluster != nil:
			d.cluster.WaitOK()
		}
		if d.mongo != nil && !d.mongo.Running() {
			d.mongo.Restart()
		}
	})
	if err != nil {
		return err
	}
	if err := d.whole(ctx); err != nil {
		return fmt.Errorf("nodes are not ready again: %w", err)
	}
	return nil
}
