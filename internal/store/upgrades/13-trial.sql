-- v13 (compatible with v5+): Add a table for trial writes, and indexes for old numbers and for held messages that expire
DROP TABLE IF EXISTS wasup_trial;
CREATE TABLE wasup_trial (
	text TEXT NOT NULL
);

CREATE INDEX wasup_alias_at_idx ON wasup_alias (at);
CREATE INDEX wasup_outbox_held_expiry_idx ON wasup_outbox (expires_at) WHERE expires_at > 0 AND state = 'held';
