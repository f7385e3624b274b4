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

// holdKey is the advisory lock that a process holds on its database: "wasup" in ASCII. Advisory locks belong to one
// database, so others of the same server are not concerned.
const holdKey = 0x77_61_73_75_70

const (
	holdProbe = 5 * time.Second        // how often the lock's connection is asked, and how long it may take to answer
	holdRetry = 250 * time.Millisecond // between two attempts to get the lock
)

// hold is the lock that keeps a second process from running the same sessions: two clients with the same credentials
// replace each other's connection and break each other's ratchets. It lives on a connection of its own, because the
// server frees it when that connection ends.
//
// When the connection is lost, statements are refused until the lock is back, so that nothing is written beside another
// process. A server that restarted gives it back; where another process was faster, it is lost for good.
type hold struct {
	cfg  *pgx.ConnConfig
	log  *slog.Logger
	conn *pgx.Conn
	pid  uint32 // of the server's process behind conn

	held   atomic.Bool
	lost   chan error // gets one error, when the lock is lost for good
	cancel context.CancelFunc
	done   chan struct{}
}

// takeHold waits for the lock as long as BusyTimeout: a process that was killed a moment ago may still have it.
func takeHold(ctx context.Context, cfg *pgx.ConnConfig, options Options) (*hold, error) {
	h := &hold{cfg: cfg, log: options.Logger, lost: make(chan error, 1), done: make(chan struct{})}
	if err := h.connect(ctx); err != nil {
		h.disconnect()
		return nil, err
	}
	patience := time.NewTimer(options.BusyTimeout)
	defer patience.Stop()
	for {
		got, err := h.try(ctx)
		if err == nil && got {
			break
		}
		if err == nil {
			err = h.holder(ctx)
		}
		var taken *takenError
		if errors.As(err, &taken) {
			select {
			case <-time.After(holdRetry):
				continue
			case <-patience.C:
			case <-ctx.Done():
				err = ctx.Err()
			}
		}
		h.disconnect()
		return nil, err
	}
	h.held.Store(true)
	watched, cancel := context.WithCancel(context.Background())
	h.cancel = cancel
	go h.run(watched)
	return h, nil
}

func (h *hold) connect(ctx context.Context) error {
	conn, err := pgx.ConnectConfig(ctx, h.cfg.Copy())
	if err != nil {
		return err
	}
	h.conn, h.pid = conn, conn.PgConn().PID()
	// A pooler numbers its connections itself. It may hand the server's connection that holds the lock to a second
	// process, whose question for the lock the server would then answer with yes.
	var pid uint32
	if err := conn.QueryRow(ctx, "SELECT pg_backend_pid()").Scan(&pid); err != nil {
		return err
	}
	if pid != h.pid {
		return errPooled
	}
	return nil
}

func (h *hold) try(ctx context.Context) (got bool, err error) {
	err = h.conn.QueryRow(ctx, "SELECT pg_try_advisory_lock($1)", int64(holdKey)).Scan(&got)
	return got, err
}

// takenError names the process that has the lock.
type takenError struct {
	pid  uint32 // of the server's process
	name string // the application's name, which is ours if it is a wasup
	from string // its address, "" on a local socket
}

func (e *takenError) Error() string { return "database is in use by " + e.by() }

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

// holder is the *takenError that says who has the lock, with pid 0 where it was freed meanwhile.
func (h *hold) holder(ctx context.Context) error {
	taken := &takenError{}
	err := h.conn.QueryRow(ctx, `
		SELECT l.pid, coalesce(a.application_name, ''), coalesce(host(a.client_addr), '')
		FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid=l.pid WHERE `+lockedByKey,
		int64(holdKey>>32), int64(holdKey&0xffff_ffff)).Scan(&taken.pid, &taken.name, &taken.from)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return err
	}
	return taken
}

// errNotHeld is the answer to statements while the lock is away.
var errNotHeld = errors.New("the lock on the database is being taken again")

