// Package store keeps everything that must outlive the process: the sessions, the outbox and, in the same database, the
// tables of whatsmeow's own store. The database is a SQLite file or PostgreSQL, with one schema and one suite of tests
// (storetest) for both.
//
// It owns the SQL, the schema with its upgrades, the pools of connections, the database file itself - its directory, its
// permissions - and the lock that keeps a second process out. It decides nothing: it may not read a clock to judge a row,
// start a session or interpret a failure beyond giving it a code. Nothing outside this package writes SQL against its
// tables, and no SQL text leaves it except inside Error.Err, which stays in the logs.
package store
