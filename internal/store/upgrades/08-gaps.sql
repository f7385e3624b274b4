-- v8 (compatible with v5+): Add what webhooks have missed
CREATE TABLE wasup_webhook_gap (
	webhook_id TEXT   NOT NULL REFERENCES wasup_webhook (id) ON DELETE CASCADE,
	session_id TEXT   NOT NULL,
	first_seq  BIGINT NOT NULL,
	last_seq   BIGINT NOT NULL,
	last_pos   BIGINT NOT NULL,
	n          BIGINT NOT NULL,
	since      BIGINT NOT NULL,
	until      BIGINT NOT NULL,
	noted_at   BIGINT NOT NULL,
	state      TEXT   NOT NULL,
	PRIMARY KEY (webhook_id, session_id, first_seq)
);

CREATE INDEX wasup_webhook_gap_session_idx ON wasup_webhook_gap (session_id);
CREATE INDEX wasup_webhook_gap_waiting_idx ON wasup_webhook_gap (webhook_id, session_id) WHERE state = 'waiting';
