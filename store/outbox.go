package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"go.mau.fi/util/dbutil"

	"wasup/outbox"
	"wasup/session"
)

// Outbox is the table of outgoing messages.
type Outbox struct{ store *Store }

var _ outbox.Ledger = (*Outbox)(nil)

// Outbox gives the table of outgoing messages.
func (s *Store) Outbox() *Outbox { return &Outbox{s} }

const outboxColumns = `session_id, message_id, idempotency_key, body_hash, recipient, body, state,
	acked_at, error_code, error_status, error_message, created_at, updated_at`

func scanEntry(row dbutil.Scannable) (outbox.Entry, error) {
	var e outbox.Entry
	var key, text sql.NullString
	var acked, created, updated int64
	err := row.Scan(&e.Session, &e.MessageID, &key, &e.BodyHash, &e.To, &text, &e.State,
		&acked, &e.Failure.Code, &e.Failure.Status, &e.Failure.Message, &created, &updated)
	e.Key, e.Text = key.String, text.String
	e.AckedAt, e.CreatedAt, e.UpdatedAt = timeOf(acked), timeOf(created), timeOf(updated)
	return e, err
}

// Begin implements outbox.Ledger. It is one statement and so one commit where the entry is new.
func (o *Outbox) Begin(ctx context.Context, e outbox.Entry) (outbox.Entry, bool, error) {
	key := sql.NullString{String: e.Key, Valid: e.Key != ""}
	for {
		now := o.store.options.Now()
		// Not RETURNING: the commit would come only when the row is closed, after it was read.
		done, err := o.store.write.Exec(ctx, `
			INSERT INTO wasup_outbox (session_id, message_id, idempotency_key, body_hash, recipient, body, state, created_at, updated_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8)
			ON CONFLICT DO NOTHING`,
			string(e.Session), e.MessageID, key, e.BodyHash, string(e.To), o.body(e.Text), string(e.State), millis(now))
		if err != nil {
			return outbox.Entry{}, false, failure("begin message", e.Session, err)
		}
		if n, err := done.RowsAffected(); err != nil || n > 0 {
			e.CreatedAt, e.UpdatedAt = timeOf(millis(now)), timeOf(millis(now))
			return e, false, failure("begin message", e.Session, err)
		}
		stored, err := o.find(ctx, e)
		if err == nil {
			return stored, true, nil
		}
		// Pruned or discarded between the two statements: then there is room for it now.
		if !errors.Is(err, sql.ErrNoRows) {
			return outbox.Entry{}, false, failure("begin message", e.Session, err)
		}
	}
}

// body is a message's text as the column takes it: bytes with PostgreSQL, whose text has no zero byte.
func (o *Outbox) body(text string) any {
	if o.store.postgres() {
		return []byte(text)
	}
	return text
}

func (o *Outbox) find(ctx context.Context, e outbox.Entry) (outbox.Entry, error) {
	if e.Key != "" {
		stored, err := scanEntry(o.store.read.QueryRow(ctx,
			"SELECT "+outboxColumns+" FROM wasup_outbox WHERE session_id=$1 AND idempotency_key=$2", string(e.Session), e.Key))
		if !errors.Is(err, sql.ErrNoRows) {
			return stored, err
		}
	}
	return scanEntry(o.store.read.QueryRow(ctx,
		"SELECT "+outboxColumns+" FROM wasup_outbox WHERE session_id=$1 AND message_id=$2", string(e.Session), e.MessageID))
}

// Finish implements outbox.Ledger.
func (o *Outbox) Finish(ctx context.Context, id session.ID, messageID string, outcome outbox.Outcome) error {
	if !outcome.State.Final() {
		return &session.Error{
			Code: session.CodeInternal, Op: "finish message", Session: id,
			Err: errors.New("outcome " + string(outcome.State) + " ends no message"),
		}
	}
	done, err := o.store.write.Exec(ctx, `
		UPDATE wasup_outbox SET state=$3, acked_at=$4, error_code=$5, error_status=$6, error_message=$7, body=NULL, updated_at=$8
		WHERE session_id=$1 AND message_id=$2 AND state IN ($9, $10)`,
		string(id), messageID, string(outcome.State), millis(outcome.AckedAt), string(outcome.Failure.Code),
		outcome.Failure.Status, clean(outcome.Failure.Message), millis(o.store.options.Now()),
		string(outbox.Queued), string(outbox.Sending))
	if err != nil {
		return failure("finish message", id, err)
	}
	n, err := done.RowsAffected()
	if err != nil || n > 0 {
		return failure("finish message", id, err)
	}
	if _, err := o.find(ctx, outbox.Entry{Session: id, MessageID: messageID}); errors.Is(err, sql.ErrNoRows) {
		return notFound("finish message", id)
	} else if err != nil {
		return failure("finish message", id, err)
	}
	return nil
}

// Discard implements outbox.Ledger.
func (o *Outbox) Discard(ctx context.Context, id session.ID, messageID string) error {
	_, err := o.store.write.Exec(ctx, "DELETE FROM wasup_outbox WHERE session_id=$1 AND message_id=$2 AND state IN ($3, $4)",
		string(id), messageID, string(outbox.Queued), string(outbox.Sending))
	return failure("discard message", id, err)
}

// Prune implements outbox.Ledger.
func (o *Outbox) Prune(ctx context.Context, before time.Time, limit int) (int, error) {
	done, err := o.store.write.Exec(ctx, `
		DELETE FROM wasup_outbox WHERE seq IN (SELECT seq FROM wasup_outbox WHERE updated_at < $1 ORDER BY updated_at LIMIT $2)`,
		millis(before), limit)
	if err != nil {
		return 0, failure("prune messages", "", err)
	}
	n, err := done.RowsAffected()
	return int(n), failure("prune messages", "", err)
}
