package compat

import (
	"context"
	"net/http"
	"time"

	"github.com/gofiber/fiber/v2"

	"wasup/httpapi/rest"
	"wasup/internal/message"
	"wasup/internal/session"
)

// Starter starts sessions.
type Starter interface {
	// Start asks the session to run and returns once it is on its way. already: it ran before the call.
	Start(ctx context.Context, id session.ID) (status session.Status, already bool, err error)
}

// Sender sends one text message and returns once WhatsApp's server has acknowledged it, with the message's id.
type Sender interface {
	// Send honours idempotencyKey, unless it is "": the same key never sends twice, and the same key with another
	// message is session.CodeIdempotencyReuse. Errors carry a session.Code.
	Send(ctx context.Context, id session.ID, to message.Recipient, body, idempotencyKey string) (messageID string, err error)
}

// Health is what the probes ask.
type Health interface {
	// Healthy is nil when the process can do its work: its database answers. It is bounded by ctx.
	Healthy(ctx context.Context) error
	// Ready is true once the boot has finished, until the process drains. restored of the wanted sessions are back;
	// reason says in one lower-case word or two why it is not ready ("" when it is).
	Ready() (ready bool, restored, wanted int, reason string)
}

// Pictures draws codes. It is safe for concurrent use and draws a code once.
type Pictures interface {
	DataURL(code string) (string, error) // of a PNG
}

// Config is how the routes behave.
type Config struct {
	QRWait      time.Duration // how long GET /qr-code waits unless ?wait= says otherwise
	HubWait     time.Duration // the same for the hub's POST …/qr
	SendTimeout time.Duration // the longest POST /send
	MaxAttempts int           // reconnects in a row before ERROR, told for unknown clients; 0: no limit
	Version     string        // of the binary
}

// Deps is what the routes ask beside the sessions.
type Deps struct {
	Starter  Starter
	Sender   Sender
	Health   Health
	Pictures Pictures
	Metrics  http.Handler // the exposition behind GET /metrics
}

// Routes serves the compatibility routes and the probes.
type Routes struct {
	host    *rest.Host
	cfg     Config
	deps    Deps
	started time.Time
}

// New makes the routes.
func New(host *rest.Host, cfg Config, deps Deps) *Routes {
	return &Routes{host: host, cfg: cfg, deps: deps, started: host.Now()}
}

// hubPrefix begins the hub's instance routes.
const hubPrefix = "/api/session-manager/sessions/"

// Table is the routes, in the order in which the index tells them.
func (r *Routes) Table() []rest.Route {
	return []rest.Route{
		{Method: fiber.MethodGet, Path: "/qr-code", Errors: r.Coded, Doc: "wait for a pairing QR of client X-Cliente-Id, starting it if needed", Handle: r.getQRCode},
		{Method: fiber.MethodGet, Path: "/status", Errors: r.Flagged, Doc: "state of client X-Cliente-Id; starts nothing", Handle: r.getStatus},
		{Method: fiber.MethodPost, Path: "/init", Errors: r.Flagged, Doc: "start client X-Cliente-Id", Handle: r.postInit},
		{Method: fiber.MethodPost, Path: "/send", Errors: r.Flagged, Doc: "send a text and wait for WhatsApp's acknowledgement", Handle: r.postSend},
		{Method: fiber.MethodGet, Path: "/qr", Errors: r.Flagged, Doc: "the pairing QR of this moment; starts nothing", Handle: r.getQR},
		{Method: fiber.MethodGet, Path: "/health", Errors: r.Flagged, Probe: true, Doc: "health of the service and its database", Handle: r.getHealth},
		{Method: fiber.MethodGet, Path: hubPrefix + ":instance", Errors: r.Coded, Doc: "an instance as the hub sees it", Handle: r.getInstance},
		{Method: fiber.MethodPost, Path: hubPrefix + ":instance/qr", Errors: r.Coded, Doc: "a valid QR of an instance, renewed if needed", Handle: r.postInstanceQR},
		{Method: fiber.MethodGet, Path: "/healthz", Errors: r.Flagged, Probe: true, Doc: "liveness: the process answers", Handle: r.getHealthz},
		{Method: fiber.MethodGet, Path: "/readyz", Errors: r.Flagged, Probe: true, Doc: "readiness: 503 until the boot has finished and while draining", Handle: r.getReadyz},
		{Method: fiber.MethodGet, Path: "/metrics", Errors: r.Flagged, Probe: true, Doc: "Prometheus metrics", Handle: r.metricsHandler()},
	}
}
