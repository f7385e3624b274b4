package events

import (
	"time"

	"wasup/internal/session"
)

// Gap is a range of a session's events that retention deleted before a webhook had them. It counts only the events that
// the webhook wants.
type Gap struct {
	Webhook     string
	Session     session.ID
	First, Last uint64 // numbers of the session's events
	Pos         uint64 // position of the last event in the log
	Count       int
	From, To    time.Time // when the first and the last event happened
	At          time.Time // when they were deleted
	State       GapState
}

// GapState says whether the receiver knows of a gap.
type GapState string

// The states. The names are public and stored.
const (
	GapWaiting GapState = "waiting"  // the notice is delivered before the next event of the session
	GapTold    GapState = "told"     // the receiver has the notice
	GapGivenUp GapState = "given_up" // the receiver did not take the notice within the time limit of an event
)

// GapStates lists every state.
func GapStates() []GapState { return []GapState{GapWaiting, GapTold, GapGivenUp} }
