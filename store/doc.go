// Package store keeps everything that must outlive the process: the sessions, the outbox and, in the same file, the
// tables of whatsmeow's own store.
//
// It owns the SQL, the schema with its upgrades, and the database file itself: its directory, its permissions and the
// lock that keeps a second process out. It decides nothing: it may not read a clock to judge a row, start a session or
// interpret a failure beyond giving it a code. Nothing outside this package writes SQL against its tables, and no SQL
// text leaves it except inside Error.Err, which stays in the logs.
package store
