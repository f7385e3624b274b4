// Package sandbox is a WhatsApp server for one machine. It speaks the real wire protocol to an unmodified WhatsApp Web
// client (whatsmeow). Its virtual phones scan QR codes, and receive, answer and read messages with real Signal
// encryption. Faults can be set while it runs.
//
// It serves WebSocket connections and a Go API; the HTTP admin API is package admin. All state is in memory, in the
// Server, with a copy on disk if Config.State is set. One process can have several servers. They share an Authority,
// because whatsmeow checks certificates against one global key (whatsmeow.WACertPubKey), which the caller sets.
//
// The package itself is the server: connections and logins, pairing, restarts, scenarios, and saving the state. Each
// subject is a sub-package that owns its state and its lock:
//
//	accounts   accounts, their devices and keys, and the delivery of stanzas to them
//	groups     groups, their members and settings; broadcast lists; the chat of all statuses
//	profiles   profiles, privacy settings and presence
//	channels   channels, their posts and reactions
//	calls      calls
//	appstate   contacts, pins, mutes and similar settings, encrypted
//	media      uploaded files
//	routing    the routing of messages and receipts
//	network    all of these, connected
//	kinds      the encoding of the rarer kinds of messages
//	phones     virtual phones on a network
//	phonesync  a phone's view of its account's app state
//	faults     faults and what they apply to
//	observe    counters and events
//	disk       the log file of the saved state
//	tasks      goroutines that Server.Close waits for
//	stanza     reading and building stanzas
//
// Locks are taken in this order: first calls and a phone that is sending, then profiles, then the rest of a phone, then
// app state and media, then groups, then the directory, a device and its connection. No stanza is sent while the lock
// of the directory or of the groups is held.
//
// The package must not import internal/whatsapp, the product's adapter for whatsmeow: the adapter is tested against the
// sandbox.
package sandbox
