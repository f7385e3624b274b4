package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"go.mau.fi/util/dbutil"

	"wasup/internal/events"
	"wasup/internal/media/incoming"
	"wasup/internal/session"
)

// Kept is the table of the files of incoming messages that wasup keeps, or is going to keep, on disk.
type Kept struct{ store *Store }

var _ incoming.Entries = (*Kept)(nil)

// Kept returns the table of kept files.
func (s *Store) Kept() *Kept { return &Kept{s} }

// queueFile adds an event's file to the files to fetch, in the transaction that adds the event.
func (e *Events) queueFile(ctx context.Context, event *events.Event, pos int64) error {
	remote := event.Remote
	if !e.store.options.KeepMedia || remote == nil || remote.ID == "" {
		return nil
	}
	var name [16]byte
	_, _ = rand.Read(name[:]) // never fails: crypto/rand ends the process instead of returning an error
	_, err := e.store.write.Exec(ctx, `
		INSERT INTO wasup_kept (file, session_id, media, pos, kind, size, state) VALUES ($1, $2, $3, $4, $5, $6, 'waiting')
		ON CONFLICT DO NOTHING`,
		hex.EncodeToString(name[:]), string(event.Session), remote.ID, pos, string(remote.Kind), max(0, remote.Length))
	return err
}

const keptColumns = "file, session_id, media, pos, kind, size, state, cause, attempts, next_at"

func scanKept(row dbutil.Scannable) (e incoming.Entry, err error) {
	var next int64
	err = row.Scan(&e.File, &e.Session, &e.Media, &e.Pos, &e.Kind, &e.Size, &e.State, &e.Cause, &e.Attempts, &next)
	e.NextAt = timeOf(next)
	return e, err
}

// Sessions implements incoming.Pending.
func (k *Kept) Sessions(ctx context.Context) ([]session.ID, error) {
	rows, err := k.store.read.Query(ctx, "SELECT DISTINCT session_id FROM wasup_kept WHERE state='waiting' ORDER BY session_id")
	all, err := dbutil.NewRowIterWithError(rows, dbutil.ScanSingleColumn[session.ID], err).AsList()
	return all, failure("list files to fetch", "", err)
}

// Next implements incoming.Pending.
func (k *Kept) Next(ctx context.Context, id session.ID) (incoming.Entry, bool, error) {
	entry, err := scanKept(k.store.read.QueryRow(ctx,
		"SELECT "+keptColumns+" FROM wasup_kept WHERE session_id=$1 AND state='waiting' ORDER BY next_at, pos LIMIT 1", string(id)))
	if errors.Is(err, sql.ErrNoRows) {
		return incoming.Entry{}, false, nil
	}
	return entry, err == nil, failure("find file to fetch", id, err)
}

// Retry implements incoming.Pending.
func (k *Kept) Retry(ctx context.Context, file string, cause session.Code, attempts int, next time.Time) error {
	_, err := k.change(ctx, "UPDATE wasup_kept SET cause=$2, attempts=$3, next_at=$4 WHERE file=$1 AND state='waiting'",
		file, string(cause), attempts, millis(next))
	return err
}

// Settle implements incoming.Pending.
func (k *Kept) Settle(ctx context.Context, file string, state incoming.State, cause session.Code, size int64) (bool, error) {
	n, err := k.change(ctx, "UPDATE wasup_kept SET state=$2, cause=$3, size=$4 WHERE file=$1 AND state='waiting'",
		file, string(state), string(cause), size)
	return n > 0, err
}

func (k *Kept) change(ctx context.Context, query string, args ...any) (n int, err error) {
	err = k.store.Commit(ctx, func(ctx context.Context) error {
		done, err := k.store.write.Exec(ctx, query, args...)
		if err != nil {
			return err
		}
		changed, err := done.RowsAffected()
		n = int(changed)
		return err
	})
	return n, failure("change kept files", "", err)
}

// Find implements incoming.Index.
func (k *Kept) Find(ctx context.Context, id session.ID, media string) (incoming.Entry, error) {
	entry, err := scanKept(k.store.read.QueryRow(ctx,
		"SELECT "+keptColumns+" FROM wasup_kept WHERE session_id=$1 AND media=$2 AND state<>'gone'", string(id), media))
	if errors.Is(err, sql.ErrNoRows) {
		return entry, notFound("find kept file", id)
	}
	return entry, failure("find kept file", id, err)
}

