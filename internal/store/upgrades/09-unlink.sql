-- v9 (compatible with v5+): Add devices that WhatsApp still has to unlink
CREATE TABLE wasup_unlink (
	device_jid TEXT   NOT NULL PRIMARY KEY,
	session_id TEXT   NOT NULL,
	proxy      TEXT   NOT NULL DEFAULT '',
	since      BIGINT NOT NULL,
	attempts   BIGINT NOT NULL DEFAULT 0,
	next_at    BIGINT NOT NULL DEFAULT 0
);
