package broker

import (
	"bellhop/broker/chat"

	"context"

	"bellhop/broker/internal/archiving"
	"bellhop/broker/internal/places"
	"bellhop/broker/internal/store"
)

// ErrArchive says that this Redis is archived somewhere else.
var ErrArchive = archiving.ErrArchive

// Lag measures how far the archive is behind, at most every two seconds.
func (b *Broker) Lag(ctx context.Context) (chat.Lag, error) {
	if b.archiver == nil {
		return chat.Lag{}, nil
	}
	return b.archiver.Lag(ctx)
}

// ArchiveStats tells what this node's archiver has done.
func (b *Broker) ArchiveStats() chat.ArchiveStats {
	if b.archiver == nil {
		return chat.ArchiveStats{}
	}
	return b.archiver.Stats()
}

// ArchiveReady tells whether the archive answers; nil where there is none.
func (b *Broker) ArchiveReady(ctx context.Context) error {
	if b.archiver == nil {
		return nil
	}
	return b.archiver.Ready(ctx)
}

// ArchiveReached tells whether the archive has answered since this node started,
// or there is none: then chat goes on without it until Redis is full.
func (b *Broker) ArchiveReached() bool { return b.archiver == nil || b.archiver.Reached() }

// ScriptsRun is how many scripts this node has run since it started.
func (b *Broker) ScriptsRun() int64 { return b.store.Calls.Load() }

// archiverNeeds is what the archiver needs of the broker.
type archiverNeeds struct{ b *Broker }

func (n archiverNeeds) Settle(ctx context.Context, p store.Partition, effects []string) {
	n.b.places.CarryOut(ctx, p, effects)
}

func (n archiverNeeds) Waits(p store.Partition) (works, waits bool) {
	return n.b.works(p), n.b.pulses[p.Index].dirty.Load()
}

func (n archiverNeeds) ReadLog(ctx context.Context, session string, from, to int64) ([]chat.Entry, error) {
	return n.b.sessions.ReadLog(ctx, session, from, to)
}

func (n archiverNeeds) BroughtBack(ctx context.Context, back *archiving.Revived) error {
	return n.b.broughtBack(&places.Rectified{})(ctx, back)
}
