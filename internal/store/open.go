package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"go.mau.fi/util/dbutil"
	sqlite3 "modernc.org/sqlite/lib"

	"wasup/internal/session"
)

// maxReaders is the size of the readers' pool. Most reads are short, so a few connections are enough.
const maxReaders = 4

// Open opens the database that dsn names and upgrades its schema to this version:
//
//	sqlite:PATH                                  an absolute or a relative path; the file is created if it is missing
//	postgres://USER:PASSWORD@HOST:PORT/DATABASE  an existing database, encoded in UTF8; postgresql:// is the same
//
// If Open fails, it removes the files that it created. The database is locked for this process until Close.
//
// Errors are *session.Error whose Message is one line for the operator. It can name the path or the server, but never
// contains a password. Codes: CodeInvalidRequest (Field "store.dsn": unknown scheme, a directory, not a database),
// CodeStoreLocked (another process has the database), CodeStoreFull, CodeStoreUnavailable (no server, not writable,
// damaged, written by a newer version).
func Open(ctx context.Context, dsn string, options Options) (*Store, error) {
	options = options.withDefaults()
	if isPostgres(dsn) {
		cfg, err := parsePostgres(dsn, options)
		if err != nil {
			return nil, err
		}
		st, err := openPostgres(ctx, cfg, options)
		if err != nil {
			return nil, postgresFailure(cfg, err)
		}
		return st, nil
	}
	path, err := parseDSN(dsn)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(path); options.MustExist && errors.Is(err, fs.ErrNotExist) {
		return nil, badDSN(nil, "database %s does not exist", path)
	}
	file, err := claim(path)
	if err != nil {
		return nil, err
	}
	st, err := openFile(ctx, file, options)
	if err != nil {
		file.abandon()
		return nil, openFailure(file.path, err)
	}
	if slices.Contains(file.created, file.path) {
		options.Logger.Warn("a new, empty database was created; if there should be sessions, check store.dsn and the working directory", "database", file.path)
	}
	return st, nil
}

func isPostgres(dsn string) bool {
	return strings.HasPrefix(dsn, "postgres://") || strings.HasPrefix(dsn, "postgresql://")
}

const supported = "sqlite:PATH or " + postgresExample

func parseDSN(dsn string) (string, error) {
	scheme, path, ok := strings.Cut(dsn, ":")
	switch {
	case !ok || scheme == "":
		return "", badDSN(nil, "store.dsn: expected sqlite:PATH, for example sqlite:./data/wasup.db, or %s", postgresExample)
	case scheme == "postgres" || scheme == "postgresql":
		return "", badDSN(nil, "store.dsn: expected %s", postgresExample)
	case scheme != "sqlite":
		// The message repeats only the scheme: the rest may contain a password.
		return "", badDSN(nil, "store.dsn: unknown scheme %q; supported is %s", scheme, supported)
	case path == "" || strings.HasSuffix(path, "/"):
		return "", badDSN(nil, "store.dsn: sqlite: needs the path of a file, for example sqlite:./data/wasup.db")
	case strings.HasPrefix(path, ":memory:"):
		return "", badDSN(nil, "store.dsn: a database in memory would lose every pairing; expected sqlite:PATH")
	case strings.HasPrefix(path, "//") && !strings.HasPrefix(path, "///"):
		return "", badDSN(nil, "store.dsn: expected sqlite:PATH or sqlite:///ABSOLUTE/PATH")
	case strings.ContainsAny(path, "?\x00"):
		return "", badDSN(nil, "store.dsn: options after the path are not supported; expected sqlite:PATH")
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", badDSN(err, "store.dsn: the working directory cannot be read, so give an absolute path")
	}
	return abs, nil
}

func badDSN(cause error, format string, args ...any) error {
	return &session.Error{
		Code: session.CodeInvalidRequest, Op: "open database", Field: "store.dsn",
		Message: fmt.Sprintf(format, args...), Err: cause,
	}
}

// openFile opens the connection pools of a claimed file and upgrades its schema.
//
// The writer is one connection. SQLite allows one writer at a time anyway. Waiting in the pool is fair and ends with
// the caller's context; many connections would poll for the lock of the file. Measured with 500 clients on one file:
// 1,585 messages a second with one connection, 909 with many; p99 408 ms and 3.5 s.
//
// synchronous=FULL: in WAL mode NORMAL survives kill -9 too, but a power cut undoes the commits since the last
// checkpoint. Accepted messages must survive a power cut. So must whatsmeow's ratchets and prekeys in the same file:
// after a ratchet has gone back, recipients cannot decrypt new messages. The cost is one flush for each commit: 0.28 ms
// a commit instead of 0.08 ms (BenchmarkLedger on a virtual disk). fdatasync instead of fsync made no measurable
// difference there, so the driver's process-wide switch for it is unchanged.
//
// secure_delete: SQLite overwrites deleted texts, ratchets and keys. Otherwise they would stay readable on free pages.
// Its cost was not measurable in the same benchmark.
//
// Readers have their own pool, so that a status request does not wait for commits: 0.05 ms instead of 0.44 ms next to a
// busy writer (BenchmarkLoadBesideWriter).
func openFile(ctx context.Context, file *databaseFile, options Options) (*Store, error) {
	if err := checkForeign(ctx, file.path, options); err != nil {
		return nil, err
	}
	condition := newCondition(options.Logger)
	write, err := openPool(file.path, 1, options, condition, "immediate", url.Values{
		"_journal_mode": {"WAL"}, "_synchronous": {"FULL"}, "_pragma": {"secure_delete(1)"},
	})
	if err != nil {
		return nil, err
	}
	if err := prepare(ctx, write); err != nil {
		_ = write.RawDB.Close()
		return nil, err
	}
	read, err := openPool(file.path, maxReaders, options, nil, "deferred", url.Values{"_query_only": {"1"}})
	if err != nil {
		_ = write.RawDB.Close()
		return nil, err
	}
	st := &Store{options: options, name: file.path, write: write, read: read, file: file, condition: condition, appended: newAppendSignal()}
	st.commits = newCommitter(st)
	if err := st.Ping(ctx); err != nil {
		_ = read.RawDB.Close()
		_ = write.RawDB.Close()
		return nil, err
	}
	condition.use(st.name, st.trials(), options.QuietPause)
	return st, nil
}

