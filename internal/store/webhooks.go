package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"strconv"

	"go.mau.fi/util/dbutil"

	"wasup/internal/events"
	"wasup/internal/session"
	"wasup/internal/webhooks"
)

// Webhooks is the registry of webhooks, with their cursors, attempts, dead letters and gaps.
type Webhooks struct{ store *Store }

var (
	_ webhooks.Registry = (*Webhooks)(nil)
	_ webhooks.Cursors  = (*Webhooks)(nil)
	_ webhooks.Attempts = (*Webhooks)(nil)
	_ webhooks.Log      = (*Webhooks)(nil)
)

// Webhooks returns the tables of webhooks.
func (s *Store) Webhooks() *Webhooks { return &Webhooks{s} }

const webhookColumns = `id, session_id, url, description, events, headers, secret, old_secret, old_until,
	active, disabled, created_at, updated_at`

func scanWebhook(row dbutil.Scannable) (webhooks.Webhook, error) {
	var w webhooks.Webhook
	var until, created, updated int64
	var types, headers string
	err := row.Scan(&w.ID, &w.Session, &w.URL, &w.Description, &types, &headers, &w.Secret, &w.OldSecret, &until,
		&w.Active, &w.Disabled, &created, &updated)
	if err != nil {
		return w, err
	}
	w.OldUntil, w.CreatedAt, w.UpdatedAt = timeOf(until), timeOf(created), timeOf(updated)
	if err = json.Unmarshal([]byte(types), &w.Events); err != nil {
		return w, err
	}
	return w, json.Unmarshal([]byte(headers), &w.Headers)
}

// webhookLists encodes the two columns that contain JSON.
func webhookLists(w *webhooks.Webhook) (types, headers string, err error) {
	t, err := json.Marshal(w.Events)
	if err != nil {
		return "", "", err
	}
	h, err := json.Marshal(w.Headers)
	return string(t), string(h), err
}

func unknownWebhook(op string) error {
	return &session.Error{Code: session.CodeUnknownWebhook, Op: op}
}

// List implements webhooks.Registry.
func (w *Webhooks) List(ctx context.Context) ([]webhooks.Webhook, error) {
	rows, err := w.store.read.Query(ctx, "SELECT "+webhookColumns+" FROM wasup_webhook ORDER BY created_at, id")
	all, err := dbutil.NewRowIterWithError(rows, scanWebhook, err).AsList()
	return all, failure("list webhooks", "", err)
}

// Create implements webhooks.Registry. It also inserts the cursors of all sessions that have events already, so that
// the end of the log is the same moment for all. The other sessions begin with their first event.
func (w *Webhooks) Create(ctx context.Context, hook webhooks.Webhook, from webhooks.Origin) (webhooks.Webhook, error) {
	const op = "create webhook"
	types, headers, err := webhookLists(&hook)
	if err != nil {
		return hook, failure(op, hook.Session, err)
	}
	db, now := w.store.write, millis(w.store.options.Now())
	hook.CreatedAt, hook.UpdatedAt = timeOf(now), timeOf(now)
	err = w.store.Commit(ctx, func(ctx context.Context) error {
		var there bool
		if err := db.QueryRow(ctx, "SELECT $1='' OR EXISTS (SELECT 1 FROM wasup_session WHERE id=$1)", string(hook.Session)).Scan(&there); err != nil {
			return err
		}
		if !there {
			return notFound(op, hook.Session)
		}
		_, err := db.Exec(ctx, `
			INSERT INTO wasup_webhook (`+webhookColumns+`)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $12)`,
			hook.ID, string(hook.Session), hook.URL, hook.Description, types, headers, hook.Secret, hook.OldSecret,
			millis(hook.OldUntil), hook.Active, hook.Disabled, now)
		if err != nil {
			return err
		}
		if from.Beginning {
			return nil
		}
		_, err = db.Exec(ctx, `
			INSERT INTO wasup_webhook_cursor (webhook_id, session_id, seq)
			SELECT $1, session_id, CASE WHEN CAST($3 AS BIGINT)>0 AND CAST($3 AS BIGINT)<=last THEN CAST($3 AS BIGINT)-1 ELSE last END FROM wasup_event_head
			WHERE session_id<>'' AND ($2='' OR session_id=$2)`, hook.ID, string(hook.Session), int64(from.Seq))
		return err
	})
	return hook, failure(op, hook.Session, err)
}

