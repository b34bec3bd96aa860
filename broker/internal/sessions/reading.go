package sessions

import (
	"context"

	"bellhop/broker/chat"
	"bellhop/broker/internal/store"
)

// TookPart tells whether an agent takes part in a session, or did. An earlier version kept of those
// who had left only that they had written, as everybody has who declined an offer with a reason:
// of them the log tells, which has every coming and going.
func (rd *Reader) TookPart(ctx context.Context, st *chat.Snapshot, w string) (bool, error) {
	if !st.Unsure[w] {
		return st.Took[w], nil
	}
	agent, took := chat.IDOf(w), false
	for from := int64(1); from <= st.Seq && !took; from += logPage {
		page, err := rd.ReadLog(ctx, st.ID, from, min(st.Seq, from+logPage-1))
		if err != nil {
			return false, err
		}
		for i := range page {
			took = took || page[i].CameOrWent(agent)
		}
	}
	kept := "0"
	if took {
		kept = "1"
	}
	p, _ := rd.store.Of(st.ID)
	if _, err := rd.store.Run(ctx, "enrol", []string{p.Session(st.ID)}, agent, kept); err != nil {
		rd.store.Log.Warn("who took part is not kept; the log tells again", "session", st.ID, "error", err)
	}
	return took, nil
}

// logPage is how many entries are read at a time.
const logPage = 500

// Enrolled tells whether an agent whom a script refused may ask again: it took part before an
// earlier version, which did not keep that, was replaced, and now that is kept.
func (rd *Reader) Enrolled(ctx context.Context, a chat.Actor, session string, r store.Reply) (bool, error) {
	if r.Str(0) != string(chat.CodeForbidden) || !a.Role.Staff() {
		return false, nil
	}
	p, _ := rd.store.Of(session)
	w := chat.Who(a.Role, a.ID)
	f, err := rd.store.Pipe.HMGet(ctx, p.Session(session), "c:"+w, "m:"+w).Result()
	if err != nil {
		return false, store.RedisError("session", err)
	}
	if f[0] == nil || f[1] != nil {
		return false, nil
	}
	st, err := rd.LookLive(ctx, session)
	if err != nil || st == nil {
		return false, err
	}
	return rd.TookPart(ctx, st, w)
}
