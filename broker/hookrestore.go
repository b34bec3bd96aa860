package broker

import (
	"context"
	"time"

	"bellhop/archive"
	"bellhop/broker/chat"
	"bellhop/broker/internal/store"
)

// owed brings ended sessions back whose events have not all been told, where
// there is a hook: those created within twice the time that an event is tried for.
func (r *restore) owed(ctx context.Context) error {
	h := r.b.hooks
	if h == nil {
		return nil
	}
	q := archive.SessionQuery{States: []string{string(chat.Ended)}, Since: time.Now().Add(-2 * h.life).UnixMilli(), Limit: 200}
	for {
		page, err := r.b.opt.Archive.Sessions(ctx, q)
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
			if err == nil && fields["hooked"] != "" && fields.Num("hooked") < stepsOfMessage*doc.Seq {
				owed = append(owed, doc)
			}
		}
		if err := r.page(ctx, owed); err != nil {
			return err
		}
	}
}
