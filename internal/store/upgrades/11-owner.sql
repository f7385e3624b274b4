-- v11 (compatible with v5+): Add the account that a session's messages were accepted for
ALTER TABLE wasup_session ADD COLUMN owner_jid TEXT NOT NULL DEFAULT '';
ALTER TABLE wasup_session ADD COLUMN owner_lid TEXT NOT NULL DEFAULT '';
UPDATE wasup_session SET owner_jid=account_jid, owner_lid=account_lid;
CREATE INDEX wasup_outbox_held_idx ON wasup_outbox (session_id, seq) WHERE state = 'held';
