-- Its seq is another message's: Redis had lost it, and went on.
ALTER TABLE messages ADD COLUMN superseded INTEGER NOT NULL DEFAULT 0;
