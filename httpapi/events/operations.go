package events

import (
	"github.com/danielgtaylor/huma/v2"
	"github.com/gofiber/fiber/v2"

	"wasup/httpapi/rest"
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

// Operations are the rows of the resource.
func (r *Resource) Operations(func(any) *huma.Schema) []rest.Operation {
	low, high := 1.0, float64(rest.LargestPage)
	after := rest.Parameter{Name: "after", Doc: "The id of the last event that is known, 0 for none; Last-Event-ID wins over it. A stream without it begins now, a page with the oldest event that is kept.", Schema: rest.ShortText(20)}
	types := rest.Parameter{Name: "types", Doc: "Only events of these types, separated by commas.", Schema: rest.ShortText(500)}
	image := rest.Parameter{Name: "image", Doc: "png: a code comes with its picture, as a data: URL.", Schema: &huma.Schema{Type: huma.TypeString, Enum: []any{"png"}}}
	limit := rest.Parameter{Name: "limit", Doc: "Events on a page of JSON.", Schema: &huma.Schema{Type: huma.TypeInteger, Minimum: &low, Maximum: &high, Default: rest.DefaultPage}}
	follow := rest.Operation{
		Method: fiber.MethodGet, Tag: rest.TagLive, Produces: []string{rest.ContentEvents, rest.ContentJSON}, Answer: v1EventPage{}, Also: rest.Also{Events: v1Event{}},
		Status: fiber.StatusOK, Query: []rest.Parameter{after, types, limit, image}, Headers: []rest.Parameter{{Name: headerLastEvent, Doc: "The id of the last event that is known.", Schema: rest.ShortText(20)}},
		Success: "The stream, or the page.", Refuses: []int{429},
	}
	socket := rest.Operation{
		Method: fiber.MethodGet, Tag: rest.TagLive, Produces: []string{rest.ContentEvents}, Also: rest.Also{Events: v1Event{}},
		Status: fiber.StatusSwitchingProtocols, Query: []rest.Parameter{after, types, image}, Headers: []rest.Parameter{{Name: headerLastEvent, Doc: "The id of the last event that is known.", Schema: rest.ShortText(20)}},
		Success: "The WebSocket; the schema is that of its frames.", Refuses: []int{403, 426, 429},
	}
	const attends = " Following one session keeps its pairing attended."
	one, all, oneSocket, allSockets := follow, follow, socket, socket
	all.Path, all.Name, all.Summary, all.Serve = "/v1/events", "followSessions", "Follow or list the events of all sessions", r.all
	all.Detail = followedEvents
	one.Path, one.Name, one.Summary, one.Serve = "/v1/sessions/:id/events", "followSession", "Follow or list a session's events", r.ofSession
	one.Detail, one.Refuses = followedEvents+attends, []int{404, 429}
	allSockets.Path, allSockets.Name, allSockets.Summary = "/v1/events/ws", "followSessionsSocket", "Follow all sessions over a WebSocket"
	allSockets.Detail, allSockets.Serve = socketEvents, r.allSocket
	oneSocket.Path, oneSocket.Name, oneSocket.Summary = "/v1/sessions/:id/events/ws", "followSessionSocket", "Follow a session over a WebSocket"
	oneSocket.Detail, oneSocket.Serve, oneSocket.Refuses = socketEvents+attends, r.ofSessionSocket, []int{403, 404, 426, 429}
	return []rest.Operation{one, oneSocket, all, allSockets}
}
