package events

// The JSON of events, as tests read it.
type (
	Event      = v1Event
	EventState = v1EventState
	EventPage  = v1EventPage
)
