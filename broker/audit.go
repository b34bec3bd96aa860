package broker

import (
	"context"

	"bellhop/broker/internal/audit"
	"bellhop/broker/internal/store"
)

// Violation is a broken promise that lasts.
type Violation = audit.Violation

// AuditOptions bound what an audit costs.
type AuditOptions = audit.Options

// Audit checks the promises on everything in Redis, and against the archive, while
// nodes go on working. It changes nothing unless it is to repair. The options are
// those of the nodes.
func Audit(ctx context.Context, o Options, a AuditOptions) ([]Violation, error) {
	b, err := open(ctx, o)
	if err != nil {
		return nil, err
	}
	defer func() { _ = b.store.Pipe.Close() }()
	if err := b.settings.Load(ctx); err != nil {
		return nil, err
	}
	found, err := b.audit(ctx, a)
	if err != nil || len(found) == 0 || !a.Repair {
		return found, err
	}
	if err := b.repair(ctx); err != nil {
		return found, err
	}
	return b.audit(ctx, a)
}

func (b *Broker) audit(ctx context.Context, o AuditOptions) ([]Violation, error) {
	return audit.Run(ctx, b.store, b.checks(o), o)
}

// checks are what the rooms say must hold.
func (b *Broker) checks(o AuditOptions) audit.Rooms {
	rooms := audit.Rooms{
		Session:   []func(p store.Partition, session string) []store.Check{b.sessions.SessionChecks, b.places.SessionChecks, b.waiting.SessionChecks},
		Partition: []func(p store.Partition) []store.Check{b.sessions.PartitionChecks, b.people.CrewChecks},
		Waiting:   b.waiting.ListedCheck,
		Held: func(p store.Partition, agent, session string) store.Check {
			return b.places.HeldCheck(p, agent, session, o.Lateness(), b.sessions.Look)
		},
		Capacity:     b.people.CapacityCheck,
		Registration: b.people.RegistrationCheck,
	}
	if b.archiver != nil {
		rooms.Session, rooms.Archive = append(rooms.Session, b.archiver.SessionChecks), b.archiver.OpenChecks
	}
	return rooms
}

// repair does by hand what nodes do when they see Redis fall back: connections are
// registered again (by the nodes), those of nodes that are not there are cleared,
// the archive and agents' places are compared. Who names which queue is found out anew.
func (b *Broker) repair(ctx context.Context) error {
	if err := b.people.Recount(ctx); err != nil {
		return err
	}
	for _, p := range b.store.Parts {
		if err := b.people.ClearStrangers(ctx, p); err != nil {
			return err
		}
		if _, err := b.store.Run(ctx, "renew", []string{p.Epoch(), p.Timers()}, "", 0); err != nil {
			return err
		}
		if err := b.mend(ctx, p, "by hand"); err != nil {
			return err
		}
	}
	return nil
}
