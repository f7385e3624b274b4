package events

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/gofiber/fiber/v2"

	"wasup/httpapi/rest"
	"wasup/internal/events"
	"wasup/internal/session"
)

const headerLastEvent = "Last-Event-ID"

// all is GET /v1/events, the events of all sessions.
func (r *Resource) all(k *rest.Call) error { return r.events(k, "") }

// ofSession is GET /v1/sessions/{id}/events.
func (r *Resource) ofSession(k *rest.Call) error {
	if _, err := k.Known(); err != nil {
		return err
	}
	return r.events(k, k.ID)
}

// events answers with a page if the request asks for JSON or has a limit, and with a stream otherwise.
func (r *Resource) events(k *rest.Call, id session.ID) error {
	after, err := positionOf(k)
	if err != nil {
		return err
	}
	types, err := typesOf(k)
	if err != nil {
		return err
	}
	_, bounded := k.Query["limit"]
	accept := strings.Join(k.GetReqHeaders()[fiber.HeaderAccept], ",")
	if k.Format == rest.ContentJSON || bounded && rest.QualityOf(accept, rest.ContentJSON) > 0 {
		return r.pageOfEvents(k, id, after, types)
	}
	k.Set(fiber.HeaderContentType, rest.ContentEvents)
	k.Set("X-Accel-Buffering", "no") // otherwise nginx delays events until its buffer is full
	if k.Method() == fiber.MethodHead {
		return nil
	}
	follower, err := r.follow(k, id, after, types)
	if err != nil {
		return err
	}
	st := &stream{reader: follower, conn: k.Context().Conn()}
	st.begin(after == events.FromNow || follower.sub.Missed())
	k.Status(fiber.StatusOK).Context().SetBodyStream(st, -1)
	return nil
}

// follow subscribes to the log. The caller closes the reader.
func (r *Resource) follow(k *rest.Call, id session.ID, after uint64, types []events.Type) (*reader, error) {
	if r.open.Add(1) > int64(r.limits.Streams) {
		r.open.Add(-1)
		return nil, rest.HTTPProblem(rest.CodeTooManyStreams, "")
	}
	// The subscription begins before the snapshots are taken, so that a change in between is sent twice rather than
	// never.
	sub, err := r.log.Subscribe(r.host.Life.Work(), after, id, types)
	if err != nil {
		r.open.Add(-1)
		return nil, err
	}
	return newReader(r, id, sub, k.Query["image"] == "png"), nil
}

func (r *Resource) pageOfEvents(k *rest.Call, id session.ID, after uint64, types []events.Type) error {
	if after == events.FromNow {
		after = 0
	}
	limit := k.Integer("limit", rest.DefaultPage)
	found, upTo, missed, err := r.log.Page(r.host.Life.Work(), after, id, types, limit)
	if err != nil {
		return err
	}
	page := v1EventPage{
		Items: make([]v1Event, 0, len(found)), Next: strconv.FormatUint(upTo, 10), More: events.Query{Limit: limit}.Full(found), Missed: missed,
	}
	for i := range found {
		page.Items = append(page.Items, frame(&found[i]))
	}
	return k.OK(page)
}

// positionOf returns the id of the last event that the caller knows, or events.FromNow if it names none. The header wins
// over the query: a browser that reconnects repeats its first URL, and only the header has the newest id.
func positionOf(k *rest.Call) (uint64, error) {
	name, text := "after", k.Query["after"]
	if values := k.Request().Header.PeekAll(headerLastEvent); len(values) == 1 {
		name, text = headerLastEvent, string(values[0])
	} else if len(values) > 1 {
		return 0, rest.BadField(headerLastEvent, "expected once")
	}
	if text == "" {
		return events.FromNow, nil
	}
	after, err := strconv.ParseUint(text, 10, 63) // 63 bits, like the integers of the store
	if err != nil {
		return 0, rest.BadField(name, "expected the id of an event")
	}
	return after, nil
}

// typesOf returns the types in ?types=, separated by commas. nil means all types.
func typesOf(k *rest.Call) ([]events.Type, error) {
	text, given := k.Query["types"]
	if !given {
		return nil, nil
	}
	var types []events.Type
	for name := range strings.SplitSeq(text, ",") {
		kind := events.Type(strings.TrimSpace(name))
		if !slices.Contains(events.Types(), kind) {
			return nil, rest.BadField("types", fmt.Sprintf("%q is no type of event; expected some of %s, separated by commas", rest.Clipped(string(kind)), typeNames()))
		}
		if !slices.Contains(types, kind) {
			types = append(types, kind)
		}
	}
	return types, nil
}

func typeNames() string {
	var names []string
	for _, kind := range events.Types() {
		names = append(names, string(kind))
	}
	return strings.Join(names, ", ")
}
