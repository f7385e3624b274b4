-- v7 (compatible with v5+): Add the files of incoming messages that are kept
CREATE TABLE wasup_kept (
	file       TEXT   NOT NULL PRIMARY KEY,
	session_id TEXT   NOT NULL,
	media      TEXT   NOT NULL,
	pos        BIGINT NOT NULL,
	kind       TEXT   NOT NULL,
	size       BIGINT NOT NULL,
	state      TEXT   NOT NULL,
	cause      TEXT   NOT NULL DEFAULT '',
	attempts   BIGINT NOT NULL DEFAULT 0,
	next_at    BIGINT NOT NULL DEFAULT 0
);

CREATE UNIQUE INDEX wasup_kept_media_idx ON wasup_kept (session_id, media) WHERE state <> 'gone';
CREATE INDEX wasup_kept_waiting_idx ON wasup_kept (session_id, next_at, pos) WHERE state = 'waiting';
CREATE INDEX wasup_kept_size_idx ON wasup_kept (pos, size) WHERE state = 'kept';
CREATE INDEX wasup_kept_pos_idx ON wasup_kept (pos) WHERE state <> 'gone';
CREATE INDEX wasup_kept_gone_idx ON wasup_kept (file) WHERE state = 'gone';
