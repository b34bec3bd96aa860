-- Messages that came in a burst, as they came: packs of a session's (see
-- pack.go). They move to the table messages, in this order, when there is time
-- for that (see inbox.go); all that reads messages looks here, too.
--
-- id is that of the pack before and a pack's weight (its messages, or its KiB if
-- that is more), so the first and the last tell how much waits. What messages never take has its id's negative.
CREATE TABLE inbox (
  id      INTEGER PRIMARY KEY,
  weight  INTEGER NOT NULL,
  session TEXT    NOT NULL,
  user    TEXT    NOT NULL,
  queue   TEXT    NOT NULL,
  first   INTEGER NOT NULL, -- seqs
  last    INTEGER NOT NULL,
  data    BLOB    NOT NULL
) STRICT;
CREATE INDEX inbox_session ON inbox (session, first);
