package httpapi

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"wasup/internal/session"
)

// Sessions is what the routes ask of the supervised sessions. Every method is safe for concurrent use.
type Sessions interface {
	// RequestQR starts what is needed and returns the first outcome. It ends with ctx at the latest, then with
	// session.OutcomeTimeout, and with session.OutcomeShuttingDown while the sessions drain. It creates an unknown id.
	RequestQR(ctx context.Context, id session.ID) session.QRAnswer
	// Start asks the session to run and returns once it is on its way. already: it ran before the call.
	Start(ctx context.Context, id session.ID) (status session.Status, already bool, err error)
	// Status is a snapshot: it takes no lock that a session could hold and starts nothing. false: unknown id.
	Status(id session.ID) (session.Status, bool)
	// Watch tells a session that somebody reads its code, which keeps a pairing attended. It starts nothing and returns
	// at once.
	Watch(id session.ID)
}

// Slots is what /v1 asks of the supervised sessions beside Sessions. Every method is safe for concurrent use; errors
// carry a session.Code.
type Slots interface {
	// Create makes a session; session.CodeExists where there is one with this id.
	Create(ctx context.Context, id session.ID, settings session.Settings, start bool) (session.Status, error)
	// List is a snapshot of every session, by id.
	List() []session.Status
	// Update replaces a session's settings.
	Update(ctx context.Context, id session.ID, settings session.Settings) (session.Status, error)
	// Delete logs a session out and removes everything of it. Deleting what is not there is no error.
	Delete(ctx context.Context, id session.ID) error
	StopSession(ctx context.Context, id session.ID) (session.Status, error)
	Restart(ctx context.Context, id session.ID) (session.Status, error)
	Logout(ctx context.Context, id session.ID) (session.Status, error)
	// Tree is the supervision tree, by id.
	Tree() []SupervisionNode
}

// Links is how a device is linked other than by a QR.
type Links interface {
	// PairPhone gives the code that the owner of the number (digits, with country code) enters on the phone. It starts
	// the session if it rests and waits, within ctx, until WhatsApp is ready for it.
	PairPhone(ctx context.Context, id session.ID, phone string) (code string, expires time.Time, err error)
	// AnswerPasskey hands over the authenticator's answer, a WebAuthn credential in JSON.
	AnswerPasskey(ctx context.Context, id session.ID, answer []byte) (session.Status, error)
	// ConfirmPasskey says that a person has compared the codes.
	ConfirmPasskey(ctx context.Context, id session.ID) (session.Status, error)
}

// SupervisionNode is one session in the supervision tree.
type SupervisionNode struct {
	Status      session.Status
	Running     bool           // an actor runs for it
	InWindow    int            // supervised failures within the restart intensity's window, as of the last one
	LastCrash   *session.Crash // nil: it has not crashed
	LastCrashAt time.Time
	Quarantined bool
}

// Live is the durable log of events, as it is read and followed. Errors carry a session.Code.
type Live interface {
	// Subscribe follows one session, or all with the empty id, and only the given types if there are any, from the event
	// after the given position on; session.FromNow: from now. session.CodeShuttingDown once the process ends.
	Subscribe(ctx context.Context, after uint64, id session.ID, types []session.EventType) (Subscription, error)
	// Page gives at most limit stored events after a position, oldest first, and how far they reach: the position to go on
	// from. missed reports that retention has deleted events after the position.
	Page(ctx context.Context, after uint64, id session.ID, types []session.EventType, limit int) (found []session.Event, upTo uint64, missed bool, err error)
}

// Subscription is one reader's view of the log. It belongs to one goroutine.
type Subscription interface {
	// Past gives the next stored events that the reader does not know, oldest first; none: from now on they come through C.
	Past(ctx context.Context) ([]session.Event, error)
	// C is closed when the reader was too slow, and when the process ends.
	C() <-chan session.Event
	// Missed reports that events were lost between the position given to Subscribe and now.
	Missed() bool
	// From is the position of the last event at the time of the subscription.
	From() uint64
	Close()
}

// Sender sends one text message and returns once WhatsApp's server has acknowledged it, with the message's id.
type Sender interface {
	// Send honours idempotencyKey, unless it is "": the same key never sends twice, and the same key with another
	// message is session.CodeIdempotencyReuse. Errors carry a session.Code.
	Send(ctx context.Context, id session.ID, to session.Recipient, body, idempotencyKey string) (messageID string, err error)
}

// Pictures draws codes. Every method is safe for concurrent use and draws a code once.
type Pictures interface {
	DataURL(code string) (string, error) // of a PNG
	SVG(code string) (string, error)
	Text(code string) (string, error) // for a terminal
}

// Health is what the probes ask.
type Health interface {
	// Healthy is nil when the process can do its work: its database answers. It is bounded by ctx.
	Healthy(ctx context.Context) error
	// Ready is true once the boot has finished, until the process drains. restored of the wanted sessions are back;
	// reason says in one lower-case word or two why it is not ready ("" when it is).
	Ready() (ready bool, restored, wanted int, reason string)
}

