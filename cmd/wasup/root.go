package main

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"wasup/configs"
)

func rootCommand(environ []string) *cobra.Command {
	root := &cobra.Command{
		Use:   "wasup",
		Short: "Supervise WhatsApp sessions",
		Long: `wasup runs many WhatsApp accounts in one process. A supervisor runs one actor per session and restarts a session
that fails without touching the others. Applications get QR codes and send messages over HTTP; operators watch
Prometheus metrics.

Try it without a phone:  wasup demo`,
		// Report an unknown command as a usageError in one line, like every other error in the command line.
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			hint := ""
			if near := c.SuggestionsFor(args[0]); len(near) > 0 {
				hint = fmt.Sprintf("; did you mean %q?", near[0])
			}
			return &usageError{fmt.Errorf("unknown command %q%s (see %q)", args[0], hint, c.CommandPath()+" --help")}
		},
		RunE:              func(c *cobra.Command, _ []string) error { return c.Help() },
		SilenceErrors:     true,
		SilenceUsage:      true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
	}
	root.SuggestionsMinimumDistance = 2 // edit distance up to which a command is suggested
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return &usageError{fmt.Errorf("%w (see %q)", err, c.CommandPath()+" --help")}
	})
	root.AddCommand(serveCommand(environ), sandboxCommand(), demoCommand(environ), configCommand(environ), storeCommand(), soakCommand(environ), versionCommand())
	return root
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			c.Printf("wasup %s %s %s/%s\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return nil
		},
	}
}

// noArgs refuses arguments with a usageError.
func noArgs(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		return &usageError{fmt.Errorf("unexpected argument %q (see %q)", args[0], c.CommandPath()+" --help")}
	}
	return nil
}

// settings holds the flags of every command that reads the configuration: --config, and one flag for each key.
type settings struct {
	environ []string
	file    string
	values  map[string]*string
}

func newSettings(c *cobra.Command, environ []string) *settings {
	s := &settings{environ: environ, values: make(map[string]*string)}
	c.Flags().StringVarP(&s.file, "config", "c", "", "YAML `file` with settings (environment: "+configs.EnvFile+"); \"wasup config --default\" prints one")
	for _, key := range configs.Keys() {
		s.values[key.Name] = c.Flags().String(key.Name, key.Default, key.Doc+" (environment: "+key.Env+")")
	}
	return s
}

// load reads the configuration. The environment overrides the file, and flags override both.
func (s *settings) load(c *cobra.Command) (configs.Config, error) {
	given := make(map[string]string)
	for name, value := range s.values {
		if c.Flags().Changed(name) {
			given[name] = *value
		}
	}
	cfg, err := configs.Load(configs.Sources{File: s.file, Env: s.environ, Flags: given})
	if err != nil {
		return configs.Config{}, &usageError{err}
	}
	return cfg, nil
}

func configCommand(environ []string) *cobra.Command {
	var byDefault bool
	c := &cobra.Command{
		Use:   "config",
		Short: "Print the effective configuration, or the commented default",
		Args:  noArgs,
	}
	s := newSettings(c, environ)
	c.Flags().BoolVar(&byDefault, "default", false, "print the default configuration file, with a comment for every key")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if byDefault {
			_, err := c.OutOrStdout().Write(configs.DefaultYAML())
			return err
		}
		cfg, err := s.load(c)
		if err != nil {
			return err
		}
		return cfg.Write(c.OutOrStdout())
	}
	return c
}
