-- v10 (compatible with v5+): Add numbers that WhatsApp writes otherwise, and the disappearing timers of chats
CREATE TABLE wasup_alias (
	number TEXT   NOT NULL PRIMARY KEY,
	lid    TEXT   NOT NULL,
	pn     TEXT   NOT NULL,
	at     BIGINT NOT NULL
);

CREATE TABLE wasup_timer (
	session_id TEXT    NOT NULL,
	account    TEXT    NOT NULL,
	chat       TEXT    NOT NULL,
	seconds    BIGINT  NOT NULL,
	set_at     BIGINT  NOT NULL,
	by_me      BOOLEAN NOT NULL,
	initiator  BIGINT  NOT NULL,
	origin     BIGINT  NOT NULL,
	source     TEXT    NOT NULL,
	PRIMARY KEY (session_id, account, chat)
);
