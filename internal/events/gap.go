package events

import (
	"time"

	"wasup/internal/session"
)

// Gap is a run of a session's events that retention removed before a webhook had them. Only those are counted that
// the webhook wants.
type Gap struct {
	Webhook     string
	Session     session.ID
	First, Last uint64 // numbers of the session's events
	Pos         uint64 // the last one's position in the log
	Count       int
	From, To    time.Time // when they happened
	At          time.Time // when they were removed
	State       GapState
}

// GapState says whether the receiver knows of a gap.
type GapState string

// The states. The names are public and stored.
const (
	GapWaiting GapState = "waiting"  // it will be told before the next event of the session
	GapTold    GapState = "told"     //
	GapGivenUp GapState = "given_up" // it did not take the notice in the time that an event has
)

// GapStates lists every state.
func GapStates() []GapState { return []GapState{GapWaiting, GapTold, GapGivenUp} }
