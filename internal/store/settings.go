package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"wasup/internal/session"
)

// Create inserts the row of a new session and returns it. CodeExists: there is a row already, maybe of a session that
// is being deleted. CodeInvalidRequest: Settings.Check refuses the settings.
func (s *Sessions) Create(
	ctx context.Context, id session.ID, desired session.Desired, settings session.Settings,
) (session.Record, error) {
	const op = "create session"
	if err := checkDesired(op, id, desired); err != nil {
		return session.Record{}, err
	}
	metadata, err := writeMetadata(op, id, settings)
	if err != nil {
		return session.Record{}, err
	}
	var record session.Record
	err = s.store.write.DoTxn(ctx, nil, func(ctx context.Context) error {
		done, err := s.store.write.Exec(ctx, `
			INSERT INTO wasup_session (id, desired, state, cause, last_cause, created_at, updated_at, name, metadata, proxy)
			VALUES ($1, $2, $3, $4, $4, $5, $5, $6, $7, $8)
			ON CONFLICT (id) DO NOTHING`,
			string(id), string(desired), string(session.NotInitialized), string(session.CauseNone),
			millis(s.store.options.Now()), settings.Name, metadata, settings.Proxy)
		if err != nil {
			return err
		}
		if n, err := done.RowsAffected(); err != nil || n == 0 {
			return firstErr(err, &session.Error{Code: session.CodeExists, Op: op, Session: id})
		}
		record, err = scanSession(s.store.write.QueryRow(ctx, "SELECT "+sessionColumns+" FROM wasup_session WHERE id=$1", string(id)))
		return err
	})
	if err != nil {
		return session.Record{}, failure(op, id, err)
	}
	return record, nil
}

// SaveSettings replaces a session's settings and returns its row. CodeNotFound: there is no row. CodeInvalidRequest:
// Settings.Check refuses the settings.
func (s *Sessions) SaveSettings(ctx context.Context, id session.ID, settings session.Settings) (session.Record, error) {
	const op = "save settings"
	metadata, err := writeMetadata(op, id, settings)
	if err != nil {
		return session.Record{}, err
	}
	var record session.Record
	err = s.store.write.DoTxn(ctx, nil, func(ctx context.Context) error {
		done, err := s.store.write.Exec(ctx,
			"UPDATE wasup_session SET name=$2, metadata=$3, proxy=$4, updated_at=$5 WHERE id=$1",
			string(id), settings.Name, metadata, settings.Proxy, millis(s.store.options.Now()))
		if err != nil {
			return err
		}
		if n, err := done.RowsAffected(); err != nil || n == 0 {
			return firstErr(err, notFound(op, id))
		}
		record, err = scanSession(s.store.write.QueryRow(ctx, "SELECT "+sessionColumns+" FROM wasup_session WHERE id=$1", string(id)))
		return err
	})
	if err != nil {
		return session.Record{}, failure(op, id, err)
	}
	return record, nil
}

// ProxyOf returns the session's proxy. It is "" if none is set or there is no row. A caller that connects must not
// treat an error as "no proxy": the connection would reveal the address that the proxy hides.
func (s *Sessions) ProxyOf(ctx context.Context, id session.ID) (string, error) {
	var proxy string
	err := s.store.read.QueryRow(ctx, "SELECT proxy FROM wasup_session WHERE id=$1", string(id)).Scan(&proxy)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return "", failure("look up proxy", id, err)
	}
	return proxy, nil
}

// writeMetadata checks the settings and returns their metadata as stored, a JSON object of strings.
func writeMetadata(op string, id session.ID, settings session.Settings) (string, error) {
	if err := settings.Check(); err != nil {
		return "", err
	}
	// PostgreSQL cannot store a zero byte in text, and no name needs one. In metadata JSON escapes it.
	if strings.ContainsRune(settings.Name, 0) {
		return "", &session.Error{
			Code: session.CodeInvalidRequest, Op: op, Session: id, Field: "name", Message: "name: expected text without a zero byte",
		}
	}
	if len(settings.Metadata) == 0 {
		return "{}", nil
	}
	text, err := json.Marshal(settings.Metadata)
	if err != nil {
		return "", &session.Error{Code: session.CodeInternal, Op: op, Session: id, Err: err}
	}
	return string(text), nil
}

// readMetadata parses stored metadata. It returns nil for an empty object, because nil and an empty map are stored
// alike.
func readMetadata(text string) (map[string]string, error) {
	var metadata map[string]string
	if err := json.Unmarshal([]byte(text), &metadata); err != nil {
		return nil, fmt.Errorf("column metadata is not a JSON object of strings: %w", err)
	}
	if len(metadata) == 0 {
		return nil, nil
	}
	return metadata, nil
}