// Update implements webhooks.Registry.
func (w *Webhooks) Update(ctx context.Context, hook webhooks.Webhook) (webhooks.Webhook, error) {
	const op = "update webhook"
	types, headers, err := webhookLists(&hook)
	if err != nil {
		return hook, failure(op, hook.Session, err)
	}
	hook.UpdatedAt = timeOf(millis(w.store.options.Now()))
	err = w.store.Commit(ctx, func(ctx context.Context) error {
		done, err := w.store.write.Exec(ctx, `
			UPDATE wasup_webhook SET url=$2, description=$3, events=$4, headers=$5, secret=$6, old_secret=$7, old_until=$8,
				active=$9, disabled=$10, updated_at=$11
			WHERE id=$1`,
			hook.ID, hook.URL, hook.Description, types, headers, hook.Secret, hook.OldSecret, millis(hook.OldUntil),
			hook.Active, hook.Disabled, millis(hook.UpdatedAt))
		if err != nil {
			return err
		}
		if n, err := done.RowsAffected(); err != nil || n == 0 {
			return firstErr(err, unknownWebhook(op))
		}
		return nil
	})
	return hook, failure(op, hook.Session, err)
}

// Delete implements webhooks.Registry.
func (w *Webhooks) Delete(ctx context.Context, id string) error {
	const op = "delete webhook"
	err := w.store.Commit(ctx, func(ctx context.Context) error {
		done, err := w.store.write.Exec(ctx, "DELETE FROM wasup_webhook WHERE id=$1", id)
		if err != nil {
			return err
		}
		if n, err := done.RowsAffected(); err != nil || n == 0 {
			return firstErr(err, unknownWebhook(op))
		}
		return nil
	})
	return failure(op, "", err)
}

// deleteWebhookData deletes a deleted session's own webhooks, and the dead letters, attempts and gaps that other
// webhooks have of it. The cursors of other webhooks stay until the session's last events, which report the deletion,
// have left the log.
func (s *Store) deleteWebhookData(ctx context.Context, id session.ID) error {
	for _, statement := range []string{
		"DELETE FROM wasup_webhook WHERE session_id=$1",
		"DELETE FROM wasup_webhook_dead WHERE session_id=$1",
		"DELETE FROM wasup_webhook_delivery WHERE session_id=$1",
		"DELETE FROM wasup_webhook_gap WHERE session_id=$1",
	} {
		if _, err := s.write.Exec(ctx, statement, string(id)); err != nil {
			return err
		}
	}
	return nil
}

// Tidy implements webhooks.Registry: it deletes the cursors of sessions that have neither a row nor events in the log.
func (w *Webhooks) Tidy(ctx context.Context) error {
	_, err := w.store.write.Exec(ctx, `
		DELETE FROM wasup_webhook_cursor WHERE NOT EXISTS (SELECT 1 FROM wasup_session s WHERE s.id=session_id)
			AND NOT EXISTS (SELECT 1 FROM wasup_event e WHERE e.session_id=wasup_webhook_cursor.session_id)`)
	return failure("delete old cursors", "", err)
}

