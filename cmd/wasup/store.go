package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"wasup/configs"
	"wasup/internal/session"
	"wasup/internal/store"
	"wasup/internal/whatsapp"
)

// migrateTimeout bounds one statement of a migration: counting or copying a large table takes longer than anything that a
// running wasup asks for.
const migrateTimeout = 10 * time.Minute

func storeCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "store",
		Short: "Work on the database while no wasup uses it",
		Args:  noArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(migrateCommand())
	return c
}

func migrateCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "migrate FROM TO",
		Short: "Copy everything into another database, so that sessions go on there without a new QR",
		Long: `Copies every table, the devices' keys included, from one database into an empty other one: all of it or, when
something goes wrong, nothing. FROM and TO are written like store.dsn:

  wasup store migrate sqlite:./data/wasup.db 'postgres://wasup@db.example:5432/wasup?sslmode=verify-full'

The password can come from the environment (PGPASSWORD) or from ~/.pgpass. No wasup may run on either database
meanwhile. Start wasup on the new one afterwards and never again on the old one: two copies of a device's keys break
each other. See docs/storage.md.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 2 {
				return &usageError{fmt.Errorf("store migrate: expected two databases, FROM and TO, got %d arguments", len(args))}
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			log := newLog(c.ErrOrStderr(), configs.Log{Level: slog.LevelWarn})
			total, err := migrate(c.Context(), args[0], args[1], log, c.ErrOrStderr())
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(c.OutOrStdout(), "%d rows moved. Start wasup with store.dsn on the new database, and not on the old one again.\n", total)
			return err
		},
	}
}

// migrate opens both databases, which locks them, brings both schemas to this version and copies. Progress goes to w, a
// line for each table.
func migrate(ctx context.Context, from, to string, log *slog.Logger, w io.Writer) (total int, err error) {
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
	err = store.Migrate(ctx, source, target, func(table string, done, rows int) {
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

// openForMigration opens one of the two. argument is what a person calls it.
func openForMigration(ctx context.Context, argument, dsn string, log *slog.Logger, exists bool) (*store.Store, error) {
	st, err := store.Open(ctx, dsn, store.Options{Logger: log, AnswerTimeout: migrateTimeout, MustExist: exists})
	if err != nil {
		var e *session.Error
		if errors.As(err, &e) && e.Code == session.CodeInvalidRequest {
			return nil, &usageError{fmt.Errorf("%s: %s", argument, e.Message)}
		}
		return nil, err
	}
	if err := whatsapp.UpgradeTables(ctx, st.DB(), log); err != nil {
		return nil, errors.Join(err, st.Close())
	}
	return st, nil
}
