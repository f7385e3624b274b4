package store

import "wasup/internal/store/migrate"

// ForMigration returns the database for migrate.Run, which leaves out the table of trial writes. Each batch of rows counts
// as a write: a trial write would wait for the end of the copy.
func (s *Store) ForMigration() migrate.Database {
	return migrate.Database{
		Name: s.name, Postgres: s.postgres(), Write: s.write, Read: s.read, Except: trialTable,
		Wrote: func() { s.condition.wrote.Store(true) }, Clean: clean, Failure: failure, Log: s.options.Logger,
	}
}
