ALTER TABLE sessions ADD COLUMN labels TEXT NOT NULL DEFAULT '[]'; -- JSON

-- Which sessions have a label, as sessions.labels tells.
CREATE TABLE labels (
  session TEXT    NOT NULL,
  label   TEXT    NOT NULL,
  created INTEGER NOT NULL, -- the session's
  PRIMARY KEY (session, label)
) STRICT, WITHOUT ROWID;
CREATE INDEX labels_label ON labels (label, created, session);

CREATE TRIGGER sessions_labelled AFTER INSERT ON sessions WHEN new.labels <> '[]' BEGIN
  INSERT INTO labels SELECT DISTINCT new.id, value, new.created FROM json_each(new.labels);
END;
CREATE TRIGGER sessions_relabelled AFTER UPDATE OF labels, created ON sessions
WHEN new.labels <> old.labels OR new.created <> old.created BEGIN
  DELETE FROM labels WHERE session = new.id;
  INSERT INTO labels SELECT DISTINCT new.id, value, new.created FROM json_each(new.labels);
END;
