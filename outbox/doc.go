// Package outbox sends each message once, whatever happens between the caller and WhatsApp.
//
// It owns the identity of a message (its WhatsApp id, chosen before the first attempt and kept for all of them), the
// meaning of an Idempotency-Key, and the ledger's contract: what is written before a message leaves and after it was
// answered. It knows no SQL, no HTTP and no WhatsApp library: the ledger is implemented by the store, the sending by
// whoever runs the sessions. It may not send anything that the ledger has not committed first.
package outbox
