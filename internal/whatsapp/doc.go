// Package whatsapp is the adapter over whatsmeow: it implements session.Dialer and session.Client.
//
// It owns whatsmeow, the stored devices (through whatsmeow's own tables), the one type switch over whatsmeow's events,
// the connection to the configured endpoint and the translation of failures into session's codes. It decides nothing:
// when to connect, retry or stop is the machine's business, so whatsmeow's own reconnects are off and every client is
// used for one connection only. It knows no actor, no HTTP server and no table of ours; sessions and devices meet
// through the Devices interface.
//
// Client is one run. docs/architecture.md shows the layers that a stanza passes and the phases of a run (phase_table.go).
package whatsapp

//go:generate go test -count=1 -run ^TestTheArchitectureShowsThePhases$ . -update
