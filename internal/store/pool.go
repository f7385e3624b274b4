package store

import (
	"database/sql"
	"time"
)

// PoolStats are the figures of one pool of connections. Waits only ever grow.
type PoolStats struct {
	Name     string // "postgres"; for SQLite "writer" and "readers"
	Max      int    // connections that may be open
	InUse    int    // that run a statement or a transaction
	Idle     int    // that are open and free
	Waits    int64  // how often somebody waited for a connection
	WaitTime time.Duration
}

// Pools gives the figures of every pool. It does not block.
func (s *Store) Pools() []PoolStats {
	if s.hold != nil {
		return []PoolStats{poolStats("postgres", s.write.RawDB)}
	}
	return []PoolStats{poolStats("writer", s.write.RawDB), poolStats("readers", s.read.RawDB)}
}

func poolStats(name string, db *sql.DB) PoolStats {
	s := db.Stats()
	return PoolStats{Name: name, Max: s.MaxOpenConnections, InUse: s.InUse, Idle: s.Idle, Waits: s.WaitCount, WaitTime: s.WaitDuration}
}
