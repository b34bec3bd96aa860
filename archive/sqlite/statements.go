package sqlite

import (
	"context"
	"database/sql"
	"fmt"
)

const (
	messageColumns = `m.mid, m.session, m.seq, m.at, m."by", m.sender, m.role, m.name, m.type, m.command, m.body, m."key",
		m.reply_to, m.recalled, m.user, m.queue, m.superseded`
	sessionColumns = `s.id, s.rev, s.seq, s.reads, s.state, s.queue, s.user, s.user_info, s.user_kind, s.agent,
		s.agent_info, s.target, s.agents, s.created, s.grabbed, s.ended, s.read, s.snapshot, s.labels`
)

// statements are those that run often, prepared once.
type statements struct {
	insertMessage, deleteMessage, recall, supersede, content, learn *sql.Stmt // the writer's
	insertGrams, deleteGrams, deleteOldGrams                        *sql.Stmt
	upsertSession, dateAgents, upsertAgent, upsertRecord            *sql.Stmt

	waiting, insertPack, firstPacks, keepPack, deletePacks *sql.Stmt // of the inbox

	messages, session, unmoved, packs *sql.Stmt // the readers'
}

func (s *statements) prepare(ctx context.Context, writer, reader *sql.DB) error {
	for _, p := range []struct {
		stmt **sql.Stmt
		db   *sql.DB
		sql  string
	}{
		// ?1 is the first number of the message's millisecond.
		{&s.insertMessage, writer, `INSERT INTO messages
			VALUES ((SELECT coalesce(max(id) + 1, ?1) FROM messages WHERE id BETWEEN ?1 AND ?1 | 0xfffff),
				?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)
			ON CONFLICT (mid) DO NOTHING`},
		{&s.deleteMessage, writer, `DELETE FROM messages WHERE id = ?`},
		{&s.recall, writer, `UPDATE messages SET recalled = 1, body = '' WHERE mid = ? AND NOT recalled RETURNING id`},
		{&s.supersede, writer, `UPDATE messages SET superseded = 1 WHERE mid = ?`},
		{&s.insertGrams, writer, `INSERT INTO grams2 (rowid, text) VALUES (?, ?)`},
		{&s.deleteGrams, writer, `DELETE FROM grams2 WHERE rowid = ?`},
		{&s.deleteOldGrams, writer, `DELETE FROM grams WHERE rowid = ?`},
		{&s.content, writer, `SELECT type, body FROM messages WHERE id = ?`},
		{&s.learn, writer, `INSERT INTO agents (session, agent) VALUES (?, ?) ON CONFLICT DO NOTHING`},

		{&s.upsertSession, writer, `INSERT INTO sessions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (id) DO UPDATE SET version = excluded.version, rev = excluded.rev, seq = excluded.seq,
				reads = excluded.reads, state = excluded.state, queue = excluded.queue, user = excluded.user,
				user_info = excluded.user_info, user_kind = excluded.user_kind, agent = excluded.agent,
				agent_info = excluded.agent_info, target = excluded.target, agents = excluded.agents,
				created = excluded.created, grabbed = excluded.grabbed, ended = excluded.ended,
				read = excluded.read, snapshot = excluded.snapshot, labels = excluded.labels
			WHERE excluded.version >= sessions.version`},
		{&s.dateAgents, writer, `UPDATE agents SET created = ?1 WHERE session = ?2 AND created <> ?1`},
		{&s.upsertAgent, writer, `INSERT INTO agents (created, session, agent) VALUES (?, ?, ?)
			ON CONFLICT (session, agent) DO UPDATE SET created = excluded.created WHERE agents.created IS NOT excluded.created`},
		{&s.upsertRecord, writer, `INSERT INTO records (kind, id, version, data, expires) VALUES (?, ?, ?, ?, ?)
			ON CONFLICT (kind, id) DO UPDATE SET version = excluded.version, data = excluded.data, expires = excluded.expires
			WHERE excluded.version >= records.version`},

		{&s.waiting, writer, `SELECT coalesce((SELECT max(id) FROM inbox)
			- (SELECT id - weight FROM inbox WHERE id > 0 ORDER BY id LIMIT 1), 0)`},
		{&s.insertPack, writer, `INSERT INTO inbox VALUES ((SELECT max(coalesce(max(id), 0), 0) FROM inbox) + ?1,
			?1, ?2, ?3, ?4, ?5, ?6, ?7)`},
		{&s.firstPacks, writer, `SELECT id, session, user, queue, data FROM inbox WHERE id > 0
			AND id < (SELECT id FROM inbox WHERE id > 0 ORDER BY id LIMIT 1) + ? ORDER BY id`},
		{&s.keepPack, writer, `UPDATE inbox SET id = (SELECT min(min(id), 0) FROM inbox) - 1 WHERE id = ?`},
		{&s.deletePacks, writer, `DELETE FROM inbox WHERE id BETWEEN 1 AND ?`},

		{&s.messages, reader, `SELECT 0, ` + messageColumns + ` FROM messages m
			WHERE m.session = ? AND m.seq BETWEEN ? AND ? ORDER BY m.seq`},
		{&s.packs, reader, `SELECT id, session, user, queue, data FROM inbox
			WHERE session = ? AND first <= ? AND last >= ? ORDER BY id`},
		{&s.unmoved, reader, `SELECT EXISTS (SELECT 1 FROM grams)`},
		{&s.session, reader, `SELECT ` + sessionColumns + ` FROM sessions s WHERE s.id = ?`},
	} {
		stmt, err := p.db.PrepareContext(ctx, p.sql) //nolint:sqlclosecheck // Close does
		if err != nil {
			return fmt.Errorf("%w: %s", err, p.sql)
		}
		*p.stmt = stmt
	}
	return nil
}
