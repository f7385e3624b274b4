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
		Short: "Serve the API and supervise the sessions",
		Long: `Serves the API and brings back every stored session that should run. SIGTERM or SIGINT drains: new requests are
refused, sends end, sockets are closed; a second one exits at once.

With --sandbox it also runs a WhatsApp server with two virtual phones and talks to that one: no phone, no internet.`,
		Args: noArgs,
	}
	s := newSettings(c, environ)
	c.Flags().BoolVar(&play, "sandbox", false, "run a sandbox in the same process and use it instead of WhatsApp")
	c.Flags().StringVar(&where.admin, "sandbox.admin", "127.0.0.1:3002", "host:port of the sandbox's admin API, loopback only")
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
		return serveSandbox(c, cfg, where, log)
	}
	return c
}

// headroom sets how much garbage may gather, for the process as a whole, unless the operator has told Go itself.
func headroom(cfg configs.Memory, environ []string) (stop func()) {
	if slices.ContainsFunc(environ, func(v string) bool { return strings.HasPrefix(v, "GOGC=") && v != "GOGC=" }) {
		return func() {}
	}
	return gctuner.Keep(cfg.Headroom).Stop
}

// serveSandbox serves against a sandbox that lives as long as the process does.
func serveSandbox(c *cobra.Command, cfg configs.Config, where playgroundConfig, log *slog.Logger) (err error) {
	remove, err := temporaryStore(&cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, remove()) }()
	p, err := startPlayground(where, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.stop()) }()
	if err := addPhones(p.server); err != nil {
		return err
	}
	p.point(&cfg)
	wasup := app.New(cfg, version, log)
	if err := wasup.Start(c.Context()); err != nil {
		return err
	}
	c.Printf("wasup      http://%s/\ndashboard  http://%s/dashboard   for operators, in a browser\nphones     http://%s/   the virtual phones, in a browser\nsandbox    %s/   the same as an API\n\n",
		wasup.Addr(), wasup.Addr(), p.addr, p.adminURL())
	printTour(c.OutOrStdout(), "http://"+wasup.Addr(), p.adminURL(), false)
	return wasup.Wait(c.Context())
}

// temporaryStore gives a sandbox a database of its own, unless one was named: the virtual phones are gone when the
// process ends, and devices linked to them must not be left in the store of real ones.
func temporaryStore(cfg *configs.Config) (remove func() error, err error) {
	if cfg.Store.DSN != configs.Default().Store.DSN {
		return func() error { return nil }, nil
	}
	folder, err := os.MkdirTemp("", "wasup-sandbox-")
	if err != nil {
		return nil, fmt.Errorf("make a temporary folder for the sandbox's database: %w", err)
	}
	cfg.Store.DSN = "sqlite:" + filepath.Join(folder, "wasup.db")
	return func() error { return os.RemoveAll(folder) }, nil
}
