// Package session is the vocabulary and the state machine of a WhatsApp session.
//
// It owns the names everything else speaks in (identifiers, states, causes, inputs, effects, errors), the one table
// that says how a session moves, the door to a session's client, and the ports between the rooms. What messages say is in
// internal/message, and what events tell in internal/events. It knows no clock, no goroutine, no network and no
// library but the standard one: whoever steps the machine passes the time in and carries the effects out.
package session

//go:generate go run wasup/internal/session/gendoc -out ../../docs
