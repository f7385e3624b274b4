package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"wasup/configs"
	"wasup/internal/app"
	"wasup/internal/gctuner"
)

func serveCommand(environ []string) *cobra.Command {
	var play bool
	var where playgroundConfig
	c := &cobra.Command{
		Use:   "serve",
		Short: "Serve the API and run the sessions",
		Long: `Serves the API and starts every stored session that should run. SIGTERM or SIGINT drains: wasup refuses new requests,
finishes the sends that are under way and closes the sockets. A second signal exits at once.

With --sandbox it also runs a WhatsApp server with two virtual phones, and uses that server instead of WhatsApp. No
phone and no internet are needed. Unless store.dsn is set, the database is temporary and deleted at the end.`,
		Args: noArgs,
	}
	s := newSettings(c, environ)
	c.Flags().BoolVar(&play, "sandbox", false, "run a sandbox in the same process and use it instead of WhatsApp")
	c.Flags().StringVar(&where.admin, "sandbox.admin", "127.0.0.1:3002", "host:port of the sandbox's admin API and page, loopback only")
	c.Flags().StringVar(&where.listen, "sandbox.listen", "127.0.0.1:0", "host:port of the sandbox's WebSocket endpoint, loopback only")
	c.RunE = func(c *cobra.Command, _ []string) error {
		cfg, err := s.load(c)
		if err != nil {
			return err
		}
		log := newLog(c.ErrOrStderr(), cfg.Log)
		defer headroom(cfg.Memory, environ)()
		if !play {
			return app.New(cfg, version, log).Run(c.Context())
		}
		return serveSandbox(c, cfg, s.given, where, log)
	}
	return c
}

// headroom tunes the garbage collector of the process with memory.headroom, unless the operator has set GOGC.
func headroom(cfg configs.Memory, environ []string) (stop func()) {
	if slices.ContainsFunc(environ, func(v string) bool { return strings.HasPrefix(v, "GOGC=") && v != "GOGC=" }) {
		return func() {}
	}
	return gctuner.Keep(cfg.Headroom).Stop
}

// serveSandbox runs a sandbox and a wasup that uses it, until c's context ends.
func serveSandbox(c *cobra.Command, cfg configs.Config, given map[string]bool, where playgroundConfig, log *slog.Logger) (err error) {
	remove, err := temporaryStore(&cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, remove()) }()
	where.flags = "--sandbox."
	p, err := startPlayground(where, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.stop()) }()
	if err := addPhones(p.server); err != nil {
		return err
	}
	p.point(&cfg, given)
	wasup := app.New(cfg, version, log)
	if err := wasup.Start(c.Context()); err != nil {
		return err
	}
	c.Printf("wasup      http://%s/\ndashboard  http://%s/dashboard   for operators, in a browser\nphones     http://%s/   the virtual phones, in a browser\nsandbox    %s/   the sandbox's admin API\n\n",
		wasup.Addr(), wasup.Addr(), p.addr, p.adminURL())
	if cfg.Webhooks.AllowLoopback && !cfg.Webhooks.AllowPrivate {
		c.Printf("Webhooks to this machine are allowed (webhooks.allow_loopback), and to no other private network.\n\n")
	}
	printTour(c.OutOrStdout(), "http://"+wasup.Addr(), p.adminURL(), false)
	return wasup.Wait(c.Context())
}

// temporaryStore sets store.dsn to a database in a temporary folder, unless the operator has set one. The virtual
// phones disappear with the process, so devices linked to them must not stay in the default database among real ones.
func temporaryStore(cfg *configs.Config) (remove func() error, err error) {
	if cfg.Store.DSN != configs.Default().Store.DSN {
		return func() error { return nil }, nil
	}
	folder, err := os.MkdirTemp("", "wasup-sandbox-")
	if err != nil {
		return nil, fmt.Errorf("create a temporary folder for the sandbox's database: %w", err)
	}
	path := filepath.Join(folder, "wasup.db")
	// The empty file says that a new database is expected here: the warning about one would mislead.
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("create the sandbox's database: %w", err), os.RemoveAll(folder))
	}
	cfg.Store.DSN = "sqlite:" + path
	return func() error { return os.RemoveAll(folder) }, nil
}
