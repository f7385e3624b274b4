package events

import (
	"github.com/danielgtaylor/huma/v2"
	"github.com/gofiber/fiber/v2"

	"wasup/httpapi/rest"
)

const (
	followedEvents = "The durable log: messages, receipts, changes of state, codes, calls, groups. docs/events.md describes every type. " +
		"The answer is a stream of server-sent events: first a session.snapshot of each session, then events as they come. The data of " +
		"each event is JSON. A quiet stream sends comments. A reader that comes back with Last-Event-ID gets every event that it missed. " +
		"If those are no longer kept, it gets a `resync` event and new snapshots. A reader that takes nothing for 30 seconds is disconnected. " +
		"With `Accept: application/json`, or with ?limit=, the answer is a page of the events stored after ?after=, without waiting. A page also ends at about 1 MiB."
	socketEvents = "The frames are the events of the stream, as JSON: `present` ends the snapshots, `resync` says that events were lost. " +
		"wasup does not read what a caller sends. A caller that does not answer pings is disconnected."
)

// Operations are the rows of the resource.
func (r *Resource) Operations(func(any) *huma.Schema) []rest.Operation {
	low, high := 1.0, float64(rest.LargestPage)
	after := rest.Parameter{Name: "after", Doc: "The id of the last event that the caller has, 0 for none. Last-Event-ID overrides it. Without it, a stream begins now, and a page begins with the oldest event that is kept.", Schema: rest.ShortText(20)}
	types := rest.Parameter{Name: "types", Doc: "Only events of these types, separated by commas.", Schema: rest.ShortText(500)}
	image := rest.Parameter{Name: "image", Doc: "png: a code comes with its picture as a data: URL.", Schema: &huma.Schema{Type: huma.TypeString, Enum: []any{"png"}}}
	limit := rest.Parameter{Name: "limit", Doc: "Events on a page of JSON.", Schema: &huma.Schema{Type: huma.TypeInteger, Minimum: &low, Maximum: &high, Default: rest.DefaultPage}}
	follow := rest.Operation{
		Method: fiber.MethodGet, Tag: rest.TagLive, Produces: []string{rest.ContentEvents, rest.ContentJSON}, Answer: v1EventPage{}, Also: rest.Also{Events: v1Event{}},
		Status: fiber.StatusOK, Query: []rest.Parameter{after, types, limit, image}, Headers: []rest.Parameter{{Name: headerLastEvent, Doc: "The id of the last event that the caller has.", Schema: rest.ShortText(20)}},
		Success: "The stream, or the page.", Refuses: []int{429},
	}
	socket := rest.Operation{
		Method: fiber.MethodGet, Tag: rest.TagLive, Produces: []string{rest.ContentEvents}, Also: rest.Also{Events: v1Event{}},
		Status: fiber.StatusSwitchingProtocols, Query: []rest.Parameter{after, types, image}, Headers: []rest.Parameter{{Name: headerLastEvent, Doc: "The id of the last event that the caller has.", Schema: rest.ShortText(20)}},
		Success: "The WebSocket; the schema is that of its frames.", Refuses: []int{403, 426, 429},
	}
	const attends = " Following one session also keeps its pairing going: it counts as asking for codes."
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