// Usage implements incoming.Index.
func (k *Kept) Usage(ctx context.Context) (u incoming.Usage, err error) {
	err = k.store.read.QueryRow(ctx, "SELECT count(*), coalesce(sum(size), 0) FROM wasup_kept WHERE state='kept'").Scan(&u.Files, &u.Bytes)
	if err == nil {
		err = k.store.read.QueryRow(ctx, "SELECT count(*) FROM wasup_kept WHERE state='waiting'").Scan(&u.Waiting)
	}
	return u, failure("count kept files", "", err)
}

// List implements incoming.Index.
func (k *Kept) List(ctx context.Context, after string, limit int) ([]incoming.Entry, error) {
	return k.entries(ctx, "state='kept' AND file>$1 ORDER BY file LIMIT $2", after, limit)
}

// Oldest implements incoming.Trash.
func (k *Kept) Oldest(ctx context.Context, limit int) ([]incoming.Entry, error) {
	return k.entries(ctx, "state='kept' ORDER BY pos LIMIT $1", limit)
}

func (k *Kept) entries(ctx context.Context, where string, args ...any) ([]incoming.Entry, error) {
	rows, err := k.store.read.Query(ctx, "SELECT "+keptColumns+" FROM wasup_kept WHERE "+where, args...)
	all, err := dbutil.NewRowIterWithError(rows, scanKept, err).AsList()
	return all, failure("list kept files", "", err)
}

// Which implements incoming.Index.
func (k *Kept) Which(ctx context.Context, files []string) ([]string, error) {
	if len(files) == 0 {
		return nil, nil
	}
	names, args := inList(files)
	rows, err := k.store.read.Query(ctx, "SELECT file FROM wasup_kept WHERE state='kept' AND file IN ("+names+")", args...)
	all, err := dbutil.NewRowIterWithError(rows, dbutil.ScanSingleColumn[string], err).AsList()
	return all, failure("look up kept files", "", err)
}

// Again implements incoming.Index.
func (k *Kept) Again(ctx context.Context, file string) error {
	_, err := k.change(ctx, "UPDATE wasup_kept SET state='waiting', cause='', attempts=0, next_at=0 WHERE file=$1 AND state='kept'", file)
	return err
}

// RetentionFloor implements incoming.Trash.
func (k *Kept) RetentionFloor(ctx context.Context, before time.Time) (uint64, error) {
	log := k.store.Events()
	first, _, err := log.Bounds(ctx)
	if err != nil {
		return 0, err
	}
	upTo := max(first, 1) - 1
	if before.IsZero() {
		return upTo, nil
	}
	pos, err := log.At(ctx, before)
	return max(upTo, pos), err
}

// Expire implements incoming.Trash.
func (k *Kept) Expire(ctx context.Context, upTo uint64, limit int) (int, error) {
	return k.change(ctx, `
		UPDATE wasup_kept SET state='gone' WHERE file IN (
			SELECT file FROM wasup_kept WHERE state<>'gone' AND pos<=$1 ORDER BY pos LIMIT $2)`, int64(min(upTo, math.MaxInt64)), limit)
}

// Discard implements incoming.Trash.
func (k *Kept) Discard(ctx context.Context, files []string) error {
	if len(files) == 0 {
		return nil
	}
	names, args := inList(files)
	_, err := k.change(ctx, "UPDATE wasup_kept SET state='gone' WHERE file IN ("+names+")", args...)
	return err
}

// Gone implements incoming.Trash.
func (k *Kept) Gone(ctx context.Context, limit int) ([]string, error) {
	rows, err := k.store.read.Query(ctx, "SELECT file FROM wasup_kept WHERE state='gone' ORDER BY file LIMIT $1", limit)
	all, err := dbutil.NewRowIterWithError(rows, dbutil.ScanSingleColumn[string], err).AsList()
	return all, failure("list files to remove", "", err)
}

// Forget implements incoming.Trash.
func (k *Kept) Forget(ctx context.Context, files []string) error {
	if len(files) == 0 {
		return nil
	}
	names, args := inList(files)
	_, err := k.change(ctx, "DELETE FROM wasup_kept WHERE state='gone' AND file IN ("+names+")", args...)
	return err
}

// discardFiles marks the files of a deleted session for removal, as part of a transaction.
func (s *Store) discardFiles(ctx context.Context, id session.ID) error {
	_, err := s.write.Exec(ctx, "UPDATE wasup_kept SET state='gone' WHERE session_id=$1 AND state<>'gone'", string(id))
	return err
}

// inList returns the placeholders and arguments for an SQL IN list.
func inList(values []string) (names string, args []any) {
	places := make([]string, len(values))
	for i, value := range values {
		places[i] = fmt.Sprintf("$%d", i+1)
		args = append(args, value)
	}
	return strings.Join(places, ", "), args
}