// check says whether statements may run.
func (h *hold) check() error {
	if !h.held.Load() {
		return errNotHeld
	}
	return nil
}

func (h *hold) run(ctx context.Context) {
	defer close(h.done)
	defer h.disconnect()
	for {
		err := h.watch(ctx)
		h.held.Store(false)
		if ctx.Err() != nil {
			return
		}
		if !errors.Is(err, errPooled) {
			h.log.Warn("the connection that holds the database's lock was lost; statements are refused until it is back", "err", err)
			if err = h.regain(ctx); err == nil {
				h.log.Info("the database's lock is held again")
				continue
			}
		}
		if ctx.Err() == nil {
			h.lost <- h.lostFor(err)
		}
		return
	}
}

func (h *hold) lostFor(err error) error {
	e := &session.Error{Code: session.CodeStoreLocked, Op: "hold database", Err: err}
	var taken *takenError
	switch {
	case errors.As(err, &taken):
		e.Message = fmt.Sprintf("database %s: the lock on it was lost, and %s has taken it", postgresName(h.cfg), taken.by())
	default:
		e.Message = fmt.Sprintf("database %s: the lock on it is gone, though its connection is not; is there a pooler between?", postgresName(h.cfg))
	}
	return e
}

// errPooled says that something between us and the server hands the server's connections round: they have other numbers
// than we were told, or the lock is not on ours.
var errPooled = errors.New("the connection is not one of the server itself")

// watch returns when the lock's connection is gone. Waiting for a notification, of which none comes, shows the end of
// the connection at once; the question in between shows a server that hangs, and a pooler.
func (h *hold) watch(ctx context.Context) error {
	for {
		wait, cancel := context.WithTimeout(ctx, holdProbe)
		_, err := h.conn.WaitForNotification(wait)
		cancel()
		if ctx.Err() != nil || h.conn.IsClosed() {
			return err
		}
		ask, cancel := context.WithTimeout(ctx, holdProbe)
		var ours bool
		err = h.conn.QueryRow(ask, "SELECT EXISTS(SELECT 1 FROM pg_locks l WHERE l.pid=pg_backend_pid() AND "+lockedByKey+")",
			int64(holdKey>>32), int64(holdKey&0xffff_ffff)).Scan(&ours)
		cancel()
		if err != nil {
			return err
		}
		if !ours {
			return errPooled
		}
	}
}

// regain connects until it has the lock again, or another process has it, or ctx ends.
func (h *hold) regain(ctx context.Context) error {
	before := h.pid
	for {
		err := h.regainOnce(ctx, before)
		var taken *takenError
		if err == nil || errors.Is(err, errPooled) || (errors.As(err, &taken) && taken.pid != 0 && taken.pid != before) {
			return err
		}
		h.log.Debug("the database's lock is not back yet", "err", err)
		select {
		case <-time.After(holdRetry):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (h *hold) regainOnce(ctx context.Context, before uint32) error {
	h.disconnect()
	bounded, cancel := context.WithTimeout(ctx, holdProbe)
	defer cancel()
	if err := h.connect(bounded); err != nil {
		return err
	}
	got, err := h.try(bounded)
	if err != nil {
		return err
	}
	if got {
		h.held.Store(true)
		return nil
	}
	err = h.holder(bounded)
	var taken *takenError
	if errors.As(err, &taken) && taken.pid == before && taken.name == h.cfg.RuntimeParams["application_name"] {
		// Our own connection, whose end the server has not noticed.
		if _, err := h.conn.Exec(bounded, "SELECT pg_terminate_backend($1)", int32(before)); err != nil { //nolint:gosec // a process number
			return err
		}
	}
	return err
}

func (h *hold) disconnect() {
	if h.conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = h.conn.Close(ctx)
	h.conn = nil
}

// close frees the lock. The pool must be closed before: its statements need the lock.
func (h *hold) close() {
	h.cancel()
	<-h.done
}
