package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"wasup/internal/session"
)

// lockKey is the key of the advisory lock that a process takes on its database: "wasup" in ASCII. An advisory lock
// belongs to one database, so other databases of the server are not locked.
const lockKey = 0x77_61_73_75_70

const (
	lockProbe = 5 * time.Second        // pause between two checks of the lock, and time limit of one check
	lockRetry = 250 * time.Millisecond // pause between two attempts to take the lock
)

// serverLock is the lock that keeps a second process from running the same sessions. Two clients with the same
// credentials would replace each other's connection and break each other's ratchets. The lock has its own connection,
// because the server frees it when that connection ends.
//
// When the connection is lost, serverLock refuses new statements and transactions until it has the lock again, so that
// this process does not write next to another one. After a restart of the server it takes the lock again. If another
// process was faster, the lock is lost for good.
type serverLock struct {
	cfg  *pgx.ConnConfig
	log  *slog.Logger
	conn *pgx.Conn
	pid  uint32 // process id of conn on the server

	locked atomic.Bool
	away   atomic.Pointer[error] // why the lock could not be taken again so far; nil: no attempt has ended
	lost   chan error            // gets one error when the lock is lost for good
	cancel context.CancelFunc
	done   chan struct{}
}

// takeServerLock takes the lock. It waits up to BusyTimeout, because a process that was just killed may still have it.
func takeServerLock(ctx context.Context, cfg *pgx.ConnConfig, options Options) (*serverLock, error) {
	l := &serverLock{cfg: cfg, log: options.Logger, lost: make(chan error, 1), done: make(chan struct{})}
	if err := l.connect(ctx); err != nil {
		l.disconnect()
		return nil, err
	}
	patience := time.NewTimer(options.BusyTimeout)
	defer patience.Stop()
	for {
		got, err := l.try(ctx)
		if err == nil && got {
			break
		}
		if err == nil {
			err = l.holder(ctx)
		}
		var taken *takenError
		if errors.As(err, &taken) {
			select {
			case <-time.After(lockRetry):
				continue
			case <-patience.C:
			case <-ctx.Done():
				err = ctx.Err()
			}
		}
		l.disconnect()
		return nil, err
	}
	l.locked.Store(true)
	watched, cancel := context.WithCancel(context.Background())
	l.cancel = cancel
	go l.run(watched)
	return l, nil
}

func (l *serverLock) connect(ctx context.Context) error {
	conn, err := pgx.ConnectConfig(ctx, l.cfg.Copy())
	if err != nil {
		return err
	}
	l.conn, l.pid = conn, conn.PgConn().PID()
	// A pooler invents its own process ids. It could give the server connection that has the lock to a second process,
	// and that process would then get the lock too.
	var pid uint32
	if err := conn.QueryRow(ctx, "SELECT pg_backend_pid()").Scan(&pid); err != nil {
		return err
	}
	if pid != l.pid {
		return errPooled
	}
	return nil
}

func (l *serverLock) try(ctx context.Context) (got bool, err error) {
	err = l.conn.QueryRow(ctx, "SELECT pg_try_advisory_lock($1)", int64(lockKey)).Scan(&got)
	return got, err
}

// takenError says that another connection has the lock, and which one.
type takenError struct {
	pid  uint32 // process id of that connection on the server; 0: unknown
	name string // its application_name: "wasup on HOST, pid PID" for wasup
	from string // its client address; "" on a local socket
}

func (e *takenError) Error() string { return "the database is in use by " + e.by() }

func (e *takenError) by() string {
	if e.pid == 0 {
		return "another process"
	}
	by := "another process"
	if e.name != "" {
		by += fmt.Sprintf(" (%s", e.name)
		if e.from != "" {
			by += ", connected from " + e.from
		}
		by += ")"
	}
	return by
}

const lockedByKey = `l.locktype='advisory' AND l.granted AND l.objsubid=1 AND l.classid=$1::bigint::oid AND l.objid=$2::bigint::oid
	AND l.database=(SELECT oid FROM pg_database WHERE datname=current_database())`

// holder returns a *takenError that says who has the lock. Its pid is 0 if the lock was freed in between.
func (l *serverLock) holder(ctx context.Context) error {
	taken := &takenError{}
	err := l.conn.QueryRow(ctx, `
		SELECT l.pid, coalesce(a.application_name, ''), coalesce(host(a.client_addr), '')
		FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid=l.pid WHERE `+lockedByKey,
		int64(lockKey>>32), int64(lockKey&0xffff_ffff)).Scan(&taken.pid, &taken.name, &taken.from)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return err
	}
	return taken
}

// errNotLocked is the error of statements while the lock is lost.
var errNotLocked = errors.New("the lock on the database was lost and is being taken again")

