package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"wasup/internal/soak"
)

var (
	errSoak        = errors.New("messages were lost, duplicated or out of order; see the table")
	errSoakStopped = errors.New("stopped before the end: nothing was compared")
)

func soakCommand(environ []string) *cobra.Command {
	var cfg soak.Config
	var asJSON, keep bool
	c := &cobra.Command{
		Use:   "soak",
		Short: "Test that no message is lost or sent twice: load, kill -9 and broken connections against a sandbox",
		Long: `Runs a sandbox and, as a child process, a wasup with linked sessions. Messages go in both directions at a fixed rate
while the child is killed (kill -9) at random moments and, with --faults, connections break. At the end it compares the
messages that were sent with those that arrived at the contacts' phones and at a webhook. The exit code is 0 only if
none was lost, duplicated or out of order.

Nothing leaves the machine. After success, or when it is stopped, its files are deleted unless --keep is given.`,
		Example: `  wasup soak                                             # 10 sessions, 20 kills, about a minute
  wasup soak --sessions 50 --messages 2000 --rate 500 --kills 200 --faults
  wasup soak --store.dsn postgres://wasup@127.0.0.1/soak   # an empty database`,
		Args: noArgs,
	}
	f := c.Flags()
	f.IntVar(&cfg.Sessions, "sessions", 10, "number of linked sessions, each with one contact")
	f.IntVar(&cfg.Messages, "messages", 100, "least number of messages per session and direction")
	f.Float64Var(&cfg.Rate, "rate", 50, "messages per second and direction, of all sessions together")
	f.IntVar(&cfg.Kills, "kills", 20, "how many times the child is killed; -1 for never")
	f.DurationVar(&cfg.Between, "between", 0, "mean time between a start and the next kill (default 2s)")
	f.BoolVar(&cfg.Faults, "faults", false, "break connections and acknowledgements as well")
	f.Uint64Var(&cfg.Seed, "seed", 1, "seed of every random choice")
	f.StringVar(&cfg.DSN, "store.dsn", "", "database of the child, which must be empty at the start (default SQLite in a temporary folder)")
	f.BoolVar(&asJSON, "json", false, "print the report as JSON")
	f.BoolVar(&keep, "keep", false, "keep the temporary folder with the database and the child's log")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if err := soakable(&cfg); err != nil {
			return &usageError{err}
		}
		report, err := runSoak(c, cfg, environ, keep)
		if err != nil {
			return err
		}
		return soaked(c.OutOrStdout(), &report, asJSON)
	}
	return c
}

// runSoak runs the soak in a temporary folder. The folder stays after a failure, or if keep is set.
func runSoak(c *cobra.Command, cfg soak.Config, environ []string, keep bool) (report soak.Report, err error) {
	self, err := os.Executable()
	if err != nil {
		return report, err
	}
	cfg.Command, cfg.Out = []string{self}, c.ErrOrStderr()
	for _, v := range environ {
		if !strings.HasPrefix(v, "WASUP_") { // a setting would change the result
			cfg.Env = append(cfg.Env, v)
		}
	}
	if cfg.Dir, err = os.MkdirTemp("", "wasup-soak-"); err != nil {
		return report, fmt.Errorf("create a temporary folder: %w", err)
	}
	file, err := os.Create(filepath.Join(cfg.Dir, "wasup.log"))
	if err != nil {
		return report, errors.Join(err, os.RemoveAll(cfg.Dir))
	}
	cfg.Log = file
	report, err = soak.Run(c.Context(), cfg)
	_ = file.Close() // losing its last lines changes nothing
	good := err == nil && report.Good()
	stopped := c.Context().Err() != nil && errors.Is(err, c.Context().Err())
	if keep || !good && !stopped {
		c.PrintErrf("kept: %s\n", cfg.Dir)
	} else if err := os.RemoveAll(cfg.Dir); err != nil {
		return report, err
	}
	if stopped {
		return report, errSoakStopped
	}
	return report, err
}

// soakable checks the flags. It refuses 0 where soak.Config would read it as the default.
func soakable(cfg *soak.Config) error {
	switch {
	case cfg.Sessions < 1:
		return fmt.Errorf("--sessions %d: expected at least 1", cfg.Sessions)
	case cfg.Messages < 1:
		return fmt.Errorf("--messages %d: expected at least 1", cfg.Messages)
	case !(cfg.Rate > 0) || math.IsInf(cfg.Rate, 0):
		return fmt.Errorf("--rate %v: expected more than 0 messages a second", cfg.Rate)
	case cfg.Kills < -1 || cfg.Kills == 0:
		return fmt.Errorf("--kills %d: expected at least 1, or -1 for never", cfg.Kills)
	case cfg.Between < 0:
		return fmt.Errorf("--between %v: expected a duration that is not negative, such as 2s", cfg.Between)
	default:
		return nil
	}
}

func soaked(w io.Writer, report *soak.Report, asJSON bool) error {
	write := func() error { return report.Write(w) }
	if asJSON {
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		write = func() error { return encoder.Encode(report) }
	}
	if err := write(); err != nil {
		return err
	}
	if !report.Good() {
		return errSoak
	}
	return nil
}
