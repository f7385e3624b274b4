package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func rootCommand(environ []string) *cobra.Command {
	root := &cobra.Command{
		Use:   "wasup",
		Short: "Supervises WhatsApp sessions: pairing over HTTP, sends that are acknowledged, restarts that hurt nobody else",
		Long: `wasup holds many WhatsApp accounts in one process. A supervisor runs one actor per session, restarts the one that
fails and leaves every other one alone. A frontend gets a pairing QR and a hub sends messages over HTTP; operators
watch Prometheus metrics.

Try it without a phone:  wasup demo`,
		// An unknown command is a mistake on the command line, and told in one line as the others are.
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
	root.SuggestionsMinimumDistance = 2 // letters that a command may differ by to be suggested
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return &usageError{fmt.Errorf("%w (see %q)", err, c.CommandPath()+" --help")}
	})
	root.AddCommand(serveCommand(environ), sandboxCommand(), demoCommand(environ), configCommand(environ), storeCommand(), soakCommand(environ), versionCommand())
	return root
}

// noArgs refuses stray words as what they are: a mistake on the command line.
func noArgs(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		return &usageError{fmt.Errorf("unexpected argument %q (see %q)", args[0], c.CommandPath()+" --help")}
	}
	return nil
}
