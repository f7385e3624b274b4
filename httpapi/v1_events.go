package httpapi

import (
	"strconv"

	"github.com/gofiber/fiber/v2"

	"wasup/session"
)

const headerLastEvent = "Last-Event-ID"

// v1Events is GET /v1/events: what happens to every session.
func v1Events(s *Server, k *call) error { return s.follow(k, "") }

// v1SessionEvents is GET /v1/sessions/{id}/events.
func v1SessionEvents(s *Server, k *call) error {
	if _, err := s.known(k); err != nil {
		return err
	}
	return s.follow(k, k.id)
}

func (s *Server) follow(k *call, id session.ID) error {
	after, err := k.after()
	if err != nil {
		return err
	}
	k.Set(fiber.HeaderContentType, contentEvents)
	k.Set("X-Accel-Buffering", "no") // nginx would hold events back until its buffer is full
	if k.Method() == fiber.MethodHead {
		return nil
	}
	if s.streams.Add(1) > int64(s.cfg.Streams) {
		s.streams.Add(-1)
		return httpProblem(probStreams, "")
	}
	// The subscription comes before the snapshots: what happens in between is told twice rather than never.
	sub, err := s.deps.Live.Subscribe(after, id)
	if err != nil {
		s.streams.Add(-1)
		return &session.Error{Code: session.CodeShuttingDown, Op: "follow sessions", Session: id, Err: err}
	}
	st := &stream{of: s, id: id, sub: sub, conn: k.Context().Conn(), pictures: k.query["image"] == "png"}
	st.begin(after == 0 || sub.Missed())
	k.Status(fiber.StatusOK).Context().SetBodyStream(st, -1)
	return nil
}

// after is the number of the last event that the caller knows, 0: none. The header wins: a browser that comes back
// repeats the address it began with, and says in the header how far it came.
func (k *call) after() (uint64, error) {
	name, text := "after", k.query["after"]
	if values := k.Request().Header.PeekAll(headerLastEvent); len(values) == 1 {
		name, text = headerLastEvent, string(values[0])
	} else if len(values) > 1 {
		return 0, badField(headerLastEvent, "expected once")
	}
	if text == "" {
		return 0, nil
	}
	after, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, badField(name, "expected the id of an event")
	}
	return after, nil
}
