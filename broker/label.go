package broker

import (
	"context"
	"errors"
	"slices"

	"bellhop/broker/chat"
	"bellhop/broker/internal/store"
)

// MaxLabels is how many labels a session has at most, each of MaxID bytes.
const MaxLabels = 20

// LabelRequest changes the labels of a session.
type LabelRequest struct {
	Session string
	Add     []string
	Remove  []string
}

// Label adds and removes labels: staff's words on a session, by which it is
// found. Its agents may while they take part, and after its end all who ever
// did; supervisors and host applications always may. Users never see labels.
// A session that has moved to the archive comes back from there for an hour.
// CodeTooLarge: more than MaxLabels.
func (b *Broker) Label(ctx context.Context, a chat.Actor, r LabelRequest) (chat.Session, error) {
	if err := chat.Allow(a, chat.ActLabel); err != nil {
		return chat.Session{}, err
	}
	if err := r.normalize(); err != nil {
		return chat.Session{}, err
	}
	args := labelArgs{caller: calledBy(a, chat.ActLabel, r.Session), Add: r.Add, Remove: r.Remove, Max: MaxLabels}
	s, err := b.label(ctx, a, args)
	if !errors.Is(err, &chat.Error{Code: chat.CodeEnded}) {
		return s, err
	}
	// The script does not answer so: the session has moved to the archive, and the actor may read it there.
	if err := b.revive(ctx, r.Session); err != nil {
		return chat.Session{}, err
	}
	return b.label(ctx, a, args)
}

// labelArgs is what label.lua is told.
type labelArgs struct {
	caller
	Queue  string   `json:"queue"`
	Add    []string `json:"add,omitempty"`
	Remove []string `json:"remove,omitempty"`
	Max    int      `json:"max"`
}

func (b *Broker) label(ctx context.Context, a chat.Actor, args labelArgs) (chat.Session, error) {
	return b.relocate(ctx, a, chat.ActLabel, args.Session, func(p store.Partition, queue, _ string) (store.Reply, error) {
		args.Queue = queue
		return b.store.RunJSON(ctx, "label", p.Transition(args.Session, p.Waiting(queue), p.Labelled()), args)
	})
}

func (r *LabelRequest) normalize() error {
	if len(r.Add)+len(r.Remove) == 0 {
		return chat.Errorf(chat.CodeBadRequest, "add, remove: at least one label")
	}
	for name, list := range map[string]*[]string{"add": &r.Add, "remove": &r.Remove} {
		if len(*list) > MaxLabels {
			return chat.Errorf(chat.CodeTooLarge, "%s: at most %d labels", name, MaxLabels)
		}
		for _, label := range *list {
			if err := chat.ValidID(name, label); err != nil {
				return err
			}
		}
		*list = slices.Compact(slices.Sorted(slices.Values(*list)))
	}
	for _, label := range r.Add {
		if slices.Contains(r.Remove, label) {
			return chat.Errorf(chat.CodeBadRequest, "add, remove: %q is in both", label)
		}
	}
	return nil
}
