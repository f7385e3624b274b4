// Package sandbox is a WhatsApp server for one machine: it speaks the real wire protocol to an unmodified
// WhatsApp-Web client (whatsmeow), with virtual phones that scan QR codes, receive, answer and read
// messages with real Signal encryption, and with faults that can be switched on while it runs.
//
// It owns accounts, linked devices, the routing of messages and everything a client may ask. It serves
// WebSocket connections and a Go API; the HTTP admin API is package admin. It keeps all state in memory, in
// the Server, and a copy on disk if it is told to. Any number of servers live in one process, sharing an
// Authority, because whatsmeow checks certificates against one process-wide key (whatsmeow.WACertPubKey),
// which the caller sets.
//
// The package must not import the adapter that the product puts over whatsmeow: it is what that adapter is
// judged against.
package sandbox
