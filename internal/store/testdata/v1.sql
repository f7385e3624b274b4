-- The schema of version 1, as files on disk have it: never edited.
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
CREATE TABLE wasup_version (version INTEGER, compat INTEGER);
INSERT INTO wasup_version (version, compat) VALUES (1, 1);
INSERT INTO wasup_session (id, desired, device_jid, state, cause, last_cause, created_at, updated_at, connected_at)
VALUES ('51', 'run', '5491100000000:12@s.whatsapp.net', 'READY', 'connected', 'none', 1700000000000, 1700000001000, 1700000002000);