// ReadLog implements webhooks.Log.
func (w *Webhooks) ReadLog(
	ctx context.Context, id session.ID, after uint64, types []events.Type, limit int,
) (found []events.Event, seen uint64, err error) {
	// One statement reads the events and the end of the session's log, so that they belong to the same moment.
	query := events.Query{Limit: limit}.Bounded()
	wanted, args := typeFilter(types, string(id), int64(after), query.Limit)
	entries, order := "wasup_event e ON e.session_id=h.session_id AND e.seq>$2"+wanted, " ORDER BY e.seq LIMIT $3"
	if w.store.postgres() {
		bounded := page{
			columns: "e.*", table: "wasup_event", where: "e.session_id=$1 AND e.seq>$2" + wanted, key: "pos", index: "seq", limit: "$3",
			large: "data", bytes: query.Bytes,
		}
		entries, order = "("+bounded.sql(true)+") e ON true", " ORDER BY e.seq"
	}
	rows, err := w.store.read.Query(ctx, `
		SELECT h.last, coalesce(e.pos, 0), h.session_id, coalesce(e.seq, 0), coalesce(e.at, 0), coalesce(e.type, ''), e.key, coalesce(e.data, ''), e.remote
		FROM wasup_event_head h LEFT JOIN `+entries+" WHERE h.session_id=$1"+order, args...)
	found, err = listUpTo(rows, err, query.Bytes, func(row dbutil.Scannable) (events.Event, error) {
		return scanEvent(headedRow{row, &seen})
	}, (*events.Event).Size)
	switch {
	case err != nil:
		return nil, after, failure("read events", id, err)
	case len(found) == 1 && found[0].Pos == 0: // only the head, without an event
		return nil, max(after, seen), nil
	case query.Full(found):
		seen = found[len(found)-1].Seq
	}
	return found, max(after, seen), nil
}

// headedRow is a row whose first column is scanned into first, and the others into the caller's destinations.
type headedRow struct {
	dbutil.Scannable
	first any
}

// Scan implements dbutil.Scannable.
func (r headedRow) Scan(into ...any) error {
	return r.Scannable.Scan(append([]any{r.first}, into...)...)
}

// typeFilter returns an SQL condition on e.type and the given arguments with the types appended.
func typeFilter(types []events.Type, args ...any) (string, []any) {
	if len(types) == 0 {
		return "", args
	}
	out := " AND e.type IN ("
	for i, t := range types {
		args = append(args, string(t))
		out += separator(i) + placeholder(len(args))
	}
	return out + ")", args
}

// Behind implements webhooks.Cursors.
func (w *Webhooks) Behind(ctx context.Context, hook webhooks.Webhook) ([]session.ID, error) {
	rows, err := w.store.read.Query(ctx, `
		SELECT h.session_id FROM wasup_event_head h
		LEFT JOIN wasup_webhook_cursor c ON c.webhook_id=$1 AND c.session_id=h.session_id
		WHERE h.session_id<>'' AND ($2='' OR h.session_id=$2) AND (h.last>coalesce(c.seq, 0)
			OR EXISTS (SELECT 1 FROM wasup_webhook_gap g WHERE g.webhook_id=$1 AND g.session_id=h.session_id AND g.state='waiting'))
		ORDER BY coalesce(c.next_at, 0), h.session_id`, hook.ID, string(hook.Session))
	all, err := dbutil.NewRowIterWithError(rows, dbutil.ScanSingleColumn[session.ID], err).AsList()
	return all, failure("find undelivered events", "", err)
}

const cursorColumns = `webhook_id, session_id, seq, attempt_seq, attempts, first_failed, next_at,
	EXISTS (SELECT 1 FROM wasup_webhook_gap g WHERE g.webhook_id=$1 AND g.session_id=$2 AND g.state='waiting')`

func scanCursor(row dbutil.Scannable) (c webhooks.Cursor, err error) {
	var first, next int64
	err = row.Scan(&c.Webhook, &c.Session, &c.Seq, &c.AttemptSeq, &c.Attempts, &first, &next, &c.Missed)
	c.FirstFailed, c.NextAt = timeOf(first), timeOf(next)
	return c, err
}

// Cursor implements webhooks.Cursors.
func (w *Webhooks) Cursor(ctx context.Context, hook webhooks.Webhook, id session.ID) (webhooks.Cursor, error) {
	const op, read = "read cursor", "SELECT " + cursorColumns + " FROM wasup_webhook_cursor WHERE webhook_id=$1 AND session_id=$2"
	c, err := scanCursor(w.store.read.QueryRow(ctx, read, hook.ID, string(id)))
	if err == nil || !isNoRows(err) {
		return c, failure(op, id, err)
	}
	err = w.store.Commit(ctx, func(ctx context.Context) error {
		done, err := w.store.write.Exec(ctx, `
			INSERT INTO wasup_webhook_cursor (webhook_id, session_id, seq)
			SELECT $1, $2, 0 WHERE EXISTS (SELECT 1 FROM wasup_webhook WHERE id=$1)
			ON CONFLICT DO NOTHING`, hook.ID, string(id))
		if err != nil {
			return err
		}
		if _, err := done.RowsAffected(); err != nil {
			return err
		}
		c, err = scanCursor(w.store.write.QueryRow(ctx, read, hook.ID, string(id)))
		if isNoRows(err) {
			return unknownWebhook(op)
		}
		return err
	})
	return c, failure(op, id, err)
}