// Observer counts. Its methods never block.
type Observer interface {
	// HTTPRequest saw one answer. route is a pattern of the route table or "unmatched", method a known one or
	// "OTHER": both are bounded and fit a metric label.
	HTTPRequest(route, method string, code int, took time.Duration)
	// QRRequest saw the end of one wait for a code.
	QRRequest(outcome session.QROutcome, waited time.Duration)
}

// Deps is everything the routes need from the rest of the process. All fields are required.
type Deps struct {
	Sessions   Sessions
	Slots      Slots
	Links      Links
	Live       Live
	Received   Received
	Sender     Sender
	Messages   Messages
	Files      Files
	Chats      Chats
	Webhooks   Webhooks
	Deliveries Deliveries
	Pictures   Pictures
	Health     Health
	Observer   Observer
	Metrics    http.Handler // the exposition behind GET /metrics
	Version    string       // of the binary, as GET / and GET /health tell it
	Log        *slog.Logger
}

func (d Deps) validate() error {
	missing := []struct {
		field string
		empty bool
	}{
		{"Sessions", d.Sessions == nil},
		{"Slots", d.Slots == nil},
		{"Links", d.Links == nil},
		{"Live", d.Live == nil},
		{"Received", d.Received == nil},
		{"Sender", d.Sender == nil},
		{"Messages", d.Messages == nil},
		{"Files", d.Files == nil},
		{"Chats", d.Chats == nil},
		{"Webhooks", d.Webhooks == nil},
		{"Deliveries", d.Deliveries == nil},
		{"Pictures", d.Pictures == nil},
		{"Health", d.Health == nil},
		{"Observer", d.Observer == nil},
		{"Metrics", d.Metrics == nil},
		{"Version", d.Version == ""},
		{"Log", d.Log == nil},
	}
	var errs []error
	for _, m := range missing {
		if m.empty {
			errs = append(errs, fmt.Errorf("httpapi: Deps.%s is missing", m.field))
		}
	}
	return errors.Join(errs...)
}

// Config is how the server behaves. The zero value of a field means its default.
type Config struct {
	QRWait       time.Duration // how long GET /qr-code waits unless ?wait= says otherwise; default 30 s
	HubWait      time.Duration // the same for the hub's POST …/qr; default QRWait, but 25 s at most
	MaxWait      time.Duration // the longest ?wait=; default 2 min, and never below QRWait and HubWait
	StartTimeout time.Duration // how long POST /init and the verbs of /v1 may take; default 10 s
	LinkTimeout  time.Duration // how long a step of linking, or deleting a session, may take; default 45 s
	SendTimeout  time.Duration // the longest POST /send; default 60 s; the sender's own limit should be shorter
	BodyLimit    int           // bytes of a request body, files apart; default 1 MiB
	UploadKeep   time.Duration // how long a file that was uploaded stays unless a message takes it; default 24 h
	Connections  int           // connections served at the same time; default 65,536
	Streams      int           // event streams open at the same time; default 1,000
	Heartbeat    time.Duration // between two comments on a silent event stream; default 15 s
	MaxAttempts  int           // reconnects in a row before ERROR, told for unknown clients; 0: no limit

	Now func() time.Time // the clock; default time.Now
}

// hubLimit is 5 s short of the 30 s after which the hub gives up: the answer must be there before.
const hubLimit = 25 * time.Second

func (c Config) withDefaults() (Config, error) {
	var errs []error
	duration := func(name string, field *time.Duration, def time.Duration) {
		if *field < 0 {
			errs = append(errs, fmt.Errorf("httpapi: Config.%s is %s: expected a positive duration", name, *field))
		}
		if *field == 0 {
			*field = def
		}
	}
	number := func(name string, field *int, def int) {
		if *field < 0 {
			errs = append(errs, fmt.Errorf("httpapi: Config.%s is %d: expected 0 or more", name, *field))
		}
		if *field == 0 {
			*field = def
		}
	}
	duration("QRWait", &c.QRWait, 30*time.Second)
	duration("HubWait", &c.HubWait, min(c.QRWait, hubLimit))
	duration("MaxWait", &c.MaxWait, 2*time.Minute)
	duration("StartTimeout", &c.StartTimeout, 10*time.Second)
	duration("LinkTimeout", &c.LinkTimeout, 45*time.Second)
	duration("Heartbeat", &c.Heartbeat, 15*time.Second)
	duration("SendTimeout", &c.SendTimeout, time.Minute)
	duration("UploadKeep", &c.UploadKeep, 24*time.Hour)
	number("BodyLimit", &c.BodyLimit, 1<<20)
	number("Connections", &c.Connections, 65_536)
	number("Streams", &c.Streams, 1000)
	number("MaxAttempts", &c.MaxAttempts, 0)
	c.MaxWait = max(c.MaxWait, c.QRWait, c.HubWait)
	if c.Now == nil {
		c.Now = time.Now
	}
	return c, errors.Join(errs...)
}
