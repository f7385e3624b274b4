package store

import (
	"cmp"
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"net"
	"net/url"
	"os"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"go.mau.fi/util/dbutil"
)

const (
	// connectTimeout bounds one attempt to reach a server, unless the DSN says connect_timeout.
	connectTimeout = 10 * time.Second
	// answerGrace is how long the client waits after the server's statement_timeout. The server's error comes first then;
	// it says more.
	answerGrace = 5 * time.Second
	// connLifetime is the age at which a connection is closed, so that all connections move after a fail-over.
	connLifetime = time.Hour
)

const postgresExample = "postgres://USER:PASSWORD@HOST:5432/DATABASE?sslmode=verify-full"

// parsePostgres reads a DSN and adds our time limits. Options in the DSN win over ours, and libpq's environment
// variables (PGPASSWORD, PGSSLROOTCERT and so on) win over defaults. The errors repeat no part of the DSN: in a
// malformed one the password could be anywhere.
func parsePostgres(dsn string, options Options) (*pgx.ConnConfig, error) {
	if _, err := url.Parse(dsn); err != nil {
		return nil, badDSN(nil,
			"store.dsn: not a URL; expected %s, with special characters of the password written as %%40 and the like", postgresExample)
	}
	cfg, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, badDSN(nil,
			"store.dsn: the address or one of its options cannot be used (sslmode, a certificate's file, a number); expected %s",
			postgresExample)
	}
	if cfg.ConnectTimeout == 0 || cfg.ConnectTimeout > 2*time.Minute-time.Second { // two minutes is the driver's own default
		cfg.ConnectTimeout = connectTimeout
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown host"
	}
	if len(host) > 32 { // the server cuts names after 63 bytes, and the pid must not be cut off
		host = host[:32]
	}
	for name, value := range map[string]string{
		"application_name":  fmt.Sprintf("wasup on %s, pid %d", host, os.Getpid()),
		"statement_timeout": strconv.FormatInt(options.AnswerTimeout.Milliseconds(), 10),
		// A process that vanished in the middle of a transaction must not keep its row locks.
		"idle_in_transaction_session_timeout": "60000",
		// A vanished process must not keep the lock on the database either: the server notices within half a minute.
		"tcp_keepalives_idle": "15", "tcp_keepalives_interval": "5", "tcp_keepalives_count": "3",
	} {
		cfg.RuntimeParams[name] = cmp.Or(cfg.RuntimeParams[name], value)
	}
	dial := cfg.DialFunc
	cfg.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &boundedConn{Conn: conn, bound: options.AnswerTimeout + answerGrace}, nil
	}
	return cfg, nil
}

// openPostgres takes the lock on the database and opens the one pool of the process.
//
// The server is responsible for durability. synchronous_commit must stay on, as it is by default: accepted messages
// need it.
func openPostgres(ctx context.Context, cfg *pgx.ConnConfig, options Options) (*Store, error) {
	lock, err := takeServerLock(ctx, cfg, options)
	if err != nil {
		return nil, err
	}
	condition := newCondition(options.Logger)
	condition.why = lock.explain
	db, err := openPostgresPool(cfg, lock, options, condition)
	if err != nil {
		lock.close()
		return nil, err
	}
	st := &Store{options: options, name: postgresName(cfg), write: db, read: db, lock: lock, condition: condition, appended: newAppendSignal()}
	st.commits = newCommitter(st)
	err = checkEncoding(ctx, db)
	empty := false
	if err == nil {
		empty, err = withoutTables(ctx, db)
	}
	if err == nil {
		err = upgrade(ctx, db)
	}
	if err == nil {
		err = st.Ping(ctx)
	}
	if err != nil {
		_ = db.RawDB.Close()
		lock.close()
		return nil, err
	}
	condition.use(st.name, st.trials(), options.QuietPause)
	if empty {
		options.Logger.Warn("the tables of a new, empty database were created; if there should be sessions, check store.dsn", "database", st.name)
	}
	return st, nil
}

// withoutTables reports whether wasup has no tables in the database yet.
func withoutTables(ctx context.Context, db *dbutil.Database) (bool, error) {
	exists, err := db.TableExists(ctx, versionTable)
	return !exists, err
}

func openPostgresPool(cfg *pgx.ConnConfig, lock *serverLock, options Options, condition *condition) (*dbutil.Database, error) {
	raw := sql.OpenDB(connector{stdlib.GetConnector(*cfg,
		stdlib.OptionBeforeConnect(func(context.Context, *pgx.ConnConfig) error { return lock.check() }),
		stdlib.OptionResetSession(func(context.Context, *pgx.Conn) error {
			if lock.check() != nil {
				return driver.ErrBadConn // makes the pool drop the connection; the next connect returns the reason
			}
			return nil
		}))})
	raw.SetMaxOpenConns(options.MaxConns)
	raw.SetMaxIdleConns(min(options.IdleConns, options.MaxConns))
	raw.SetConnMaxIdleTime(options.IdleTime)
	raw.SetConnMaxLifetime(connLifetime)
	return wrapPool(raw, "pgx", postgresName(cfg), options, condition)
}

// connector marks every failure to connect as a database error. Otherwise whatsmeow's callers could not tell an
// unreachable database from an unreachable network: both are a refused connection.
type connector struct{ driver.Connector }

// Connect implements driver.Connector.
func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, &noConnectionError{err}
	}
	return conn, nil
}

type noConnectionError struct{ err error }

func (e *noConnectionError) Error() string { return e.err.Error() }
func (e *noConnectionError) Unwrap() error { return e.err }

// SQLState returns the SQL standard's code for connection_exception.
func (e *noConnectionError) SQLState() string { return "08000" }

// wrapPool wraps a pool for the database library. condition learns the outcome of every statement; nil: nobody does.
func wrapPool(raw *sql.DB, dialect, name string, options Options, condition *condition) (*dbutil.Database, error) {
	db, err := dbutil.NewWithDB(raw, dialect)
	if err != nil {
		_ = raw.Close()
		return nil, err
	}
	statements := queryLog{log: options.Logger, name: name}
	if condition != nil {
		statements.note = condition.note
	}
	db.Log = statements
	db.VersionTable = versionTable
	db.UpgradeTable = upgradeTable()
	return db, nil
}

// checkEncoding refuses a database whose encoding is not UTF8, because it cannot store every text.
func checkEncoding(ctx context.Context, db *dbutil.Database) error {
	var encoding string
	if err := db.QueryRow(ctx, "SELECT pg_encoding_to_char(encoding) FROM pg_database WHERE datname=current_database()").Scan(&encoding); err != nil {
		return err
	}
	if encoding != "UTF8" {
		return &encodingError{encoding}
	}
	return nil
}

type encodingError struct{ encoding string }

func (e *encodingError) Error() string { return "the encoding of the database is " + e.encoding }

// postgresName returns the name of a database for messages: database and server, without password and options.
func postgresName(cfg *pgx.ConnConfig) string {
	return fmt.Sprintf("%s on %s", cmp.Or(cfg.Database, cfg.User), net.JoinHostPort(cfg.Host, strconv.Itoa(int(cfg.Port))))
}
