// Package sandbox is a WhatsApp server for one machine: it speaks the real wire protocol to an unmodified
// WhatsApp-Web client (whatsmeow), with virtual phones that scan QR codes, receive, answer and read
// messages with real Signal encryption, and with faults that can be switched on while it runs.
//
// It serves WebSocket connections and a Go API; the HTTP admin API is package admin. It keeps all state in memory, in
// the Server, and a copy on disk if it is told to. Any number of servers live in one process, sharing an
// Authority, because whatsmeow checks certificates against one process-wide key (whatsmeow.WACertPubKey),
// which the caller sets.
//
// The package itself is the server: connections and logins, pairing, restarts, scenarios, and what is kept on disk. Each
// subject below it is a package that owns its state and its lock:
//
//	accounts   accounts, their devices and keys, and how stanzas get to them
//	groups     groups, who is in them and what may be done to them
//	profiles   what accounts show of themselves, and who is there
//	calls      who calls whom
//	appstate   contacts, pins, mutes and the like, encrypted
//	media      uploaded files
//	routing    messages and receipts on their way
//	network    all of these, put together
//	phones     virtual phones, on a network
//	faults     what goes wrong, and whom it strikes
//	observe    counters and events
//	disk       the log of what is kept
//	tasks      goroutines that the end of a server waits for
//	stanza     reading and making stanzas
//
// Locks nest in one direction: first calls and a phone that is sending, then profiles, then the rest of a phone, then app
// state and media, then groups, then the directory, a device and its connection. Nothing is sent while the locks of the
// directory or of the groups are held.
//
// The package must not import the adapter that the product puts over whatsmeow: it is what that adapter is
// judged against.
package sandbox
