package main

import (
	"github.com/spf13/cobra"

	"wasup/configs"
)

// settings holds the flags of every command that reads the configuration: --config, and one flag for each key.
type settings struct {
	environ []string
	file    string
	values  map[string]*string
	given   map[string]bool // the keys that were set, after load
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
	cfg, set, err := configs.LoadGiven(configs.Sources{File: s.file, Env: s.environ, Flags: given})
	if err != nil {
		return configs.Config{}, &usageError{err}
	}
	s.given = set
	return cfg, nil
}
