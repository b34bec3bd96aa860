package sessions

import (
	"context"
	"strconv"

	"bellhop/broker/chat"
	"bellhop/broker/internal/store"
)

// ReadLog gives a session's entries from one seq to another, both inclusive,
// ascending. Recalled ones have no body.
func (rd *Reader) ReadLog(ctx context.Context, session string, from, to int64) ([]chat.Entry, error) {
	p, ok := rd.store.Of(session)
	if !ok {
		return nil, chat.Errorf(chat.CodeNotFound, "no such session")
	}
	if from < 1 {
		from = 1
	}
	out := make([]chat.Entry, 0, max(0, to-from+1))
	for ; from <= to; from += 500 {
		last := min(to, from+499)
		part, err := rd.readChunk(ctx, p, session, from, last)
		if err != nil {
			return nil, err
		}
		out = append(out, part...)
	}
	return out, nil
}

func (rd *Reader) readChunk(ctx context.Context, p store.Partition, session string, from, to int64) ([]chat.Entry, error) {
	found, err := rd.store.Pipe.XRange(ctx, p.Log(session), strconv.FormatInt(from, 10), strconv.FormatInt(to, 10)).Result()
	if err != nil {
		return nil, store.RedisError("log", err)
	}
	out := make([]chat.Entry, 0, to-from+1)
	var missing []string
	next := from
	for i := 0; next <= to; next++ {
		if i < len(found) && found[i].ID == strconv.FormatInt(next, 10)+"-0" {
			out = append(out, chat.ParseEntry(next, found[i].Values))
			i++
			continue
		}
		missing = append(missing, strconv.FormatInt(next, 10))
		out = append(out, chat.Entry{Seq: next})
	}
	if len(missing) == 0 {
		return out, nil
	}
	return rd.fillMissing(ctx, p, session, out, missing)
}

// fillMissing puts what the log does not have (any more) where it belongs: heads
// of recalled entries, and what has moved to the archive. What nobody has does
// not exist yet.
func (rd *Reader) fillMissing(ctx context.Context, p store.Partition, session string, out []chat.Entry, missing []string) ([]chat.Entry, error) {
	heads, err := rd.store.Pipe.HMGet(ctx, p.Recalled(session), missing...).Result()
	if err != nil {
		return nil, store.RedisError("recalled", err)
	}
	found := make(map[int64]chat.Entry, len(heads))
	first, last := int64(0), int64(0)
	for i, h := range heads {
		text, _ := h.(string)
		e, ok := chat.ParseRecalled(missing[i], text)
		if ok {
			found[e.Seq] = e
			continue
		}
		if last = e.Seq; first == 0 {
			first = e.Seq
		}
	}
	if first > 0 {
		if err := rd.Moved(ctx, session, first, last, found); err != nil {
			return nil, err
		}
	}
	kept := out[:0]
	for _, e := range out {
		if e.Head == "" {
			var ok bool
			if e, ok = found[e.Seq]; !ok {
				continue
			}
		}
		kept = append(kept, e)
	}
	return kept, nil
}

// Moved adds what the archive has of a range of seqs. Where a Redis that lost its
// newest entries gave a seq twice, the message that is not marked as superseded
// counts; until one is marked, the later.
func (rd *Reader) Moved(ctx context.Context, session string, from, to int64, found map[int64]chat.Entry) error {
	if rd.archive == nil {
		return nil
	}
	list, err := rd.archive.Messages(ctx, session, from, to)
	if err != nil {
		return store.ArchiveError("messages", err)
	}
	mids := make(map[int64]string, len(list))
	for i := range list {
		m := &list[i]
		if m.Superseded {
			continue
		}
		if _, recalled := found[m.Seq]; (!recalled || mids[m.Seq] != "") && m.Mid > mids[m.Seq] {
			found[m.Seq], mids[m.Seq] = store.FromArchive(m), m.Mid
		}
	}
	return nil
}

