-- v6 (compatible with v5+): Add webhooks, how far they have come, and what they could not deliver
CREATE TABLE wasup_webhook (
	id          TEXT    NOT NULL PRIMARY KEY,
	session_id  TEXT    NOT NULL,
	url         TEXT    NOT NULL,
	description TEXT    NOT NULL,
	events      TEXT    NOT NULL,
	headers     TEXT    NOT NULL,
	secret      TEXT    NOT NULL,
	old_secret  TEXT    NOT NULL,
	old_until   BIGINT  NOT NULL,
	active      BOOLEAN NOT NULL,
	disabled    TEXT    NOT NULL,
	created_at  BIGINT  NOT NULL,
	updated_at  BIGINT  NOT NULL
);

CREATE INDEX wasup_webhook_session_idx ON wasup_webhook (session_id);

CREATE TABLE wasup_webhook_cursor (
	webhook_id   TEXT   NOT NULL REFERENCES wasup_webhook (id) ON DELETE CASCADE,
	session_id   TEXT   NOT NULL,
	seq          BIGINT NOT NULL,
	attempt_seq  BIGINT NOT NULL DEFAULT 0,
	attempts     BIGINT NOT NULL DEFAULT 0,
	first_failed BIGINT NOT NULL DEFAULT 0,
	next_at      BIGINT NOT NULL DEFAULT 0,
	PRIMARY KEY (webhook_id, session_id)
);

CREATE INDEX wasup_webhook_cursor_session_idx ON wasup_webhook_cursor (session_id);

CREATE TABLE wasup_webhook_dead (
	webhook_id TEXT    NOT NULL REFERENCES wasup_webhook (id) ON DELETE CASCADE,
	pos        BIGINT  NOT NULL,
	session_id TEXT    NOT NULL,
	seq        BIGINT  NOT NULL,
	at         BIGINT  NOT NULL,
	type       TEXT    NOT NULL,
	data       TEXT    NOT NULL,
	attempts   BIGINT  NOT NULL,
	status     BIGINT  NOT NULL,
	error      TEXT    NOT NULL,
	died_at    BIGINT  NOT NULL,
	requeued   BOOLEAN NOT NULL DEFAULT false,
	PRIMARY KEY (webhook_id, pos)
);

CREATE INDEX wasup_webhook_dead_session_idx ON wasup_webhook_dead (session_id);
CREATE INDEX wasup_webhook_dead_died_idx ON wasup_webhook_dead (died_at);

CREATE TABLE wasup_webhook_delivery (
	webhook_id TEXT   NOT NULL REFERENCES wasup_webhook (id) ON DELETE CASCADE,
	n          BIGINT NOT NULL,
	session_id TEXT   NOT NULL,
	seq        BIGINT NOT NULL,
	pos        BIGINT NOT NULL,
	type       TEXT   NOT NULL,
	at         BIGINT NOT NULL,
	attempt    BIGINT NOT NULL,
	outcome    TEXT   NOT NULL,
	status     BIGINT NOT NULL,
	took_us    BIGINT NOT NULL,
	error      TEXT   NOT NULL,
	PRIMARY KEY (webhook_id, n)
);
