-- The schema of version 2, as files on disk have it: never edited.
CREATE TABLE wasup_session (
	id            TEXT   NOT NULL PRIMARY KEY,
	desired       TEXT   NOT NULL,
	device_jid    TEXT   NOT NULL DEFAULT '',
	state         TEXT   NOT NULL,
	cause         TEXT   NOT NULL,
	until         BIGINT NOT NULL DEFAULT 0,
	last_error    TEXT   NOT NULL DEFAULT '',
	last_cause    TEXT   NOT NULL,
	account_jid   TEXT   NOT NULL DEFAULT '',
	account_lid   TEXT   NOT NULL DEFAULT '',
	push_name     TEXT   NOT NULL DEFAULT '',
	created_at    BIGINT NOT NULL,
	updated_at    BIGINT NOT NULL,
	connected_at  BIGINT NOT NULL DEFAULT 0,
	disconnect_at BIGINT NOT NULL DEFAULT 0
);

CREATE UNIQUE INDEX wasup_session_device_idx ON wasup_session (device_jid) WHERE device_jid <> '';

CREATE TABLE wasup_outbox (
	seq             INTEGER PRIMARY KEY,
	session_id      TEXT   NOT NULL,
	message_id      TEXT   NOT NULL,
	idempotency_key TEXT,
	body_hash       TEXT   NOT NULL,
	recipient       TEXT   NOT NULL,
	body            TEXT,
	state           TEXT   NOT NULL,
	acked_at        BIGINT NOT NULL DEFAULT 0,
	error_code      TEXT   NOT NULL DEFAULT '',
	error_status    BIGINT NOT NULL DEFAULT 0,
	error_message   TEXT   NOT NULL DEFAULT '',
	created_at      BIGINT NOT NULL,
	updated_at      BIGINT NOT NULL
);

CREATE UNIQUE INDEX wasup_outbox_message_idx ON wasup_outbox (session_id, message_id);
CREATE UNIQUE INDEX wasup_outbox_key_idx ON wasup_outbox (session_id, idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE INDEX wasup_outbox_updated_idx ON wasup_outbox (updated_at);
CREATE TABLE wasup_version (version INTEGER, compat INTEGER);
INSERT INTO wasup_version (version, compat) VALUES (2, 2);
INSERT INTO wasup_session (id, desired, device_jid, state, cause, last_cause, created_at, updated_at, connected_at)
VALUES ('51', 'run', '5491100000000:12@s.whatsapp.net', 'READY', 'connected', 'none', 1700000000000, 1700000001000, 1700000002000);
