package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"wasup/internal/session"
)

// The error codes of PostgreSQL that we handle (https://www.postgresql.org/docs/current/errcodes-appendix.html).
const (
	pgInvalidPassword      = "28P01"
	pgInvalidAuthorization = "28000"
	pgNoDatabase           = "3D000"
	pgDiskFull             = "53100"
	pgTooManyConnections   = "53300"
	pgNoPrivilege          = "42501"
	pgNoSchema             = "3F000"
	pgReadOnly             = "25006"
	pgStarting             = "57P03"
	pgUnknownParameter     = "42704"
	pgUnsupportedParameter = "08P01" // PgBouncer's error for a parameter that it does not track
)

// isPostgresTrouble reports whether a code says that the server cannot take writes at the moment: no connection (08),
// no resources (53), the server ended the statement (57), its system failed (58), its data is damaged (XX), read-only.
func isPostgresTrouble(state string) bool {
	switch state[:2] {
	case "08", "53", "57", "58", "XX":
		return true
	default:
		return state == pgReadOnly
	}
}

func sqlState(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// postgresFailure turns an error of opening a PostgreSQL database into one with a Message for the operator, in one
// line.
func postgresFailure(cfg *pgx.ConnConfig, err error) error {
	var own *session.Error
	if errors.As(err, &own) && own.Message != "" && sqlState(err) != pgReadOnly {
		return err
	}
	e := &session.Error{Code: session.CodeOf(failure("open database", "", err)), Op: "open database", Err: err}
	name := postgresName(cfg)
	var taken *takenError
	var encoding *encodingError
	switch {
	case errors.As(err, &taken):
		e.Code = session.CodeStoreLocked
		e.Message = fmt.Sprintf("database %s is in use by %s", name, taken.by())
	case errors.Is(err, errPooled):
		e.Message = fmt.Sprintf("database %s: the address is a connection pooler, which cannot keep the lock on the database; connect to the server itself", name)
	case errors.As(err, &encoding):
		e.Message = fmt.Sprintf("database %s has the encoding %s; create it with UTF8", name, encoding.encoding)
	case newerSchema(err):
		e.Message = fmt.Sprintf("database %s was written by a newer version of wasup; use that version or a later one", name)
	case sqlState(err) != "":
		e.Message = fmt.Sprintf("database %s: %s", name, refusal(cfg, err))
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		e.Message = fmt.Sprintf("database %s did not answer in time", name)
	case isConnectError(err):
		e.Message = fmt.Sprintf("database %s cannot be reached; check that the server runs there and supports the sslmode", name)
	default:
		e.Message = fmt.Sprintf("database %s cannot be opened", name)
	}
	return e
}

func isConnectError(err error) bool {
	var e *pgconn.ConnectError
	return errors.As(err, &e)
}

// refusal explains an error of the server to the operator.
func refusal(cfg *pgx.ConnConfig, err error) string {
	switch sqlState(err) {
	case pgInvalidPassword, pgInvalidAuthorization:
		return fmt.Sprintf("the server refuses user %q; check the password and pg_hba.conf", cfg.User)
	case pgNoDatabase:
		return "it does not exist; create it with the encoding UTF8"
	case pgTooManyConnections:
		return "the server has no connection left; lower store.max_conns or raise its max_connections"
	case pgNoPrivilege:
		return fmt.Sprintf("user %q may not create tables in it; make it the database's owner, or GRANT CREATE ON SCHEMA", cfg.User)
	case pgNoSchema:
		return fmt.Sprintf("it has no schema that user %q may use; check search_path and GRANT USAGE ON SCHEMA", cfg.User)
	case pgReadOnly:
		return "it is read-only, such as a standby; expected the primary"
	case pgStarting:
		return "the server is starting or stopping; try again"
	case pgDiskFull:
		return "the server's disk is full"
	case pgUnknownParameter, pgUnsupportedParameter:
		return "the server does not know an option after the '?', or the address is a connection pooler; connect to the server itself"
	default:
		return "the server returned an error (code " + sqlState(err) + ")"
	}
}
