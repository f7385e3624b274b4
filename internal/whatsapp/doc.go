// Package whatsapp is the adapter over whatsmeow: it implements session.Dialer and session.Client.
//
// It owns whatsmeow, the stored devices (in whatsmeow's own tables), the type switches over whatsmeow's events, the
// connection to the configured endpoint and the translation of failures into session's codes. It makes no decisions:
// the session's machine decides when to connect, retry or stop. So whatsmeow's own reconnects are off, and each client
// is used for one connection. The package knows no actor, no HTTP server and none of wasup's tables. The Devices
// interface maps sessions to devices.
//
// Client is one run. docs/architecture.md shows the layers that a stanza passes and the phases of a run
// (phase_table.go).
package whatsapp

//go:generate go test -count=1 -run ^TestTheArchitectureShowsThePhases$ . -update
