package main

import (
	"fmt"
	"log/slog"

	"github.com/spf13/cobra"

	"wasup/configs"
	"wasup/internal/app"
	"wasup/internal/session"
)

func storeCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "store",
		Short: "Maintain the database while wasup is stopped",
		Args:  noArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(migrateCommand())
	return c
}

func migrateCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "migrate FROM TO",
		Short: "Copy everything into another database, so that sessions continue there without a new QR",
		Long: `Copies every table, including the devices' keys, from the database FROM into the empty database TO. If anything
fails, nothing is copied. FROM and TO are written like store.dsn:

  wasup store migrate sqlite:./data/wasup.db 'postgres://wasup@db.example:5432/wasup?sslmode=verify-full'

The password can come from the environment (PGPASSWORD) or from ~/.pgpass. Stop wasup first: no process may use either
database. Afterwards start wasup on TO, and never again on FROM: two copies of a device's keys break each other.
See docs/storage.md.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 2 {
				return &usageError{fmt.Errorf("store migrate: expected two databases, FROM and TO, got %d arguments", len(args))}
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			log := newLog(c.ErrOrStderr(), configs.Log{Level: slog.LevelWarn})
			total, err := app.Migrate(c.Context(), args[0], args[1], log, c.ErrOrStderr())
			switch {
			case session.CodeOf(err) == session.CodeInvalidRequest:
				return &usageError{err}
			case err != nil:
				return err
			}
			_, err = fmt.Fprintf(c.OutOrStdout(), "%d rows copied. Start wasup with store.dsn on the new database, and never again on the old one.\n", total)
			return err
		},
	}
}
