package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"go.mau.fi/util/dbutil"

	"wasup/internal/session"
)

// Sessions is the table of sessions. Only Create and SetDesired insert rows, and only Delete removes them, all on a
// person's request; observed states never insert a row. Errors are *session.Error with the codes that each method
// names, or a code of the store. A failed read is an error and never "no row".
type Sessions struct{ store *Store }

// Sessions returns the table of sessions.
func (s *Store) Sessions() *Sessions { return &Sessions{s} }

const sessionColumns = `id, desired, device_jid, state, cause, until, last_error, last_cause,
	account_jid, account_lid, push_name, created_at, updated_at, connected_at, disconnect_at,
	name, metadata, proxy`

func scanSession(row dbutil.Scannable) (session.Record, error) {
	var r session.Record
	var until, created, updated, connected, disconnected int64
	var metadata string
	err := row.Scan(&r.ID, &r.Desired, &r.DeviceJID, &r.State, &r.Cause, &until, &r.LastError, &r.LastCause,
		&r.Account.JID, &r.Account.LID, &r.Account.PushName, &created, &updated, &connected, &disconnected,
		&r.Settings.Name, &metadata, &r.Settings.Proxy)
	if err != nil {
		return r, err
	}
	r.Until, r.CreatedAt, r.UpdatedAt = timeOf(until), timeOf(created), timeOf(updated)
	r.ConnectedAt, r.DisconnectAt = timeOf(connected), timeOf(disconnected)
	r.Settings.Metadata, err = readMetadata(metadata)
	return r, err
}

// Load returns the row of a session, or false if there is none.
func (s *Sessions) Load(ctx context.Context, id session.ID) (session.Record, bool, error) {
	record, err := scanSession(s.store.read.QueryRow(ctx, "SELECT "+sessionColumns+" FROM wasup_session WHERE id=$1", string(id)))
	if errors.Is(err, sql.ErrNoRows) {
		return session.Record{}, false, nil
	}
	if err != nil {
		return session.Record{}, false, failure("load session", id, err)
	}
	return record, true, nil
}

// List returns every row, ordered by id.
func (s *Sessions) List(ctx context.Context) ([]session.Record, error) {
	rows, err := s.store.read.Query(ctx, "SELECT "+sessionColumns+" FROM wasup_session ORDER BY id")
	records, err := dbutil.NewRowIterWithError(rows, scanSession, err).AsList()
	if err != nil {
		return nil, failure("list sessions", "", err)
	}
	return records, nil
}

// SetDesired stores the desired state of a session and returns its row. It inserts the row if there is none.
// CodeWrongState: the session is being deleted, and another state is desired. A deletion that has begun is not undone,
// because the device may be unlinked already.
func (s *Sessions) SetDesired(ctx context.Context, id session.ID, desired session.Desired) (session.Record, error) {
	const op = "set desired"
	if err := checkDesired(op, id, desired); err != nil {
		return session.Record{}, err
	}
	var record session.Record
	err := s.store.write.DoTxn(ctx, nil, func(ctx context.Context) error {
		done, err := s.store.write.Exec(ctx, `
			INSERT INTO wasup_session (id, desired, state, cause, last_cause, created_at, updated_at)
			VALUES ($1, $2, $3, $4, $4, $5, $5)
			ON CONFLICT (id) DO UPDATE SET desired=excluded.desired, updated_at=excluded.updated_at
			WHERE wasup_session.desired<>$6 OR excluded.desired=$6`,
			string(id), string(desired), string(session.NotInitialized), string(session.CauseNone),
			millis(s.store.options.Now()), string(session.DesiredDelete))
		if err != nil {
			return err
		}
		if n, err := done.RowsAffected(); err != nil || n == 0 {
			return firstErr(err, &session.Error{
				Code: session.CodeWrongState, Op: op, Session: id, Message: "the session is being deleted",
			})
		}
		record, err = scanSession(s.store.write.QueryRow(ctx, "SELECT "+sessionColumns+" FROM wasup_session WHERE id=$1", string(id)))
		return err
	})
	if err != nil {
		return session.Record{}, failure(op, id, err)
	}
	return record, nil
}

// bindKey is the key of the PostgreSQL advisory lock around BindDevice.
const bindKey = lockKey + 1

