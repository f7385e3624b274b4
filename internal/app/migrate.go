package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"wasup/internal/session"
	"wasup/internal/store"
	"wasup/internal/store/migrate"
	"wasup/internal/whatsapp"
)

// migrateTimeout bounds one statement of a migration. It is long, because counting or copying a large table takes longer
// than any statement of a running wasup.
const migrateTimeout = 10 * time.Minute

// Migrate copies everything from one database into another, empty one. It opens both databases, which locks them,
// upgrades both schemas to this version and copies all rows. It writes the progress to w, one or more lines for each
// table. total is the number of rows copied. For an invalid DSN, the error has CodeInvalidRequest, and its message
// names the argument, FROM or TO.
func Migrate(ctx context.Context, from, to string, log *slog.Logger, w io.Writer) (total int, err error) {
	source, err := openForMigration(ctx, "FROM", from, log, true)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	target, err := openForMigration(ctx, "TO", to, log, false)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, target.Close()) }()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	go func() {
		select {
		case err := <-source.Lost():
			stop(err)
		case err := <-target.Lost():
			stop(err)
		case <-ctx.Done():
		}
	}()
	err = migrate.Run(ctx, source.ForMigration(), target.ForMigration(), func(table string, done, rows int) {
		if done == rows {
			_, _ = fmt.Fprintf(w, "%-40s %d rows\n", table, rows)
			total += rows
		} else if done > 0 {
			_, _ = fmt.Fprintf(w, "%-40s %d of %d rows\n", table, done, rows)
		}
	})
	if cause := context.Cause(ctx); err != nil && cause != nil {
		err = fmt.Errorf("nothing was copied: %w", cause)
	}
	return total, err
}

// openForMigration opens one of the two databases. argument is its name on the command line, FROM or TO.
func openForMigration(ctx context.Context, argument, dsn string, log *slog.Logger, exists bool) (*store.Store, error) {
	st, err := store.Open(ctx, dsn, store.Options{Logger: log, AnswerTimeout: migrateTimeout, MustExist: exists})
	if err != nil {
		var e *session.Error
		if errors.As(err, &e) && e.Code == session.CodeInvalidRequest {
			return nil, &session.Error{Code: e.Code, Op: e.Op, Message: argument + ": " + e.Message, Err: err}
		}
		return nil, err
	}
	if err := whatsapp.UpgradeTables(ctx, st.DB(), log); err != nil {
		return nil, errors.Join(err, st.Close())
	}
	return st, nil
}
