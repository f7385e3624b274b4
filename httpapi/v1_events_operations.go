package httpapi

import (
	"github.com/danielgtaylor/huma/v2"
	"github.com/gofiber/fiber/v2"
)

const (
	followedEvents = "The durable log: messages, receipts, changes of state, codes, calls, groups. docs/events.md has every type. " +
		"As server-sent events: first a session.snapshot of each session, then what happens; each event's data is JSON. A comment comes " +
		"when nothing else does. A reader that comes back with Last-Event-ID is told everything it missed, or gets a `resync` event and " +
		"new snapshots where that is no longer kept. One that does not keep up is disconnected. " +
		"With `Accept: application/json`, or with ?limit=, a page of what is stored after ?after=, without waiting."
	socketEvents = "The frames are the events of the stream, as JSON: `present` ends the snapshots, `resync` says that events were lost. " +
		"What a caller sends is not read; one that does not answer pings is disconnected."
)

func (a *api) liveOperations() []operation {
	low, high := 1.0, float64(largestPage)
	after := parameter{"after", "The id of the last event that is known, 0 for none; Last-Event-ID wins over it. A stream without it begins now, a page with the oldest event that is kept.", shortText(20)}
	types := parameter{"types", "Only events of these types, separated by commas.", shortText(500)}
	image := parameter{"image", "png: a code comes with its picture, as a data: URL.", &huma.Schema{Type: huma.TypeString, Enum: []any{"png"}}}
	limit := parameter{"limit", "Events on a page of JSON.", &huma.Schema{Type: huma.TypeInteger, Minimum: &low, Maximum: &high, Default: defaultPage}}
	follow := operation{
		method: fiber.MethodGet, tag: tagLive, produces: []string{contentEvents, contentJSON}, answer: v1EventPage{}, event: v1Event{},
		status: fiber.StatusOK, query: []parameter{after, types, limit, image}, headers: []parameter{{headerLastEvent, "The id of the last event that is known.", shortText(20)}},
		success: "The stream, or the page.", refuses: []int{429},
	}
	socket := operation{
		method: fiber.MethodGet, tag: tagLive, produces: []string{contentEvents}, event: v1Event{},
		status: fiber.StatusSwitchingProtocols, query: []parameter{after, types, image}, headers: []parameter{{headerLastEvent, "The id of the last event that is known.", shortText(20)}},
		success: "The WebSocket; the schema is that of its frames.", refuses: []int{403, 426, 429},
	}
	const attends = " Following one session keeps its pairing attended."
	one, all, oneSocket, allSockets := follow, follow, socket, socket
	all.path, all.name, all.summary, all.serve = "/v1/events", "followSessions", "follow or read the events of every session", v1Events
	all.detail = followedEvents
	one.path, one.name, one.summary, one.serve = "/v1/sessions/:id/events", "followSession", "follow or read the events of a session", v1SessionEvents
	one.detail, one.refuses = followedEvents+attends, []int{404, 429}
	allSockets.path, allSockets.name, allSockets.summary = "/v1/events/ws", "followSessionsSocket", "follow every session over a WebSocket"
	allSockets.detail, allSockets.serve = socketEvents, v1EventsSocket
	oneSocket.path, oneSocket.name, oneSocket.summary = "/v1/sessions/:id/events/ws", "followSessionSocket", "follow a session over a WebSocket"
	oneSocket.detail, oneSocket.serve, oneSocket.refuses = socketEvents+attends, v1SessionEventsSocket, []int{403, 404, 426, 429}
	return []operation{one, oneSocket, all, allSockets}
}