// check returns errNotLocked if no new statement may run now. The pool calls it before it connects and before it hands
// out a connection.
func (l *serverLock) check() error {
	if !l.locked.Load() {
		return l.explain(errNotLocked)
	}
	return nil
}

// explain turns errNotLocked into the reason why the lock is not taken: most often the server is away, and the lock is
// only what notices it first.
func (l *serverLock) explain(err error) error {
	away := l.away.Load()
	if away == nil || !errors.Is(err, errNotLocked) {
		return err
	}
	return &session.Error{
		Code: session.CodeStoreUnavailable, Op: "reach database", Message: "The database's server cannot be reached.",
		Err: *away,
	}
}

func (l *serverLock) run(ctx context.Context) {
	defer close(l.done)
	defer l.disconnect()
	for {
		err := l.watch(ctx)
		l.locked.Store(false)
		if ctx.Err() != nil {
			return
		}
		if !errors.Is(err, errPooled) {
			l.log.Warn("the connection to the database's server was lost; statements are refused until wasup has connected and locked the database again", "database", postgresName(l.cfg), "err", err)
			if err = l.regain(ctx); err == nil {
				l.away.Store(nil)
				l.log.Info("the database lock was taken again")
				continue
			}
		}
		if ctx.Err() == nil {
			l.lost <- l.lostError(err)
		}
		return
	}
}

func (l *serverLock) lostError(err error) error {
	e := &session.Error{Code: session.CodeStoreLocked, Op: "lock database", Err: err}
	var taken *takenError
	switch {
	case errors.As(err, &taken):
		e.Message = fmt.Sprintf("database %s: the lock on it was lost, and %s has taken it", postgresName(l.cfg), taken.by())
	default:
		e.Message = fmt.Sprintf("database %s: the lock on it is gone although its connection is open; connect to the server itself and not to a connection pooler", postgresName(l.cfg))
	}
	return e
}

// errPooled says that a pooler is between us and the server: the connection has another process id on the server than
// the one we were told, or the lock is not on our connection.
var errPooled = errors.New("the connection goes through a connection pooler")

// watch returns when the lock or its connection is lost. It waits for a notification, which never comes, because this
// wait ends at once when the connection ends. A query every lockProbe detects a server that hangs, and a pooler.
func (l *serverLock) watch(ctx context.Context) error {
	for {
		wait, cancel := context.WithTimeout(ctx, lockProbe)
		_, err := l.conn.WaitForNotification(wait)
		cancel()
		if ctx.Err() != nil || l.conn.IsClosed() {
			return err
		}
		ask, cancel := context.WithTimeout(ctx, lockProbe)
		var ours bool
		err = l.conn.QueryRow(ask, "SELECT EXISTS(SELECT 1 FROM pg_locks l WHERE l.pid=pg_backend_pid() AND "+lockedByKey+")",
			int64(lockKey>>32), int64(lockKey&0xffff_ffff)).Scan(&ours)
		cancel()
		if err != nil {
			return err
		}
		if !ours {
			return errPooled
		}
	}
}

// regain reconnects until it has the lock again, another process has it, or ctx ends.
func (l *serverLock) regain(ctx context.Context) error {
	before := l.pid
	for {
		err := l.regainOnce(ctx, before)
		var taken *takenError
		if err == nil || errors.Is(err, errPooled) || (errors.As(err, &taken) && taken.pid != 0 && taken.pid != before) {
			return err
		}
		if isConnectError(err) {
			l.away.Store(&err)
		}
		l.log.Debug("the database lock could not be taken yet", "err", err)
		select {
		case <-time.After(lockRetry):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (l *serverLock) regainOnce(ctx context.Context, before uint32) error {
	l.disconnect()
	bounded, cancel := context.WithTimeout(ctx, lockProbe)
	defer cancel()
	if err := l.connect(bounded); err != nil {
		return err
	}
	got, err := l.try(bounded)
	if err != nil {
		return err
	}
	if got {
		l.locked.Store(true)
		return nil
	}
	err = l.holder(bounded)
	var taken *takenError
	if errors.As(err, &taken) && taken.pid == before && taken.name == l.cfg.RuntimeParams["application_name"] {
		// Our previous connection still has the lock: the server has not noticed its end.
		if _, err := l.conn.Exec(bounded, "SELECT pg_terminate_backend($1)", int32(before)); err != nil { //nolint:gosec // a process number
			return err
		}
	}
	return err
}

func (l *serverLock) disconnect() {
	if l.conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = l.conn.Close(ctx)
	l.conn = nil
}

// close frees the lock. The pool must be closed first, because its statements need the lock.
func (l *serverLock) close() {
	l.cancel()
	<-l.done
}