// History gives a page of the log. With After and its Mid, Reset tells that the
// log no longer agrees with what the caller holds, and the page is the first. known is the session
// as the caller's node knows it, or nil.
func (rd *Reader) History(ctx context.Context, a chat.Actor, r chat.HistoryRequest, known *chat.Snapshot) (chat.HistoryReply, error) {
	limit, err := chat.ListLimit(r.Limit)
	if err != nil {
		return chat.HistoryReply{}, err
	}
	if r.After >= 0 && r.Before >= 0 {
		return chat.HistoryReply{}, chat.Errorf(chat.CodeBadRequest, "after or before, not both")
	}
	st, err := rd.since(ctx, r.Session, known)
	if err == nil {
		err = rd.Judge(ctx, a, chat.ActHistory, st)
	}
	if err != nil {
		return chat.HistoryReply{}, err
	}
	reply := chat.HistoryReply{Messages: []chat.Message{}}
	w := chat.Who(a.Role, a.ID)
	sees := func(e chat.Entry) bool { return !e.Note || w[0] != 'u' || a.Host && a.ID == "" }
	var entries []chat.Entry
	agreed := false
	if r.After > 0 && r.Mid != "" { // one reading: whether the log has what the caller holds, and what follows
		held := func(e chat.Entry) bool {
			agreed = agreed || e.Seq == r.After && chat.MidOf(e.Head) == r.Mid
			return e.Seq == r.After
		}
		entries, err = rd.forward(ctx, r.Session, r.After, st.Seq, limit+1, func(e chat.Entry) bool { return !held(e) && sees(e) })
		if err != nil {
			return reply, err
		}
		if !agreed {
			reply.Reset, r.After = true, 0
		}
	}
	r.After = min(r.After, st.Seq) // the next is a seq, too
	switch {
	case agreed:
	case r.After >= 0:
		entries, err = rd.forward(ctx, r.Session, r.After+1, st.Seq, limit+1, sees)
	default:
		before := st.Seq + 1
		if r.Before >= 0 {
			before = min(r.Before, before)
		}
		entries, err = rd.backward(ctx, r.Session, before-1, limit+1, sees)
	}
	if err != nil {
		return reply, err
	}
	for i := range entries {
		entries[i] = chat.WithBase(rd.base, entries[i])
	}
	fit := fitting(entries, limit, r.Session, w, r.After >= 0)
	reply.More = len(fit) < len(entries)
	var heads chat.Heads
	for _, e := range fit {
		m, err := heads.Message(&e, r.Session, e.By == w)
		if err != nil {
			return reply, err
		}
		reply.Messages = append(reply.Messages, m)
	}
	return reply, nil
}

// fitting are as many of the entries, at most limit, as one reply holds: the
// first of them, or the last.
func fitting(entries []chat.Entry, limit int, session, reader string, first bool) []chat.Entry {
	room, n := chat.NewPage(), 0
	for ; n < min(limit, len(entries)); n++ {
		e := &entries[n]
		if !first {
			e = &entries[len(entries)-1-n]
		}
		if !room.Fits(e.Size(session, e.By == reader)) {
			break
		}
	}
	if first {
		return entries[:n]
	}
	return entries[len(entries)-n:]
}

// readAhead is how many entries are read at a time: more than that may be more than fit.
const readAhead = 64

// enough tells whether more was read than a reply holds.
func enough(entries []chat.Entry) bool {
	n := 0
	for i := range entries {
		n += len(entries[i].Body)
	}
	return n > chat.PageBytes
}

// forward collects up to n entries one may see, from a seq upwards, or enough.
func (rd *Reader) forward(ctx context.Context, session string, from, last int64, n int, sees func(chat.Entry) bool) ([]chat.Entry, error) {
	var out []chat.Entry
	for from <= last && len(out) < n && !enough(out) {
		to := min(last, from+int64(min(n-len(out), readAhead))-1)
		part, err := rd.ReadLog(ctx, session, from, to)
		if err != nil {
			return nil, err
		}
		for _, e := range part {
			if sees(e) {
				out = append(out, e)
			}
		}
		from = to + 1
	}
	return out, nil
}

// backward collects up to n entries one may see, from a seq downwards, ascending, or enough.
func (rd *Reader) backward(ctx context.Context, session string, to int64, n int, sees func(chat.Entry) bool) ([]chat.Entry, error) {
	var out []chat.Entry
	for to >= 1 && len(out) < n && !enough(out) {
		from := max(1, to-int64(min(n-len(out), readAhead))+1)
		part, err := rd.ReadLog(ctx, session, from, to)
		if err != nil {
			return nil, err
		}
		kept := part[:0:0]
		for _, e := range part {
			if sees(e) {
				kept = append(kept, e)
			}
		}
		out = append(kept, out...)
		to = from - 1
	}
	return out, nil
}
