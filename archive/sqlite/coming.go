package sqlite

import (
	"context"
	"slices"

	"bellhop/archive"
)

// together joins a session's messages of the table with those of the inbox, in
// the order of their seqs.
func together(table, inbox []archive.Message) []archive.Message {
	if len(inbox) == 0 {
		return table
	}
	places := make(map[string]int, len(table)+len(inbox))
	for i := range table {
		places[table[i].Mid] = i
	}
	for i := range inbox {
		m := &inbox[i]
		if place, there := places[m.Mid]; there {
			change(&table[place], m)
			continue
		}
		places[m.Mid] = len(table)
		table = append(table, *m)
	}
	slices.SortStableFunc(table, func(a, b archive.Message) int { return int(min(max(a.Seq-b.Seq, -1), 1)) })
	return table
}

// change makes a message what it is once a later one of the same mid has come.
func change(m, later *archive.Message) {
	if later.Recalled {
		m.Recalled, m.Body = true, ""
	}
	m.Superseded = m.Superseded || later.Superseded
}

// coming is what the inbox has for a search.
type coming struct {
	found   []archive.Message          // that the table has not, the newest first; enough for a page
	changes map[string]archive.Message // by mid, of what the table may have
}

// change makes a message of the table what the inbox says of it, and tells
// whether it may still be found.
func (c *coming) change(m *archive.Message) bool {
	if by, changed := c.changes[m.Mid]; changed {
		change(m, &by)
	}
	return !m.Recalled
}

// coming reads the inbox through. There may be much in it, so what cannot be
// found is left where it is.
func (v view) coming(ctx context.Context, q archive.SearchQuery) (c coming, err error) {
	rows, err := v.tx.QueryContext(ctx, "SELECT id, session, user, queue, data FROM inbox ORDER BY id")
	if err != nil {
		return c, err
	}
	seen := map[string]bool{}
	err = eachPack(rows, func(_ int64, r *pack) error {
		return r.unpack(func(m *archive.Message) {
			if m.Recalled || m.Superseded {
				if c.changes == nil {
					c.changes = map[string]archive.Message{}
				}
				now := *m
				if was, there := c.changes[m.Mid]; there {
					change(&now, &was)
				}
				c.changes[m.Mid] = now
			}
			if !seen[m.Mid] && asked(q, m) {
				c.found = append(c.found, *m)
			}
			seen[m.Mid] = true
		})
	})
	if err != nil {
		return c, err
	}
	slices.SortFunc(c.found, func(a, b archive.Message) int { return older(b, a) })
	return c, v.keepFound(ctx, q, &c)
}

// keepFound keeps a page of what was found that the table has not and that the
// agents of a query took part in.
func (v view) keepFound(ctx context.Context, q archive.SearchQuery, c *coming) error {
	kept := c.found[:0]
	for _, m := range c.found {
		if len(kept) == q.Limit {
			break
		}
		if !c.change(&m) {
			continue
		}
		var query clause
		query.add("SELECT NOT EXISTS (SELECT 1 FROM messages WHERE mid = ?)", m.Mid)
		for _, a := range q.Agents {
			query.add(" AND EXISTS (SELECT 1 FROM agents WHERE session = ? AND agent = ?)", m.Session, a)
		}
		var is bool
		if err := v.tx.QueryRowContext(ctx, query.sql.String(), query.args...).Scan(&is); err != nil {
			return err
		}
		if is {
			kept = append(kept, m)
		}
	}
	c.found = kept
	return nil
}

// asked tells whether a query asks for a message of the inbox, but for its agents.
func asked(q archive.SearchQuery, m *archive.Message) bool {
	switch {
	case q.User != "" && m.User != q.User, q.Queue != "" && m.Queue != q.Queue, q.NoNotes && m.Type == "note",
		m.At < q.Since, q.Until != 0 && m.At >= q.Until,
		q.Before != nil && older(*m, archive.Message{At: q.Before.At, Mid: q.Before.Mid}) >= 0:
		return false
	}
	return archive.Holds(archive.Fold(m.Text()), q.Words)
}
