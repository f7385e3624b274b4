package main

import (
	"fmt"

	"github.com/spf13/cobra"
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

// noArgs refuses arguments with a usageError.
func noArgs(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		return &usageError{fmt.Errorf("unexpected argument %q (see %q)", args[0], c.CommandPath()+" --help")}
	}
	return nil
}
