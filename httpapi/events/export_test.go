package events

// The types of the events' JSON, for tests.
type (
	Event      = v1Event
	EventState = v1EventState
	EventPage  = v1EventPage
)
