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

// WriteTimeout bounds the write of an answer, or of one piece of an answer that streams.
const WriteTimeout = 30 * time.Second

// MinWait is the shortest ?wait=; a shorter one could not be told in wait_time_ms.
const MinWait = time.Millisecond

// contentType is the one that the Node service sent.
const contentType = "application/json; charset=utf-8"

// Sessions is what most resources ask of the supervised sessions. Every method is safe for concurrent use.
type Sessions interface {
	// RequestQR starts what is needed and returns the first outcome. It ends with ctx at the latest, then with
	// session.OutcomeTimeout, and with session.OutcomeShuttingDown while the sessions drain. It creates an unknown id.
	RequestQR(ctx context.Context, id session.ID) session.QRAnswer
	// Status is a snapshot: it takes no lock that a session could hold and starts nothing. false: unknown id.
	Status(id session.ID) (session.Status, bool)
	// Watch tells a session that somebody reads its code, which keeps a pairing attended. It starts nothing and returns
	// at once.
	Watch(id session.ID)
}

// Observer counts. Its methods never block.
type Observer interface {
	// HTTPRequest saw one answer. route is a pattern of the route table or "unmatched", method a known one or
	// "OTHER": both are bounded and fit a metric label.
	HTTPRequest(route, method string, code int, took time.Duration)
	// QRRequest saw the end of one wait for a code.
	QRRequest(outcome session.QROutcome, waited time.Duration)
}

// Host is what the server lends to every resource.
type Host struct {
	Sessions Sessions
	Observer Observer
	Log      *slog.Logger
	Now      func() time.Time
	Life     *Life

	StartTimeout time.Duration // of a verb, or of a question to the database
	LinkTimeout  time.Duration // of a step of linking, or of deleting a session
	MaxWait      time.Duration // the longest ?wait=
	BodyLimit    int           // bytes of a request body, files apart
}

// RequestQR waits for the first outcome. A wait that the server's shutdown has cut short is told as such, because the
// sessions themselves begin to drain only after the HTTP server.
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

// Unexpected is the error of a wait that ended as none should.
func Unexpected(answer *session.QRAnswer) error {
	return fmt.Errorf("request for a QR ended with outcome %q in %s, cause %q", answer.Outcome, answer.State, answer.Cause)
}

// Watch keeps a pairing attended for as long as somebody reads where it is: whoever reads on waits for the scan.
func (h *Host) Watch(status *session.Status) {
	if status.State == session.QRRequired {
		h.Sessions.Watch(status.ID)
	}
}

// Render writes v as JSON. Characters such as & stay as they are: nothing of this API is embedded in HTML.
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
	c.Status(status).Response().SetBodyRaw(bytes.TrimSuffix(b.Bytes(), []byte("\n")))
}

// OK renders a 200 as a handler's last statement.
func (h *Host) OK(c *fiber.Ctx, v any) error {
	h.Render(c, fiber.StatusOK, v)
	return nil
}
