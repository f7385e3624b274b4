package session

import "time"

// LiveType names what a LiveEvent tells.
type LiveType string

// The live events.
const (
	LiveState    LiveType = "session.state"    // the session's status changed in a way people see, its settings included
	LiveQR       LiveType = "session.qr"       // another code can be scanned: Status.QR
	LiveRemoved  LiveType = "session.removed"  // the session was deleted; of Status only ID counts
	LiveSnapshot LiveType = "session.snapshot" // where a session is when somebody begins to follow; never stored
)

// LiveTypes lists every type.
func LiveTypes() []LiveType { return []LiveType{LiveState, LiveQR, LiveRemoved, LiveSnapshot} }

// LiveEvent is one thing that was seen of a session, for those who follow it as it happens.
type LiveEvent struct {
	Seq    uint64 // greater than that of every earlier event, those of earlier processes included
	At     time.Time
	Type   LiveType
	Status Status
}
