package httpapi

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/gofiber/fiber/v2"

	"wasup/internal/session"
)

const headerLastEvent = "Last-Event-ID"

// v1Events is GET /v1/events: what happens to every session.
func v1Events(s *Server, k *call) error { return s.events(k, "") }

// v1SessionEvents is GET /v1/sessions/{id}/events.
func v1SessionEvents(s *Server, k *call) error {
	if _, err := s.known(k); err != nil {
		return err
	}
	return s.events(k, k.id)
}

// events answers with a page where JSON or a limit was asked for, with a stream otherwise.
func (s *Server) events(k *call, id session.ID) error {
	after, err := k.after()
	if err != nil {
		return err
	}
	types, err := k.types()
	if err != nil {
		return err
	}
	_, bounded := k.query["limit"]
	accept := strings.Join(k.GetReqHeaders()[fiber.HeaderAccept], ",")
	if k.format == contentJSON || bounded && qualityOf(accept, contentJSON) > 0 {
		return s.pageOfEvents(k, id, after, types)
	}
	k.Set(fiber.HeaderContentType, contentEvents)
	k.Set("X-Accel-Buffering", "no") // nginx would hold events back until its buffer is full
	if k.Method() == fiber.MethodHead {
		return nil
	}
	r, err := s.follow(k, id, after, types)
	if err != nil {
		return err
	}
	st := &stream{reader: r, conn: k.Context().Conn()}
	st.begin(after == session.FromNow || r.sub.Missed())
	k.Status(fiber.StatusOK).Context().SetBodyStream(st, -1)
	return nil
}

// follow begins to follow. Whoever has the reader closes it.
func (s *Server) follow(k *call, id session.ID, after uint64, types []session.EventType) (reader, error) {
	if s.streams.Add(1) > int64(s.cfg.Streams) {
		s.streams.Add(-1)
		return reader{}, httpProblem(probStreams, "")
	}
	// The subscription comes before the snapshots: what happens in between is told twice rather than never.
	sub, err := s.deps.Live.Subscribe(s.work, after, id, types)
	if err != nil {
		s.streams.Add(-1)
		return reader{}, err
	}
	return reader{of: s, id: id, sub: sub, pictures: k.query["image"] == "png"}, nil
}

func (s *Server) pageOfEvents(k *call, id session.ID, after uint64, types []session.EventType) error {
	if after == session.FromNow {
		after = 0
	}
	limit := k.integer("limit", defaultPage)
	found, upTo, missed, err := s.deps.Live.Page(s.work, after, id, types, limit)
	if err != nil {
		return err
	}
	page := v1EventPage{Items: make([]v1Event, 0, len(found)), Next: strconv.FormatUint(upTo, 10), More: len(found) == limit, Missed: missed}
	for i := range found {
		page.Items = append(page.Items, frame(&found[i]))
	}
	return s.ok(k.Ctx, page)
}

// after is the id of the last event that the caller knows, session.FromNow where it names none. The header wins: a browser that comes back
// repeats the address it began with, and says in the header how far it came.
func (k *call) after() (uint64, error) {
	name, text := "after", k.query["after"]
	if values := k.Request().Header.PeekAll(headerLastEvent); len(values) == 1 {
		name, text = headerLastEvent, string(values[0])
	} else if len(values) > 1 {
		return 0, badField(headerLastEvent, "expected once")
	}
	if text == "" {
		return session.FromNow, nil
	}
	after, err := strconv.ParseUint(text, 10, 63) // as the store's integers
	if err != nil {
		return 0, badField(name, "expected the id of an event")
	}
	return after, nil
}

// types is ?types=, names separated by commas; none: all.
func (k *call) types() ([]session.EventType, error) {
	text, given := k.query["types"]
	if !given {
		return nil, nil
	}
	var types []session.EventType
	for name := range strings.SplitSeq(text, ",") {
		kind := session.EventType(strings.TrimSpace(name))
		if !slices.Contains(session.EventTypes(), kind) {
			return nil, badField("types", fmt.Sprintf("%q is no type of event; expected some of %s, separated by commas", clipped(string(kind)), typeNames()))
		}
		if !slices.Contains(types, kind) {
			types = append(types, kind)
		}
	}
	return types, nil
}

func typeNames() string {
	var names []string
	for _, kind := range session.EventTypes() {
		names = append(names, string(kind))
	}
	return strings.Join(names, ", ")
}