// errForeign says that a database has tables, but not wasup's version table.
var errForeign = errors.New("the database belongs to another program")

// checkForeign returns errForeign for a database of another program. It runs before the first write, because switching
// the write-ahead log on would change the file. wasup creates its version table before its other tables, in one
// transaction. So a database that has tables but no version table is not wasup's.
func checkForeign(ctx context.Context, path string, options Options) error {
	db, err := openPool(path, 1, options, nil, "deferred", url.Values{"_query_only": {"1"}})
	if err != nil {
		return err
	}
	var tables, ours int
	err = db.QueryRow(ctx, "SELECT COUNT(*), COUNT(CASE WHEN name=$1 THEN 1 END) FROM sqlite_master WHERE type='table'", versionTable).
		Scan(&tables, &ours)
	if err := errors.Join(err, db.RawDB.Close()); err != nil {
		return err
	}
	if tables > 0 && ours == 0 {
		return errForeign
	}
	return nil
}

// errNoWAL says that the file system has no shared memory, such as most network file systems.
var errNoWAL = errors.New("the write-ahead log cannot be switched on")

func prepare(ctx context.Context, write *dbutil.Database) error {
	var mode string
	if err := write.QueryRow(ctx, "PRAGMA journal_mode").Scan(&mode); err != nil {
		return err
	}
	if mode != "wal" {
		return fmt.Errorf("%w: journal mode is %q", errNoWAL, mode)
	}
	return upgrade(ctx, write)
}

func openPool(path string, conns int, options Options, condition *condition, begin string, extra url.Values) (*dbutil.Database, error) {
	query := url.Values{
		"_busy_timeout": {fmt.Sprint(options.BusyTimeout.Milliseconds())},
		"_foreign_keys": {"1"},
		"_txlock":       {begin},
		"_dqs":          {"0"},
	}
	for key, values := range extra {
		query[key] = values
	}
	// A file: URL, so that a '%' or '#' in the path stays part of the path.
	address := url.URL{Scheme: "file", Path: filepath.ToSlash(path), RawQuery: query.Encode()}
	raw, err := sql.Open("sqlite", address.String())
	if err != nil {
		return nil, err
	}
	raw.SetMaxOpenConns(conns)
	raw.SetMaxIdleConns(conns)
	// "sqlite3" is the dialect's name in the database library and in whatsmeow. The driver's name is "sqlite".
	return wrapPool(raw, "sqlite3", path, options, condition)
}

// openFailure turns an error of opening a SQLite file into one with a Message for the operator, in one line.
func openFailure(path string, err error) error {
	e := &session.Error{Code: session.CodeOf(failure("open database", "", err)), Op: "open database", Err: err}
	code := primaryCode(err)
	switch {
	case e.Code == session.CodeStoreFull || errors.Is(err, syscall.ENOSPC):
		e.Code = session.CodeStoreFull
		e.Message = fmt.Sprintf("database %s: the disk is full", path)
	case e.Code == session.CodeStoreLocked:
		e.Message = fmt.Sprintf("database %s is locked by another program", path)
	case errors.Is(err, errForeign):
		return badDSN(err, "store.dsn: database %s belongs to another program: it has tables, but none of wasup; expected a database of wasup, or a file that does not exist yet", path)
	case newerSchema(err):
		e.Message = fmt.Sprintf("database %s was written by a newer version of wasup; use that version or a later one", path)
	case code == sqlite3.SQLITE_NOTADB:
		e.Message = fmt.Sprintf("database %s is not a SQLite database, or it is damaged", path)
	case code == sqlite3.SQLITE_CORRUPT:
		e.Message = fmt.Sprintf("database %s is damaged; restore it from a backup", path)
	case code == sqlite3.SQLITE_READONLY, code == sqlite3.SQLITE_CANTOPEN, code == sqlite3.SQLITE_PERM,
		errors.Is(err, syscall.EROFS), errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		e.Message = fmt.Sprintf("database %s cannot be written; check the permissions of the file and its directory", path)
	case errors.Is(err, errNoWAL):
		e.Message = fmt.Sprintf("database %s: its file system has no shared memory; use a local disk", path)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		e.Message = fmt.Sprintf("database %s could not be opened in time", path)
	default:
		e.Message = fmt.Sprintf("database %s cannot be opened", path)
	}
	return e
}
