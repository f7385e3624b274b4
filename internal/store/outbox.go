package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"go.mau.fi/util/dbutil"

	"wasup/internal/message"
	"wasup/internal/outbox"
	"wasup/internal/session"
)

// Outbox is the table of outgoing messages.
type Outbox struct{ store *Store }

var _ outbox.Ledger = (*Outbox)(nil)

// Outbox returns the table of outgoing messages.
func (s *Store) Outbox() *Outbox { return &Outbox{s} }

const outboxColumns = `seq, session_id, message_id, idempotency_key, body_hash, recipient, kind, body, state, attempts,
	acked_at, delivered_at, read_at, played_at, send_at, expires_at, error_code, error_status, error_message,
	created_at, updated_at`

// The conditions of the partial indexes. A statement uses such an index only if it repeats the condition word for word.
const (
	isOpen    = `state IN ('queued', 'sending')`
	isSettled = `state NOT IN ('queued', 'sending')`
	isEnded   = `state IN ('failed', 'cancelled')`
)

// row is an entry with its number. The numbers follow the order of acceptance.
type row struct {
	size int // of the stored content, in bytes
	seq  int64
	outbox.Entry
}

func scanRow(from dbutil.Scannable) (row, error) {
	var r row
	var key, body sql.NullString
	var acked, delivered, read, played, sendAt, expires, created, updated int64
	err := from.Scan(&r.seq, &r.Session, &r.ID, &key, &r.BodyHash, &r.To, &r.Content.Kind, &body, &r.State, &r.Attempts,
		&acked, &delivered, &read, &played, &sendAt, &expires, &r.Failure.Code, &r.Failure.Status, &r.Failure.Message,
		&created, &updated)
	if err != nil {
		return r, err
	}
	r.Key, r.size = key.String, len(body.String)
	r.AckedAt, r.DeliveredAt, r.ReadAt, r.PlayedAt = timeOf(acked), timeOf(delivered), timeOf(read), timeOf(played)
	r.SendAt, r.ExpiresAt, r.CreatedAt, r.UpdatedAt = timeOf(sendAt), timeOf(expires), timeOf(created), timeOf(updated)
	r.CanRequeue = r.State == message.Held || r.State == message.Failed && r.AckedAt.IsZero() && body.Valid
	switch {
	case r.Content.Kind == "": // stored by a version that had only texts
		r.Content = message.TextOf(body.String)
	case body.Valid:
		if err := json.Unmarshal([]byte(body.String), &r.Content); err != nil {
			return r, fmt.Errorf("content of message %d: %w", r.seq, err)
		}
	}
	return r, nil
}

func scanEntry(from dbutil.Scannable) (outbox.Entry, error) {
	r, err := scanRow(from)
	return r.Entry, err
}

// Enqueue implements outbox.Ledger.
func (o *Outbox) Enqueue(ctx context.Context, e outbox.Entry, keysFrom time.Time) (stored outbox.Entry, existed bool, err error) {
	const op = "enqueue message"
	body, err := json.Marshal(e.Content)
	if err != nil {
		return outbox.Entry{}, false, failure(op, e.Session, err)
	}
	err = o.store.Commit(ctx, func(ctx context.Context) error {
		stored, existed = outbox.Entry{}, false
		if e.Key != "" {
			found, ok, err := o.byKey(ctx, e.Session, e.Key)
			switch {
			case err != nil:
				return err
			case ok && (!found.State.Settled() || !found.CreatedAt.Before(keysFrom)):
				stored, existed = found.Entry, true
				return nil
			case ok:
				if _, err := o.store.write.Exec(ctx, "UPDATE wasup_outbox SET idempotency_key=NULL WHERE seq=$1", found.seq); err != nil {
					return err
				}
			}
		}
		stored, err = o.insert(ctx, e, body)
		return err
	})
	if err != nil {
		return outbox.Entry{}, false, failure(op, e.Session, err)
	}
	return stored, existed, nil
}

func (o *Outbox) insert(ctx context.Context, e outbox.Entry, body []byte) (outbox.Entry, error) {
	var one int
	err := o.store.write.QueryRow(ctx, "SELECT 1 FROM wasup_session WHERE id=$1 AND desired<>$2",
		string(e.Session), string(session.DesiredDelete)).Scan(&one)
	if errors.Is(err, sql.ErrNoRows) {
		return e, notFound("enqueue message", e.Session)
	} else if err != nil {
		return e, err
	}
	now := millis(o.store.options.Now())
	e.CreatedAt, e.UpdatedAt = timeOf(now), timeOf(now)
	e.SendAt, e.ExpiresAt = timeOf(millis(e.SendAt)), timeOf(millis(e.ExpiresAt))
	file := ""
	if e.Content.Media != nil {
		file = e.Content.Media.File
	}
	revokes := ""
	if target := e.Content.Target; e.Content.Kind == message.KindRevoke && target != nil && (target.FromMe || target.Sender == message.Address{}) {
		revokes = target.ID
	}
	for {
		done, err := o.store.write.Exec(ctx, `
			INSERT INTO wasup_outbox (session_id, message_id, idempotency_key, body_hash, recipient, kind, file, body, state,
				send_at, expires_at, created_at, updated_at, revokes)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $12, $13)
			ON CONFLICT DO NOTHING`,
			string(e.Session), e.ID, sql.NullString{String: e.Key, Valid: e.Key != ""}, e.BodyHash, string(e.To),
			string(e.Content.Kind), file, o.body(body), string(e.State), millis(e.SendAt), millis(e.ExpiresAt), now, revokes)
		if err != nil {
			return e, err
		}
		if n, err := done.RowsAffected(); err != nil || n > 0 {
			return e, err
		}
		e.ID = outbox.NewMessageID(e.Session, "", "") // an older message has the same id; try a random one
	}
}

