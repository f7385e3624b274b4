package chats

import (
	"context"
	"time"

	"go.mau.fi/util/dbutil"

	"wasup/internal/message"
	"wasup/internal/session"
)

// Timers is the table of the chats' disappearing timers, as a session's account has learned them. An account that is
// linked again finds its own; another account that is linked to the session does not.
type Timers struct{ db Database }

// NewTimers returns the table.
func NewTimers(db Database) *Timers { return &Timers{db} }

// Forget deletes the timers of a session, within the transaction of ctx. Its error is the database's.
func (t *Timers) Forget(ctx context.Context, id session.ID) error {
	_, err := t.db.Write.Exec(ctx, "DELETE FROM wasup_timer WHERE session_id=$1", string(id))
	return err
}

type timerRow struct {
	chat  string
	timer message.Timer
}

// Timer returns the newest setting of a chat, under any of its addresses. known is false if there is none. account is the
// address of the session's own account.
func (t *Timers) Timer(ctx context.Context, id session.ID, account string, chat message.Address) (timer message.Timer, known bool, err error) {
	rows, err := t.of(ctx, t.db.Read, id, account, chat)
	if err != nil {
		return message.Timer{}, false, t.db.Failure("look up timer", id, err)
	}
	if len(rows) == 0 {
		return message.Timer{}, false, nil
	}
	return rows[0].timer, true, nil
}

// of returns what is stored for a chat, the newest first. Since WhatsApp tells a person's LID late, a chat may be
// stored under the number first.
func (t *Timers) of(ctx context.Context, db *dbutil.Database, id session.ID, account string, chat message.Address) ([]timerRow, error) {
	rows, err := db.Query(ctx, `SELECT chat, seconds, set_at, by_me, initiator, origin, source FROM wasup_timer
		WHERE session_id=$1 AND account=$2 AND chat IN ($3, $4, $5) ORDER BY set_at DESC, chat`,
		string(id), account, t.db.Clean(chat.Group), t.db.Clean(chat.LID), t.db.Clean(chat.PN))
	return dbutil.NewRowIterWithError(rows, func(row dbutil.Scannable) (r timerRow, err error) {
		var at int64
		err = row.Scan(&r.chat, &r.timer.Seconds, &at, &r.timer.ByMe, &r.timer.Initiator, &r.timer.Trigger, &r.timer.Source)
		if at != 0 {
			r.timer.SetAt = time.Unix(at, 0).UTC()
		}
		return r, err
	}, err).AsList()
}

// SetTimer stores a setting of a chat, unless a newer one is stored. It returns whether the setting holds now.
func (t *Timers) SetTimer(ctx context.Context, id session.ID, account string, chat message.Address, timer message.Timer) (holds bool, err error) {
	if chat.IsZero() {
		return false, nil
	}
	err = t.db.Commit(ctx, func(ctx context.Context) error {
		holds = true
		rows, err := t.of(ctx, t.db.Write, id, account, chat)
		if err != nil {
			return err
		}
		name := t.db.Clean(chat.String())
		for i := range rows {
			if !timer.Replaces(rows[i].timer) {
				holds = false
				return nil
			}
			if rows[i].chat == name {
				continue
			}
			if _, err = t.db.Write.Exec(ctx, "DELETE FROM wasup_timer WHERE session_id=$1 AND account=$2 AND chat=$3",
				string(id), account, rows[i].chat); err != nil {
				return err
			}
		}
		var at int64
		if !timer.SetAt.IsZero() {
			at = timer.SetAt.Unix()
		}
		_, err = t.db.Write.Exec(ctx, `
			INSERT INTO wasup_timer (session_id, account, chat, seconds, set_at, by_me, initiator, origin, source)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
			ON CONFLICT (session_id, account, chat) DO UPDATE SET seconds=excluded.seconds, set_at=excluded.set_at, by_me=excluded.by_me,
				initiator=excluded.initiator, origin=excluded.origin, source=excluded.source`,
			string(id), account, name, timer.Seconds, at, timer.ByMe, timer.Initiator, timer.Trigger, t.db.Clean(timer.Source))
		return err
	})
	return holds && err == nil, t.db.Failure("save timer", id, err)
}
