package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"math"
	"slices"

	"bellhop/archive"
)

// Before the full-text index is asked, so many of the newest messages are read
// through: where that index is slow, and of one user's messages, which are few.
const (
	readThrough       = 2_000
	readThroughOfUser = 10_000
)

// Search implements archive.Archive.
func (s *Store) Search(ctx context.Context, q archive.SearchQuery) ([]archive.Message, error) {
	text, slow := match(q.Words)
	if text == "" {
		return nil, errors.New("archive: search: no words")
	}
	tx, err := s.reader.BeginTx(ctx, &sql.TxOptions{ReadOnly: true}) // what moves meanwhile is in one place
	if err != nil {
		return nil, wrap("search", err)
	}
	defer func() { _ = tx.Rollback() }()
	v := view{tx, s}
	p := page{query: q}
	if p.coming, err = v.coming(ctx, q); err != nil {
		return nil, wrap("search", err)
	}
	if err := v.search(ctx, &p, text, slow); err != nil {
		return nil, wrap("search", err)
	}
	p.rest()
	return p.out, nil
}

// view is what a search sees: all at one instant.
type view struct {
	tx *sql.Tx
	s  *Store
}

// search fills a page with what the table has.
func (v view) search(ctx context.Context, p *page, text string, slow bool) (err error) {
	from, to := ids(p.query)
	rest := to
	if slow || p.query.User != "" {
		if rest, err = v.split(ctx, p.query.User, from, to); err != nil {
			return err
		}
		if err := v.collect(ctx, p, "", rest+1, to); err != nil {
			return err
		}
	}
	if p.full || rest < from {
		return nil
	}
	return v.collect(ctx, p, text, from, rest)
}

// ids gives the range of ids in which a query's messages are.
func ids(q archive.SearchQuery) (from, to int64) {
	from, to = slot(math.MinInt64), slotEnd(math.MaxInt64)
	if q.Since != 0 {
		from = slot(q.Since)
	}
	if q.Until != 0 {
		to = slotEnd(q.Until)
	}
	if q.Before != nil {
		to = min(to, slotEnd(q.Before.At))
	}
	return from, to
}

// split gives the id of the newest message within a range that is not read through.
func (v view) split(ctx context.Context, user string, from, to int64) (int64, error) {
	var c clause
	c.add("SELECT coalesce((SELECT id FROM messages m WHERE m.id BETWEEN ? AND ?", from, to)
	n := readThrough
	if user != "" {
		n = readThroughOfUser
		c.add(" AND m.user = ?", user)
	}
	c.add(" ORDER BY m.id DESC LIMIT 1 OFFSET ?), ?)", n, from-1)
	var id int64
	err := v.tx.QueryRowContext(ctx, c.sql.String(), c.args...).Scan(&id)
	return id, err
}

// collect adds the messages within a range to a page, newest first: all of
// them, or those that the full-text index has for a query.
func (v view) collect(ctx context.Context, p *page, text string, from, to int64) error {
	var c clause
	if text == "" {
		c.add("SELECT m.id, " + messageColumns + " FROM messages m WHERE true")
		c.narrow("m.id", p.query, from, to)
	} else {
		c.indexed("grams2", text, p.query, from, to)
		var left bool
		err := v.tx.StmtContext(ctx, v.s.stmts.unmoved).QueryRowContext(ctx).Scan(&left) //nolint:sqlclosecheck // goes with the transaction
		if err != nil {
			return err
		}
		if left {
			c.add(" UNION ALL ")
			c.indexed("grams", matchOld(p.query.Words, p.query.OldWords), p.query, from, to)
		}
	}
	c.add(" ORDER BY 1 DESC")
	rows, err := v.tx.QueryContext(ctx, c.sql.String(), c.args...)
	if err != nil {
		return err
	}
	return each(rows, p.add)
}

// indexed selects the messages that a table of the index has for a text.
func (c *clause) indexed(table, text string, q archive.SearchQuery, from, to int64) {
	c.add("SELECT g.rowid, "+messageColumns+" FROM "+table+" g CROSS JOIN messages m ON m.id = g.rowid WHERE g."+table+" MATCH ?", text)
	c.narrow("g.rowid", q, from, to)
}

// narrow adds the conditions of a query on other things than words.
func (c *clause) narrow(id string, q archive.SearchQuery, from, to int64) {
	c.add(" AND "+id+" BETWEEN ? AND ?", from, to)
	if q.User != "" {
		c.add(" AND m.user = ?", q.User)
	}
	if q.Queue != "" {
		c.add(" AND m.queue = ?", q.Queue)
	}
	if q.NoNotes {
		c.add(" AND m.type <> 'note'")
	}
	if q.Since != 0 {
		c.add(" AND m.at >= ?", q.Since)
	}
	if q.Until != 0 {
		c.add(" AND m.at < ?", q.Until)
	}
	for _, a := range q.Agents {
		c.add(" AND EXISTS (SELECT 1 FROM agents a WHERE a.session = m.session AND a.agent = ?)", a)
	}
}

// page is a page of a search on its way. Ids order messages by time, but not
// within a millisecond, so those of one are gathered before they count.
type page struct {
	query  archive.SearchQuery
	coming coming
	out    []archive.Message
	same   []archive.Message // of the millisecond it is at
	slot   int64
	full   bool
}

// add takes the table's next message and those of the inbox before it, and tells
// whether the page wants more.
func (p *page) add(id int64, m archive.Message) bool {
	for !p.full && len(p.coming.found) > 0 && slot(p.coming.found[0].At)>>slotBits >= id>>slotBits {
		p.take(slot(p.coming.found[0].At), p.coming.found[0])
		p.coming.found = p.coming.found[1:]
	}
	if p.coming.change(&m) {
		p.take(id, m)
	}
	return !p.full
}

// rest ends the page.
func (p *page) rest() {
	for _, m := range p.coming.found {
		if !p.full {
			p.take(slot(m.At), m)
		}
	}
	p.flush()
}

func (p *page) take(id int64, m archive.Message) {
	if at := id >> slotBits; at != p.slot {
		p.flush()
		p.slot = at
	}
	before := p.query.Before
	if !p.full && (before == nil || older(m, archive.Message{At: before.At, Mid: before.Mid}) < 0) &&
		archive.Holds(archive.Fold(m.Text()), p.query.Words) {
		p.same = append(p.same, m)
	}
}

// flush puts what was gathered on the page.
func (p *page) flush() {
	slices.SortFunc(p.same, func(a, b archive.Message) int { return older(b, a) })
	p.out = append(p.out, p.same[:min(len(p.same), p.query.Limit-len(p.out))]...)
	p.same = p.same[:0]
	p.full = len(p.out) >= p.query.Limit
}

func older(a, b archive.Message) int {
	return cmp.Or(cmp.Compare(a.At, b.At), cmp.Compare(a.Mid, b.Mid))
}
