-- v4 (compatible with v2+): Add the durable log of events
CREATE TABLE wasup_event (
	-- only: postgres
	pos        BIGINT NOT NULL PRIMARY KEY,
	-- only: sqlite (line commented)
--	pos        INTEGER PRIMARY KEY,
	session_id TEXT   NOT NULL,
	seq        BIGINT NOT NULL,
	at         BIGINT NOT NULL,
	type       TEXT   NOT NULL,
	key        TEXT,
	data       TEXT   NOT NULL,
	media      TEXT,
	remote     TEXT
);

CREATE UNIQUE INDEX wasup_event_seq_idx ON wasup_event (session_id, seq);
CREATE UNIQUE INDEX wasup_event_key_idx ON wasup_event (session_id, key) WHERE key IS NOT NULL;
CREATE UNIQUE INDEX wasup_event_media_idx ON wasup_event (session_id, media) WHERE media IS NOT NULL;
CREATE INDEX wasup_event_qr_idx ON wasup_event (pos) WHERE type = 'session.qr';

-- The last number given out: of a session, and of the whole log under ''. Retention leaves it alone.
CREATE TABLE wasup_event_head (
	session_id TEXT   NOT NULL PRIMARY KEY,
	last       BIGINT NOT NULL
);
