package rest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"github.com/gofiber/fiber/v2"

	"wasup/internal/session"
)

// WriteTimeout bounds the write of an answer, or of one piece of a streamed answer.
const WriteTimeout = 30 * time.Second

// MinWait is the shortest ?wait=, because wait_time_ms cannot show a shorter one.
const MinWait = time.Millisecond

// contentType is the Content-Type that the Node service sent.
const contentType = "application/json; charset=utf-8"

// Sessions are the supervised sessions, as most resources use them. Every method is safe for concurrent use.
type Sessions interface {
	// RequestQR starts the session if needed and returns the first outcome. If ctx ends first, that is
	// session.OutcomeTimeout. While the sessions drain, it is session.OutcomeShuttingDown. An unknown session is
	// created.
	RequestQR(ctx context.Context, id session.ID) session.QRAnswer
	// Status returns a snapshot, false for an unknown id. It takes no lock that a session could hold, and starts
	// nothing.
	Status(id session.ID) (session.Status, bool)
	// Watch tells a session that somebody watches its code, which keeps the pairing attended. It starts nothing and does
	// not block.
	Watch(id session.ID)
}

// Observer counts requests for the metrics. Its methods never block.
type Observer interface {
	// HTTPRequest counts one answer. route is a pattern of the route table or "unmatched". method is a known method or
	// "OTHER". So both have few values and can be metric labels.
	HTTPRequest(route, method string, code int, took time.Duration)
	// QRRequest counts the end of one wait for a code.
	QRRequest(outcome session.QROutcome, waited time.Duration)
}

// Host is what the server gives to every resource.
type Host struct {
	Sessions Sessions
	Observer Observer
	Log      *slog.Logger
	Now      func() time.Time
	Life     *Life

	StartTimeout time.Duration // the limit of a verb, or of a database query
	LinkTimeout  time.Duration // the limit of a step of linking, or of deleting a session
	MaxWait      time.Duration // the longest ?wait=
	BodyLimit    int           // the most bytes of a request body, without files
}

// RequestQR waits for the first outcome. If the server's shutdown ended the wait, the outcome becomes
// OutcomeShuttingDown: the sessions themselves begin to drain only after the HTTP server.
func (h *Host) RequestQR(id session.ID, wait time.Duration) session.QRAnswer {
	began := h.Now()
	ctx, cancel := context.WithTimeout(h.Life.Waits(), wait)
	defer cancel()
	answer := h.Sessions.RequestQR(ctx, id)
	if answer.Outcome == session.OutcomeTimeout && h.Life.Waits().Err() != nil {
		answer.Outcome = session.OutcomeShuttingDown
	}
	h.Observer.QRRequest(answer.Outcome, h.Now().Sub(began))
	return answer
}

// Unexpected is the error of a wait with an unexpected outcome.
func Unexpected(answer *session.QRAnswer) error {
	return fmt.Errorf("request for a QR ended with outcome %q in %s, cause %q", answer.Outcome, answer.State, answer.Cause)
}

// Watch keeps a pairing attended: a caller that reads the state of a pairing again and again waits for the scan.
func (h *Host) Watch(status *session.Status) {
	if status.State == session.QRRequired {
		h.Sessions.Watch(status.ID)
	}
}

// Render writes v as one line of JSON that ends with a newline, so that a terminal shows it well. It does not escape
// characters such as &, because no answer of this API is embedded in HTML.
func (h *Host) Render(c *fiber.Ctx, status int, v any) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		h.Log.Error("an answer could not be written as JSON", slog.Any("err", err))
		c.Status(fiber.StatusInternalServerError)
		return
	}
	c.Set(fiber.HeaderContentType, contentType)
	c.Status(status).Response().SetBodyRaw(b.Bytes())
}

// OK writes a 200. It returns nil, so that a handler can end with it.
func (h *Host) OK(c *fiber.Ctx, v any) error {
	h.Render(c, fiber.StatusOK, v)
	return nil
}
