// Package store is the database: the sessions, the outbox, the log of events, the webhooks and the kept files.
// whatsmeow's own tables are in the same database. It is a SQLite file or PostgreSQL, with one schema and one test
// suite (storetest) for both.
//
// The package owns the SQL, the schema and its upgrades, the connection pools, the database file with its directory and
// permissions, and the lock that keeps a second process out. It makes no decisions: it does not compare rows with the
// current time, start sessions, or do more with an error than give it a code. No other package writes SQL against its
// tables. SQL text leaves the package only inside Error.Err, which is logged but never returned to a client.
package store
