// Package message is the vocabulary of messages: what they say (contents, and their JSON), to whom they go (recipients and
// addresses), what is checked before one is accepted, how far an outgoing one has come, and the verbs about them.
//
// It knows sessions by their ids and errors only, and no library but the standard one. The outbox keeps and sends messages,
// internal/whatsapp translates them, and internal/events has the JSON of what happens to them.
package message
