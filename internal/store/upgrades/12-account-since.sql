-- v12 (compatible with v5+): Add the time since which a session has its account, if it had another one before
ALTER TABLE wasup_session ADD COLUMN owner_since BIGINT NOT NULL DEFAULT 0;
