-- v5: Add kinds, times, attempts and receipts of outgoing messages
ALTER TABLE wasup_outbox ADD COLUMN kind TEXT NOT NULL DEFAULT '';
ALTER TABLE wasup_outbox ADD COLUMN file TEXT NOT NULL DEFAULT '';
ALTER TABLE wasup_outbox ADD COLUMN attempts BIGINT NOT NULL DEFAULT 0;
ALTER TABLE wasup_outbox ADD COLUMN send_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE wasup_outbox ADD COLUMN expires_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE wasup_outbox ADD COLUMN delivered_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE wasup_outbox ADD COLUMN read_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE wasup_outbox ADD COLUMN played_at BIGINT NOT NULL DEFAULT 0;
DROP INDEX wasup_outbox_updated_idx;
CREATE INDEX wasup_outbox_session_idx ON wasup_outbox (session_id, seq);
CREATE INDEX wasup_outbox_open_idx ON wasup_outbox (session_id, send_at, seq) WHERE state IN ('queued', 'sending');
CREATE INDEX wasup_outbox_ended_idx ON wasup_outbox (session_id, seq) WHERE state IN ('failed', 'cancelled');
CREATE INDEX wasup_outbox_settled_idx ON wasup_outbox (updated_at) WHERE state NOT IN ('queued', 'sending');
CREATE INDEX wasup_outbox_expiry_idx ON wasup_outbox (expires_at) WHERE expires_at > 0 AND state IN ('queued', 'sending');
CREATE INDEX wasup_outbox_file_idx ON wasup_outbox (file) WHERE file <> '';

CREATE TABLE wasup_receipt (
	message      BIGINT NOT NULL,
	recipient    TEXT   NOT NULL,
	device       BIGINT NOT NULL,
	lid          TEXT   NOT NULL DEFAULT '',
	pn           TEXT   NOT NULL DEFAULT '',
	delivered_at BIGINT NOT NULL DEFAULT 0,
	read_at      BIGINT NOT NULL DEFAULT 0,
	played_at    BIGINT NOT NULL DEFAULT 0,
	PRIMARY KEY (message, recipient, device),
	FOREIGN KEY (message) REFERENCES wasup_outbox (seq) ON DELETE CASCADE
);
