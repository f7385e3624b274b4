// Package outbox sends each message once, whatever happens between the caller and WhatsApp.
//
// It owns the identity of a message (its WhatsApp id, chosen before the first attempt and kept for all of them), the
// meaning of an Idempotency-Key, the order in which a session's messages leave, and what becomes of those that do not. A
// session with unfinished messages has a lane; the lane has a goroutine only while the session is READY and something is
// due. What waits is in the ledger and not in memory.
//
// It knows no SQL, no HTTP and no WhatsApp library: the ledger is implemented by the store, the sending by whoever runs
// the sessions. It may not send anything that the ledger has not committed first.
package outbox
