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
	// Start starts the session and does not wait until it is connected. already reports that it ran before the call.
	Start(ctx context.Context, id session.ID) (status session.Status, already bool, err error)
}

// Sender sends text messages.
type Sender interface {
	// Send sends one text message, waits until WhatsApp's server has acknowledged it, and returns its id. After an error
	// the message does not leave any more. After session.CodeOutcomeUnknown WhatsApp may have it, and messageID names it.
	// The same idempotencyKey, unless it is "", never sends twice. The same key with another message is
	// session.CodeIdempotencyReuse. Errors carry a session.Code.
	Send(ctx context.Context, id session.ID, to message.Recipient, body, idempotencyKey string) (messageID string, err error)
}

// Health answers the probes.
type Health interface {
	// Healthy returns nil if the database answers before ctx ends.
	Healthy(ctx context.Context) error
	// Ready reports true from the end of the boot until the process drains. restored is how many of the wanted sessions
	// have connected. reason says in one or two lower-case words why the process is not ready; it is "" if it is.
	Ready() (ready bool, restored, wanted int, reason string)
}

// Pictures draws codes. It is safe for concurrent use and draws each code once.
type Pictures interface {
	DataURL(code string) (string, error) // a PNG in a data: URL
}

// Config holds the settings of the routes.
type Config struct {
	QRWait      time.Duration // how long GET /qr-code waits without ?wait=
	HubWait     time.Duration // the same for the hub's POST …/qr
	SendTimeout time.Duration // the time limit of POST /send
	MaxAttempts int           // reconnects in a row before ERROR, shown for unknown clients; 0: no limit
	Version     string        // the binary's version
}

// Deps is what the routes need besides the sessions.
type Deps struct {
	Starter  Starter
	Sender   Sender
	Health   Health
	Pictures Pictures
	Metrics  http.Handler // answers GET /metrics
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

// hubPrefix is the beginning of the hub's instance routes.
const hubPrefix = "/api/session-manager/sessions/"

// Table returns the routes, in the order of the index.
func (r *Routes) Table() []rest.Route {
	return []rest.Route{
		{Method: fiber.MethodGet, Path: "/qr-code", Errors: r.Coded, Starts: true, Doc: "wait for a pairing QR of client X-Cliente-Id, starting it if needed", Handle: r.getQRCode},
		{Method: fiber.MethodGet, Path: "/status", Errors: r.Flagged, Doc: "state of client X-Cliente-Id; starts nothing", Handle: r.getStatus},
		{Method: fiber.MethodPost, Path: "/init", Errors: r.Flagged, Doc: "start client X-Cliente-Id", Handle: r.postInit},
		{Method: fiber.MethodPost, Path: "/send", Errors: r.Flagged, Doc: "send a text and wait for WhatsApp's acknowledgement", Handle: r.postSend},
		{Method: fiber.MethodGet, Path: "/qr", Errors: r.Flagged, Doc: "the pairing QR of this moment; starts nothing", Handle: r.getQR},
		{Method: fiber.MethodGet, Path: "/health", Errors: r.Flagged, Probe: true, Monitor: true, Doc: "health of the service and its database", Handle: r.getHealth},
		{Method: fiber.MethodGet, Path: hubPrefix + ":instance", Errors: r.Coded, Doc: "an instance as the hub sees it", Handle: r.getInstance},
		{Method: fiber.MethodPost, Path: hubPrefix + ":instance/qr", Errors: r.Coded, Doc: "a valid QR of an instance, renewed if needed", Handle: r.postInstanceQR},
		{Method: fiber.MethodGet, Path: "/healthz", Errors: r.Flagged, Probe: true, Monitor: true, Doc: "liveness: the process answers", Handle: r.getHealthz},
		{Method: fiber.MethodGet, Path: "/readyz", Errors: r.Flagged, Probe: true, Monitor: true, Doc: "readiness: 503 until the boot has finished and while draining", Handle: r.getReadyz},
		{Method: fiber.MethodGet, Path: "/metrics", Errors: r.Flagged, Probe: true, Monitor: true, Doc: "Prometheus metrics", Handle: r.metricsHandler()},
	}
}
