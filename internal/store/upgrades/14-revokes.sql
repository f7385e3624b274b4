-- v14 (compatible with v5+): Add which message of the session a revocation deletes
ALTER TABLE wasup_outbox ADD COLUMN revokes TEXT NOT NULL DEFAULT '';
CREATE INDEX wasup_outbox_revokes_idx ON wasup_outbox (session_id, revokes) WHERE revokes <> '';
