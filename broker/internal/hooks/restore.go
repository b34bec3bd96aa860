package hooks

import (
	"context"
	"time"

	"bellhop/archive"
	"bellhop/broker/chat"
	"bellhop/broker/internal/store"
)

// Restore has ended sessions brought back whose events have not all been told, where
// there is a hook: those created within twice the time that an event is tried for.
// bring is called with a page of them at a time.
func (h *Teller) Restore(ctx context.Context, a archive.Archive, bring func(ctx context.Context, page []archive.Session) error) error {
	if h.hook == nil {
		return nil
	}
	q := archive.SessionQuery{States: []string{string(chat.Ended)}, Since: time.Now().Add(-2 * h.life).UnixMilli(), Limit: 200}
	for {
		page, err := a.Sessions(ctx, q)
		if err != nil {
			return store.ArchiveError("sessions", err)
		}
		if len(page) == 0 {
			return nil
		}
		last := page[len(page)-1]
		q.Before = &archive.SessionPlace{Created: last.Created, ID: last.ID}
		owed := page[:0]
		for _, doc := range page {
			_, fields, err := chat.ParseSnapshot(doc.ID, doc.Snapshot)
			if err == nil && fields["hooked"] != "" && fields.Num("hooked") < steps*doc.Seq {
				owed = append(owed, doc)
			}
		}
		if err := bring(ctx, owed); err != nil {
			return err
		}
	}
}