// body converts a message's content for its column: []byte for PostgreSQL, string for SQLite.
func (o *Outbox) body(content []byte) any {
	if o.store.postgres() {
		return content
	}
	return string(content)
}

// byKey returns the message with a key, as part of a work, or false if there is none.
func (o *Outbox) byKey(ctx context.Context, id session.ID, key string) (row, bool, error) {
	found, err := scanRow(o.store.write.QueryRow(ctx,
		"SELECT "+outboxColumns+" FROM wasup_outbox WHERE session_id=$1 AND idempotency_key=$2", string(id), key))
	if errors.Is(err, sql.ErrNoRows) {
		return row{}, false, nil
	}
	return found, err == nil, err
}

// Find implements outbox.Ledger.
func (o *Outbox) Find(ctx context.Context, id session.ID, key string) (outbox.Entry, bool, error) {
	found, err := scanEntry(o.store.read.QueryRow(ctx,
		"SELECT "+outboxColumns+" FROM wasup_outbox WHERE session_id=$1 AND idempotency_key=$2", string(id), key))
	if errors.Is(err, sql.ErrNoRows) {
		return outbox.Entry{}, false, nil
	}
	return found, err == nil, failure("find message", id, err)
}

// Advance implements outbox.Ledger.
func (o *Outbox) Advance(ctx context.Context, changes ...outbox.Change) (carried []bool, err error) {
	if len(changes) == 0 {
		return nil, nil
	}
	err = o.store.Commit(ctx, func(ctx context.Context) error {
		carried = make([]bool, len(changes))
		for i := range changes {
			if carried[i], err = o.change(ctx, &changes[i]); err != nil {
				return err
			}
			if carried[i] {
				if err := o.store.Events().Insert(ctx, changes[i].Events...); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return nil, failure("advance message", changes[0].Session, err)
	}
	return carried, nil
}

func (o *Outbox) change(ctx context.Context, c *outbox.Change) (bool, error) {
	set := "state=$3, attempts=attempts+$4, acked_at=$5, error_code=$6, error_status=$7, error_message=$8, updated_at=$9"
	where := "session_id=$1 AND message_id=$2 AND state IN (" + literals(c.From) + ")"
	args := []any{
		string(c.Session), c.ID, string(c.To), c.Begun, millis(c.AckedAt), string(c.Failure.Code), c.Failure.Status,
		clean(c.Failure.Message), millis(o.store.options.Now()),
	}
	switch {
	case c.Anew:
		set = strings.Replace(set, "attempts=attempts+$4", "attempts=$4, expires_at=$10", 1)
		where += " AND acked_at=0 AND body IS NOT NULL"
		args = append(args, millis(c.ExpiresAt))
	case c.To.Settled() && c.To != message.Failed:
		set += dropContent
	}
	if c.Attempts != 0 {
		args = append(args, c.Attempts)
		where += " AND attempts=$" + strconv.Itoa(len(args))
	}
	done, err := o.store.write.Exec(ctx, "UPDATE wasup_outbox SET "+set+" WHERE "+where, args...)
	if err != nil {
		return false, err
	}
	n, err := done.RowsAffected()
	return n > 0, err
}

// dropContent is SQL that deletes the content of a message. It keeps the content of polls, because reading the votes
// needs their options.
const dropContent = ", body=CASE WHEN kind='poll' THEN body END, file=''"

// literals returns states as an SQL list of string literals. It knows all states, and none needs escaping.
func literals(states []message.State) string {
	var out strings.Builder
	for _, known := range message.States() {
		for _, state := range states {
			if state == known {
				out.WriteString(separator(out.Len()) + "'" + string(known) + "'")
				break
			}
		}
	}
	return out.String()
}

// Discard implements outbox.Ledger.
func (o *Outbox) Discard(ctx context.Context, id session.ID, messageID string) (gone bool, err error) {
	err = o.store.Commit(ctx, func(ctx context.Context) error {
		done, err := o.store.write.Exec(ctx,
			"DELETE FROM wasup_outbox WHERE session_id=$1 AND message_id=$2 AND state IN ('queued', 'held') AND attempts=0", string(id), messageID)
		if err != nil {
			return err
		}
		n, err := done.RowsAffected()
		gone = n > 0
		return err
	})
	return gone && err == nil, failure("discard message", id, err)
}
