package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"

	"go.mau.fi/util/dbutil"

	"wasup/internal/events"
	"wasup/internal/message"
	"wasup/internal/session"
)

// Events is the durable log.
type Events struct{ store *Store }

var (
	_ events.Table   = (*Events)(nil)
	_ events.Journal = (*Events)(nil)
)

// Events returns the durable log.
func (s *Store) Events() *Events { return &Events{s} }

// Append implements events.Journal. When it returns, all events are committed, in one transaction.
func (e *Events) Append(ctx context.Context, list ...events.Event) error {
	if len(list) == 0 {
		return nil
	}
	err := e.store.Commit(ctx, func(ctx context.Context) error { return e.Insert(ctx, list...) })
	return failure("append events", list[0].Session, err)
}

// Insert appends events as part of a work of Store.Commit; ctx is the context of this work. Positions follow the order
// of the commits, because works run one after the other and the head row stays locked until the commit.
func (e *Events) Insert(ctx context.Context, list ...events.Event) error {
	for i := range list {
		if err := e.insert(ctx, &list[i]); err != nil {
			return failure("append events", list[i].Session, err)
		}
	}
	e.store.appended.markDirty()
	return nil
}

const (
	nextEvent = `
		INSERT INTO wasup_event_head (session_id, last) VALUES ('', 1), ($1, 1)
		ON CONFLICT (session_id) DO UPDATE SET last=wasup_event_head.last+1 RETURNING session_id, last`
	insertEvent = `
		INSERT INTO wasup_event (pos, session_id, seq, at, type, key, data, media, remote)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING`
	// An event whose key is stored already gives its numbers back, so that the numbers have no gaps.
	returnNumbers = "UPDATE wasup_event_head SET last=last-1 WHERE session_id IN ('', $1)"
)

func (e *Events) insert(ctx context.Context, event *events.Event) error {
	if err := checkID(event.Session); err != nil {
		return err
	}
	if event.Type == "" || !json.Valid(event.Data) {
		return &session.Error{
			Code: session.CodeInternal, Op: "append events", Session: event.Session,
			Err: errors.New("an event needs a type and JSON"),
		}
	}
	media, remote, err := remoteColumns(event.Remote)
	if err != nil {
		return err
	}
	db, id := e.store.write, string(event.Session)
	pos, seq, err := e.next(ctx, id)
	if err != nil {
		return err
	}
	done, err := db.Exec(ctx, insertEvent, pos, id, seq, millis(e.store.options.Now()), string(event.Type),
		sql.NullString{String: event.Key, Valid: event.Key != ""}, string(events.Shorten(event.Type, event.Data)), media, remote)
	if err != nil {
		return err
	}
	n, err := done.RowsAffected()
	if err != nil {
		return err
	}
	if n > 0 {
		return e.queueFile(ctx, event, pos)
	}
	_, err = db.Exec(ctx, returnNumbers, id)
	return err
}

// next takes the next position of the log and the next number of the session from the head rows.
func (e *Events) next(ctx context.Context, id string) (pos, seq int64, err error) {
	type head struct {
		of   string
		last int64
	}
	rows, err := e.store.write.Query(ctx, nextEvent, id)
	heads, err := dbutil.NewRowIterWithError(rows, func(row dbutil.Scannable) (h head, err error) {
		return h, row.Scan(&h.of, &h.last)
	}, err).AsList()
	for _, h := range heads {
		if h.of == "" {
			pos = h.last
		} else {
			seq = h.last
		}
	}
	if err == nil && (pos == 0 || seq == 0) {
		err = errors.New("the database returned no numbers for an event")
	}
	return pos, seq, err
}

func remoteColumns(remote *message.Remote) (media, text sql.NullString, err error) {
	if remote == nil {
		return media, text, nil
	}
	encoded, err := json.Marshal(remote)
	return sql.NullString{String: remote.ID, Valid: remote.ID != ""}, sql.NullString{String: string(encoded), Valid: true}, err
}
