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
			total, err := app.Migrate(c.Context(), args[0], args[1], log, c.ErrOrStderr())
			switch {
			case session.CodeOf(err) == session.CodeInvalidRequest:
				return &usageError{err}
			case err != nil:
				return err
			}
			_, err = fmt.Fprintf(c.OutOrStdout(), "%d rows moved. Start wasup with store.dsn on the new database, and not on the old one again.\n", total)
			return err
		},
	}
}
