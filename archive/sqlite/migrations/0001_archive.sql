-- Messages are numbered by time: a millisecond has 2^20 numbers, given out as
-- its messages come, so that the newest are found from the table's end. Within
-- a millisecond the order is not the mids' order; who reads sorts that.
CREATE TABLE messages (
  id       INTEGER PRIMARY KEY,
  mid      TEXT    NOT NULL UNIQUE,
  session  TEXT    NOT NULL,
  seq      INTEGER NOT NULL,
  at       INTEGER NOT NULL,
  "by"     TEXT    NOT NULL,
  sender   TEXT    NOT NULL,
  role     TEXT    NOT NULL,
  name     TEXT    NOT NULL,
  type     TEXT    NOT NULL,
  command  TEXT    NOT NULL,
  body     TEXT    NOT NULL,
  "key"    TEXT    NOT NULL,
  reply_to INTEGER NOT NULL,
  recalled INTEGER NOT NULL,
  user     TEXT    NOT NULL,
  queue    TEXT    NOT NULL,
  -- The time an id can hold goes to the year 2248; what is beyond shares its last millisecond.
  CHECK (id >> 20 = max(min(at, 8796093022207), -8796093022207))
) STRICT;
CREATE INDEX messages_session ON messages (session, seq);
CREATE INDEX messages_user ON messages (user); -- and, as every index, id

-- The grams of each message's text (see gram.go), by the message's id. It
-- holds no text, so nothing but the message itself has to forget one.
CREATE VIRTUAL TABLE grams USING fts5 (
  text, content = '', contentless_delete = 1, detail = 'none', tokenize = 'ascii'
);

CREATE TABLE sessions (
  id         TEXT    NOT NULL PRIMARY KEY,
  version    TEXT    NOT NULL,
  rev        INTEGER NOT NULL,
  seq        INTEGER NOT NULL,
  reads      INTEGER NOT NULL,
  state      TEXT    NOT NULL,
  queue      TEXT    NOT NULL,
  user       TEXT    NOT NULL,
  user_info  TEXT    NOT NULL,
  user_kind  TEXT    NOT NULL,
  agent      TEXT    NOT NULL,
  agent_info TEXT    NOT NULL,
  target     TEXT    NOT NULL,
  agents     TEXT    NOT NULL, -- JSON
  created    INTEGER NOT NULL,
  grabbed    INTEGER NOT NULL,
  ended      INTEGER NOT NULL,
  read       TEXT    NOT NULL, -- JSON
  snapshot   TEXT    NOT NULL
) STRICT;
CREATE INDEX sessions_created ON sessions (created, id);
CREATE INDEX sessions_user ON sessions (user, created, id);
CREATE INDEX sessions_queue ON sessions (queue, created, id);
CREATE INDEX sessions_state ON sessions (state, created, id);

-- Who ever took part in a session, as its messages and the session itself
-- tell. created is the session's, NULL while only messages have told.
CREATE TABLE agents (
  session TEXT NOT NULL,
  agent   TEXT NOT NULL,
  created INTEGER,
  PRIMARY KEY (session, agent)
) STRICT, WITHOUT ROWID;
CREATE INDEX agents_agent ON agents (agent, created, session);

CREATE TABLE records (
  kind    TEXT    NOT NULL,
  id      TEXT    NOT NULL,
  version INTEGER NOT NULL,
  data    BLOB, -- NULL: deleted
  expires INTEGER NOT NULL,
  PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX records_expires ON records (expires) WHERE expires > 0;

-- What Ping writes.
CREATE TABLE ping (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  at INTEGER NOT NULL
) STRICT;
INSERT INTO ping VALUES (1, 0);
