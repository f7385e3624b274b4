package store

import (
	"errors"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"wasup/internal/session"
)

// failure turns a database error into a *session.Error with a code. The driver's text goes into Err only, because it
// can contain SQL and paths.
func failure(op string, id session.ID, err error) error {
	if err == nil {
		return nil
	}
	var own *session.Error
	if errors.As(err, &own) {
		return err
	}
	e := &session.Error{Code: session.CodeStoreUnavailable, Op: op, Session: id, Message: answer(err), Err: err}
	if sqlState(err) == pgDiskFull {
		e.Code = session.CodeStoreFull
	}
	switch primaryCode(err) {
	case sqlite3.SQLITE_FULL:
		e.Code = session.CodeStoreFull
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		e.Code = session.CodeStoreLocked
	case sqlite3.SQLITE_IOERR:
		// SQLite extends its shared-memory file by truncation, which reports a full disk with this code.
		if extendedCode(err) == sqlite3.SQLITE_IOERR_SHMSIZE {
			e.Code = session.CodeStoreFull
		}
	}
	return e
}

// answer returns the sentence for an error that is the database's answer. It is "" if the code says enough, or if the
// database did not answer.
func answer(err error) string {
	if primaryCode(err) == sqlite3.SQLITE_READONLY || sqlState(err) == pgReadOnly {
		return "The database is read-only."
	}
	return ""
}

// primaryCode returns SQLite's primary result code (https://sqlite.org/rescode.html), or 0 for another error.
func primaryCode(err error) int { return extendedCode(err) & 0xff }

func extendedCode(err error) int {
	var e *sqlite.Error
	if errors.As(err, &e) {
		return e.Code()
	}
	return 0
}

func notFound(op string, id session.ID) error {
	return &session.Error{Code: session.CodeNotFound, Op: op, Session: id}
}