// Advance implements webhooks.Cursors.
func (w *Webhooks) Advance(ctx context.Context, c webhooks.Cursor, to uint64) (moved bool, err error) {
	err = w.store.Commit(ctx, func(ctx context.Context) error {
		moved, err = w.moveCursor(ctx, c, to)
		return err
	})
	return moved && err == nil, failure("move cursor", c.Session, err)
}

func (w *Webhooks) moveCursor(ctx context.Context, c webhooks.Cursor, to uint64) (bool, error) {
	return affected(w.store.write.Exec(ctx, `
		UPDATE wasup_webhook_cursor SET seq=$4, attempt_seq=0, attempts=0, first_failed=0, next_at=0
		WHERE webhook_id=$1 AND session_id=$2 AND seq=$3`, c.Webhook, string(c.Session), int64(c.Seq), int64(to)))
}

// affected reports whether a statement changed a row.
func affected(done sql.Result, err error) (bool, error) {
	if err != nil {
		return false, err
	}
	n, err := done.RowsAffected()
	return n > 0, err
}

// Postpone implements webhooks.Cursors.
func (w *Webhooks) Postpone(ctx context.Context, c webhooks.Cursor, attempt webhooks.Delivery) (stored bool, err error) {
	err = w.store.Commit(ctx, func(ctx context.Context) error {
		stored, err = affected(w.store.write.Exec(ctx, `
			UPDATE wasup_webhook_cursor SET attempt_seq=$4, attempts=$5, first_failed=$6, next_at=$7
			WHERE webhook_id=$1 AND session_id=$2 AND seq=$3`,
			c.Webhook, string(c.Session), int64(c.Seq), int64(c.AttemptSeq), c.Attempts, millis(c.FirstFailed), millis(c.NextAt)))
		if err != nil || !stored {
			return err
		}
		return w.recordAttempts(ctx, c.Webhook, attempt)
	})
	return stored && err == nil, failure("postpone event", c.Session, err)
}

// Rewind implements webhooks.Cursors.
func (w *Webhooks) Rewind(ctx context.Context, hook webhooks.Webhook, replay webhooks.Replay) (moved []session.ID, err error) {
	var pos uint64
	if !replay.Since.IsZero() {
		if pos, err = w.store.Events().At(ctx, replay.Since); err != nil {
			return nil, err
		}
	}
	back := `SELECT e.seq FROM wasup_event e WHERE e.session_id=wasup_webhook_cursor.session_id AND e.pos<=$3 ORDER BY e.seq DESC LIMIT 1`
	still := `EXISTS (SELECT 1 FROM wasup_event e WHERE e.session_id=wasup_webhook_cursor.session_id AND e.seq<=wasup_webhook_cursor.seq AND e.pos>$3)`
	bound := int64(pos)
	if replay.Seq > 0 {
		back, still, bound = "SELECT CAST($3 AS BIGINT)", "seq>$3", int64(replay.Seq-1)
	}
	err = w.store.Commit(ctx, func(ctx context.Context) error {
		rows, err := w.store.write.Query(ctx, `
			UPDATE wasup_webhook_cursor SET seq=coalesce((`+back+`), 0), attempt_seq=0, attempts=0, first_failed=0, next_at=0
			WHERE webhook_id=$1 AND ($2='' OR session_id=$2) AND `+still+` RETURNING session_id`, hook.ID, string(replay.Session), bound)
		moved, err = dbutil.NewRowIterWithError(rows, dbutil.ScanSingleColumn[session.ID], err).AsList()
		return err
	})
	return moved, failure("rewind webhook", replay.Session, err)
}

func placeholder(n int) string { return "$" + strconv.Itoa(n) }

func isNoRows(err error) bool { return errors.Is(err, sql.ErrNoRows) }
