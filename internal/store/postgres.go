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
	// silenceGrace is what the client waits beyond the server's own statement_timeout, whose error says more.
	silenceGrace = 5 * time.Second
	// connLifetime closes connections now and then, so that a fleet of them moves after a fail-over.
	connLifetime = time.Hour
)

const postgresExample = "postgres://USER:PASSWORD@HOST:5432/DATABASE?sslmode=verify-full"

// parsePostgres reads a DSN and adds our bounds. What the DSN says itself wins, and so do libpq's variables (PGPASSWORD,
// PGSSLROOTCERT and so on) over defaults. Its errors repeat nothing of the DSN: the password could be anywhere in one
// that cannot be read.
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
	if len(host) > 32 { // the server cuts names at 63 bytes, and the pid must survive
		host = host[:32]
	}
	for name, value := range map[string]string{
		"application_name":  fmt.Sprintf("wasup on %s, pid %d", host, os.Getpid()),
		"statement_timeout": strconv.FormatInt(options.AnswerTimeout.Milliseconds(), 10),
		// A process that vanished in the middle of a transaction must not keep its locks.
		"idle_in_transaction_session_timeout": "60000",
		// Nor the lock on the database: the server finds out within half a minute.
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
		return &boundedConn{Conn: conn, bound: options.AnswerTimeout + silenceGrace}, nil
	}
	return cfg, nil
}

// openPostgres takes the lock on the database and opens the one pool of the process.
//
// Durability is the server's: synchronous_commit is on by default, and an accepted message needs it.
func openPostgres(ctx context.Context, cfg *pgx.ConnConfig, options Options) (*Store, error) {
	held, err := takeHold(ctx, cfg, options)
	if err != nil {
		return nil, err
	}
	db, err := openPostgresPool(cfg, held, options)
	if err != nil {
		held.close()
		return nil, err
	}
	st := &Store{options: options, name: postgresName(cfg), write: db, read: db, hold: held, appended: newGrowth()}
	st.commits = newCommitter(st)
	err = checkEncoding(ctx, db)
	if err == nil {
		err = upgrade(ctx, db)
	}
	if err == nil {
		err = st.Ping(ctx)
	}
	if err != nil {
		_ = db.RawDB.Close()
		held.close()
		return nil, err
	}
	return st, nil
}

func openPostgresPool(cfg *pgx.ConnConfig, held *hold, options Options) (*dbutil.Database, error) {
	raw := sql.OpenDB(connector{stdlib.GetConnector(*cfg,
		stdlib.OptionBeforeConnect(func(context.Context, *pgx.ConnConfig) error { return held.check() }),
		stdlib.OptionResetSession(func(context.Context, *pgx.Conn) error {
			if held.check() != nil {
				return driver.ErrBadConn // the answer that makes the pool drop a connection; the next connect tells the reason
			}
			return nil
		}))})
	raw.SetMaxOpenConns(options.MaxConns)
	raw.SetMaxIdleConns(min(options.IdleConns, options.MaxConns))
	raw.SetConnMaxIdleTime(options.IdleTime)
	raw.SetConnMaxLifetime(connLifetime)
	return wrapPool(raw, "pgx", options)
}

// connector gives every failure to connect the shape of a database's error. Without it whatsmeow's callers could not tell
// a database that is away from a network that is: both are a refused connection.
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

// SQLState is the SQL standard's connection_exception.
func (e *noConnectionError) SQLState() string { return "08000" }

func wrapPool(raw *sql.DB, dialect string, options Options) (*dbutil.Database, error) {
	db, err := dbutil.NewWithDB(raw, dialect)
	if err != nil {
		_ = raw.Close()
		return nil, err
	}
	db.Log = queryLog{options.Logger}
	db.VersionTable = versionTable
	db.UpgradeTable = upgradeTable()
	return db, nil
}

// checkEncoding wants a database that can hold every text there is.
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

func (e *encodingError) Error() string { return "encoding of the database is " + e.encoding }

// postgresName is a database as messages name it: never with a user's password or the options of the DSN.
func postgresName(cfg *pgx.ConnConfig) string {
	return fmt.Sprintf("%s on %s", cmp.Or(cfg.Database, cfg.User), net.JoinHostPort(cfg.Host, strconv.Itoa(int(cfg.Port))))
}
