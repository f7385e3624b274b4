package soak

import (
	"cmp"
	"fmt"
	"io"
	"time"
)

// Config says how long and how hard. The zero value of a field means its default.
type Config struct {
	Command []string // how wasup is started, "serve" and its flags are added; needed
	Env     []string // the child's environment; needed
	DSN     string   // where the child keeps its data; default: SQLite in Dir
	Dir     string   // an empty folder; needed

	Sessions int           // linked sessions, each with a contact of its own; default 10
	Messages int           // at least this many a session and direction; default 100
	Rate     float64       // messages a second and direction, all sessions together; default 50
	Kills    int           // kill -9 of the child; default 20, negative: none
	Between  time.Duration // mean time from a start of the child to its kill; default 2 s
	Faults   bool          // break connections and acknowledgements meanwhile
	Seed     uint64        // of every random choice; default 1
	Settle   time.Duration // without any progress in the end, until what is missing counts as lost; default 60 s

	Out io.Writer // progress, one line every few seconds; needed
	Log io.Writer // the child's log; default: nowhere
}

func (c Config) withDefaults() (Config, error) {
	c.Sessions = cmp.Or(c.Sessions, 10)
	c.Messages = cmp.Or(c.Messages, 100)
	c.Rate = cmp.Or(c.Rate, 50)
	c.Kills = max(0, cmp.Or(c.Kills, 20))
	c.Between = cmp.Or(c.Between, 2*time.Second)
	c.Seed = cmp.Or(c.Seed, 1)
	c.Settle = cmp.Or(c.Settle, time.Minute)
	if c.Log == nil {
		c.Log = io.Discard
	}
	if c.DSN == "" {
		c.DSN = "sqlite:" + c.Dir + "/wasup.db"
	}
	for name, bad := range map[string]bool{
		"sessions": c.Sessions < 1 || c.Sessions > 10_000, "messages": c.Messages < 1, "rate": c.Rate <= 0,
		"between": c.Between < 0, "settle": c.Settle < 0,
	} {
		if bad {
			return c, fmt.Errorf("%s: expected a positive number (sessions at most 10000)", name)
		}
	}
	return c, nil
}
