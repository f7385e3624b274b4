-- v3 (compatible with v2+): Add what people say of a session: name, metadata, proxy
ALTER TABLE wasup_session ADD COLUMN name TEXT NOT NULL DEFAULT '';
ALTER TABLE wasup_session ADD COLUMN metadata TEXT NOT NULL DEFAULT '{}';
ALTER TABLE wasup_session ADD COLUMN proxy TEXT NOT NULL DEFAULT '';
