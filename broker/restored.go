package broker

import (
	"bellhop/broker/chat"
	"context"
)

// revive brings an ended session that has left Redis back.
func (b *Broker) revive(ctx context.Context, session string) error {
	st, doc, err := b.sessions.FromShelf(ctx, session)
	if err != nil {
		return err
	}
	if st.State != chat.Ended {
		return chat.Errorf(chat.CodeNotFound, "no such session") // lost with its Redis: restore has not been run
	}
	r, fresh, err := b.archiver.RestoreSession(ctx, doc, nil)
	if err != nil || !fresh {
		return err
	}
	return b.archiver.RestorePlaces(ctx, r)
}
