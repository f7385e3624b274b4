package main

import (
	"github.com/spf13/cobra"

	"wasup/configs"
)

func configCommand(environ []string) *cobra.Command {
	var plain bool
	c := &cobra.Command{
		Use:   "config",
		Short: "Print the effective configuration, or the commented default",
		Args:  noArgs,
	}
	s := newSettings(c, environ)
	c.Flags().BoolVar(&plain, "default", false, "print the default configuration file, with a comment for every key")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if plain {
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