// BindDevice binds a session to the stored device with this JID; "" unbinds it. A device belongs to one session: if
// another session has it, BindDevice unbinds that one, because two sessions with the same credentials would replace
// each other's connection again and again. CodeNotFound: the session has no row, and jid is not "".
func (s *Sessions) BindDevice(ctx context.Context, id session.ID, jid string) error {
	now := millis(s.store.options.Now())
	err := s.store.write.DoTxn(ctx, nil, func(ctx context.Context) error {
		if s.store.postgres() {
			// Run one BindDevice at a time, as SQLite does. Otherwise two sessions that bind one device at the same time would
			// violate its unique index, and two that take over each other's device would deadlock.
			if _, err := s.store.write.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", int64(bindKey)); err != nil {
				return err
			}
		}
		if jid != "" {
			taken, err := s.store.write.Exec(ctx,
				"UPDATE wasup_session SET device_jid='', updated_at=$3 WHERE device_jid=$1 AND device_jid <> '' AND id<>$2", jid, string(id), now)
			if err != nil {
				return err
			}
			// A device number that WhatsApp gives again is linked anew: nothing is left to unlink.
			if _, err = s.store.write.Exec(ctx, "DELETE FROM wasup_unlink WHERE device_jid=$1", jid); err != nil {
				return err
			}
			if n, err := taken.RowsAffected(); err == nil && n > 0 {
				s.store.options.Logger.Warn("the session took over a device of another session", "session", id)
			}
		}
		bound, err := s.store.write.Exec(ctx,
			"UPDATE wasup_session SET device_jid=$1, updated_at=$3 WHERE id=$2", jid, string(id), now)
		if err != nil {
			return err
		}
		if n, err := bound.RowsAffected(); err != nil || (n == 0 && jid != "") {
			return firstErr(err, notFound("bind device", id))
		}
		return nil
	})
	return failure("bind device", id, err)
}

// DeviceOf returns the JID of the session's device. It is "" if no device is bound or there is no row.
func (s *Sessions) DeviceOf(ctx context.Context, id session.ID) (string, error) {
	var jid string
	err := s.store.read.QueryRow(ctx, "SELECT device_jid FROM wasup_session WHERE id=$1", string(id)).Scan(&jid)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return "", failure("look up device", id, err)
	}
	return jid, nil
}

// SaveObserved stores the observed state of a session: state, cause, until, last error and cause, account and the two
// connection times. It changes neither the desired state nor the device. CodeNotFound: there is no row. So a session
// that was deleted in between is not inserted again.
func (s *Sessions) SaveObserved(ctx context.Context, r session.Record) error {
	done, err := s.store.write.Exec(ctx, `
		UPDATE wasup_session SET state=$2, cause=$3, until=$4, last_error=$5, last_cause=$6,
			account_jid=$7, account_lid=$8, push_name=$9, connected_at=$10, disconnect_at=$11, updated_at=$12
		WHERE id=$1`,
		string(r.ID), string(r.State), string(r.Cause), millis(r.Until), clean(r.LastError), string(r.LastCause),
		clean(r.Account.JID), clean(r.Account.LID), clean(r.Account.PushName), millis(r.ConnectedAt), millis(r.DisconnectAt),
		millis(s.store.options.Now()))
	if err != nil {
		return failure("save session", r.ID, err)
	}
	if n, err := done.RowsAffected(); err != nil || n == 0 {
		return failure("save session", r.ID, firstErr(err, notFound("save session", r.ID)))
	}
	return nil
}

// Delete removes the session's row, its outgoing messages, its webhooks and the dead letters, attempts and gaps that
// other webhooks have of it, and marks its kept files for removal. To delete a session that has no row is no error.
func (s *Sessions) Delete(ctx context.Context, id session.ID) error {
	// Through Commit, because running deliveries write to the webhooks' rows too.
	err := s.store.Commit(ctx, func(ctx context.Context) error {
		if _, err := s.store.write.Exec(ctx, "DELETE FROM wasup_outbox WHERE session_id=$1", string(id)); err != nil {
			return err
		}
		if err := s.store.Timers().Forget(ctx, id); err != nil {
			return err
		}
		if err := s.store.deleteWebhookData(ctx, id); err != nil {
			return err
		}
		if err := s.store.discardFiles(ctx, id); err != nil {
			return err
		}
		_, err := s.store.write.Exec(ctx, "DELETE FROM wasup_session WHERE id=$1", string(id))
		return err
	})
	return failure("delete session", id, err)
}

func checkDesired(op string, id session.ID, desired session.Desired) error {
	if err := checkID(id); err != nil {
		return err
	}
	switch desired {
	case session.DesiredRun, session.DesiredStop, session.DesiredDelete:
		return nil
	default:
		return &session.Error{
			Code: session.CodeInvalidRequest, Op: op, Session: id, Field: "desired",
			Message: fmt.Sprintf("desired: %q is not one of run, stop, delete", string(desired)),
		}
	}
}

// firstErr returns err, or otherwise if err is nil.
func firstErr(err, otherwise error) error {
	if err != nil {
		return err
	}
	return otherwise
}
