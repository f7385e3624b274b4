// Package session is the vocabulary and the state machine of a WhatsApp session.
//
// It owns the names that all other packages use (identifiers, states, causes, inputs, effects, errors), the table of
// the state machine, the interface to a session's client (Door), and the ports between the rooms. The contents of
// messages are in internal/message, and the events in internal/events. The package uses no clock, no goroutine, no
// network and only the standard library: the caller of Step passes the time in and carries the effects out.
package session

//go:generate go run wasup/internal/session/gendoc -out ../../docs
