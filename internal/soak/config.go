package soak

import (
	"cmp"
	"fmt"
	"io"
	"time"
)

// Config configures a soak. The zero value of a field means its default.
type Config struct {
	Command []string // command that starts wasup, without "serve" and its flags; required
	Env     []string // environment of the child; required
	DSN     string   // database of the child; default: SQLite in Dir
	Dir     string   // an empty folder; required

	Sessions int           // linked sessions, each with one contact; default 10
	Messages int           // least number per session and direction; default 100
	Rate     float64       // messages per second and direction, of all sessions together; default 50
	Kills    int           // number of kills (kill -9); default 20, negative: none
	Between  time.Duration // mean time from a start of the child to its kill; default 2s
	Faults   bool          // break connections and acknowledgements as well
	Seed     uint64        // seed of every random choice; default 1
	Settle   time.Duration // time without progress at the end after which missing messages count as lost; default 60s

	Out io.Writer // progress, one line every few seconds; required
	Log io.Writer // log of the child; default: discarded
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
