// Package outbox stores outgoing messages and sends them, each under one WhatsApp id.
//
// It chooses the id of a message before the first attempt and keeps it for all attempts, so recipients drop copies. It
// also owns Idempotency-Keys, the order in which a session's messages leave, retries, expiry and retention. A session
// with unfinished messages has a lane. The lane has a goroutine only while the session is READY and a message is due.
// Waiting messages are in the ledger (the database), not in memory.
//
// The package knows no SQL, no HTTP and no WhatsApp library: the store implements Ledger, and the supervisor implements
// Sender. It may not send a message before the ledger has committed it.
package outbox
