package store

import (
	"database/sql"
	"time"
)

// PoolStats are the figures of one connection pool. Waits and WaitTime count from the opening and only grow.
type PoolStats struct {
	Name     string // "postgres"; for SQLite "writer" and "readers"
	Max      int    // connections that may be open
	InUse    int    // connections that run a statement or a transaction
	Idle     int    // open connections that are free
	Waits    int64  // how often a caller had to wait for a connection
	WaitTime time.Duration
}

// Pools returns the figures of every pool. It does not block.
func (s *Store) Pools() []PoolStats {
	if s.lock != nil {
		return []PoolStats{poolStats("postgres", s.write.RawDB)}
	}
	return []PoolStats{poolStats("writer", s.write.RawDB), poolStats("readers", s.read.RawDB)}
}

func poolStats(name string, db *sql.DB) PoolStats {
	s := db.Stats()
	return PoolStats{Name: name, Max: s.MaxOpenConnections, InUse: s.InUse, Idle: s.Idle, Waits: s.WaitCount, WaitTime: s.WaitDuration}
}
