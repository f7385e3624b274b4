// Package message is the vocabulary of messages: their contents with the JSON, recipients and addresses, the checks
// before a message is accepted, the states of an outgoing message, and the verbs that concern messages.
//
// Of a session it knows only the id, the account and the errors, and it uses only the standard library. The outbox
// stores and sends messages, internal/whatsapp translates them, and internal/events has the JSON of events about them.
package message
