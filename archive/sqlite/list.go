package sqlite

import (
	"context"
	"slices"
	"strings"

	"bellhop/archive"
)

// clause is a part of a statement with its arguments.
type clause struct {
	sql  strings.Builder
	args []any
}

func (c *clause) add(sql string, args ...any) {
	c.sql.WriteString(sql)
	c.args = append(c.args, args...)
}

// Sessions implements archive.Archive.
func (s *Store) Sessions(ctx context.Context, q archive.SessionQuery) ([]archive.Session, error) {
	var c clause
	c.add("WITH page AS (")
	// Of each state a page, from that state's index, and the first of them all.
	for i, state := range statesOf(q) {
		if i > 0 {
			c.add(" UNION ALL ")
		}
		c.add("SELECT * FROM (")
		created, id := sessionsOf(&c, q, state, "SELECT s.id, s.created")
		if q.Before != nil {
			c.add(" AND ("+created+", "+id+") < (?, ?)", q.Before.Created, q.Before.ID)
		}
		c.add(" ORDER BY "+created+" DESC, "+id+" DESC LIMIT ?)", q.Limit)
	}
	c.add(" ORDER BY created DESC, id DESC LIMIT ?) SELECT "+sessionColumns+
		" FROM page JOIN sessions s USING (id) ORDER BY page.created DESC, page.id DESC", q.Limit)
	rows, err := s.reader.QueryContext(ctx, c.sql.String(), c.args...)
	if err != nil {
		return nil, wrap("sessions", err)
	}
	defer rows.Close()
	var out []archive.Session
	for rows.Next() {
		x, err := scanSession(rows.Scan)
		if err != nil {
			return nil, wrap("sessions", err)
		}
		out = append(out, x)
	}
	return out, wrap("sessions", rows.Err())
}

// CountSessions implements archive.Archive.
func (s *Store) CountSessions(ctx context.Context, q archive.SessionQuery) (int64, error) {
	var c clause
	c.add("SELECT sum(n) FROM (")
	for i, state := range statesOf(q) {
		if i > 0 {
			c.add(" UNION ALL ")
		}
		sessionsOf(&c, q, state, "SELECT count(*) AS n")
	}
	c.add(")")
	var n int64
	err := s.reader.QueryRowContext(ctx, c.sql.String(), c.args...).Scan(&n)
	return n, wrap("count sessions", err)
}

// statesOf gives a query's states, each once, or "" for any.
func statesOf(q archive.SessionQuery) []string {
	if len(q.States) == 0 {
		return []string{""}
	}
	states := slices.Clone(q.States)
	slices.Sort(states)
	return slices.Compact(states)
}

// sessionsOf adds a query's sessions of one state, and gives the names of the
// columns of their order. It walks the index of what is likely to leave the
// fewest: a + keeps the others' from being used.
func sessionsOf(c *clause, q archive.SessionQuery, state, columns string) (created, id string) {
	created, id = "s.created", "s.id"
	walked := false
	is := func(column, value string) {
		if value == "" {
			return
		}
		if walked {
			column = "+" + column
		}
		walked = true
		c.add(" AND "+column+" = ?", value)
	}
	c.add(columns)
	switch {
	case q.Label != "" && q.User == "" && q.Agent == "":
		created, id, walked = "l.created", "l.session", true
		c.add(" FROM labels l CROSS JOIN sessions s ON s.id = l.session WHERE l.label = ?", q.Label)
	case q.Agent == "":
		c.add(" FROM sessions s WHERE true")
	case q.User == "":
		created, id, walked = "a.created", "a.session", true
		c.add(" FROM agents a CROSS JOIN sessions s ON s.id = a.session WHERE a.created IS NOT NULL AND a.agent = ?", q.Agent)
	default:
		c.add(` FROM sessions s WHERE EXISTS (SELECT 1 FROM agents a
			WHERE a.session = s.id AND a.agent = ? AND a.created IS NOT NULL)`, q.Agent)
	}
	if q.Label != "" && created != "l.created" {
		c.add(" AND EXISTS (SELECT 1 FROM labels l WHERE l.session = s.id AND l.label = ?)", q.Label)
	}
	is("s.user", q.User)
	is("s.queue", q.Queue)
	is("s.state", state)
	if q.Since != 0 {
		c.add(" AND "+created+" >= ?", q.Since)
	}
	if q.Until != 0 {
		c.add(" AND "+created+" < ?", q.Until)
	}
	return created, id
}
