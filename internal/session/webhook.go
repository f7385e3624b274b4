package session

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Webhook is an address that events are posted to. A Webhook value is never changed in place: copies share its slices
// and its map.
type Webhook struct {
	ID          string
	Session     ID     // whose events; "": those of every session
	URL         string // http or https; its query may hold a credential
	Description string // for people; at most MaxDescription characters
	// Events are the types that are delivered; none: every type.
	Events []EventType
	// Headers go with each request. Their values may be credentials and are never shown again.
	Headers map[string]string
	// Secret signs, in the form of Standard Webhooks: whsec_ and base64. After a rotation OldSecret signs as well until
	// OldUntil, so that receivers can be changed over one after the other.
	Secret    string
	OldSecret string
	OldUntil  time.Time
	Active    bool   // false: events wait until it is resumed
	Disabled  string // why it was switched off by itself; "" where a person paused it, or where it is active
	CreatedAt time.Time
	UpdatedAt time.Time
}

// The bounds of a Webhook.
const (
	MaxDescription        = 200
	MaxWebhookURL         = 2000 // bytes
	MaxWebhookHeaders     = 20
	MaxWebhookHeaderValue = 2000 // bytes
)

// SecretPrefix begins every secret of a webhook.
const SecretPrefix = "whsec_"

// Sends reports whether events of this type are delivered.
func (w *Webhook) Sends(kind EventType) bool {
	return len(w.Events) == 0 || slices.Contains(w.Events, kind)
}

// Covers reports whether events of this session are delivered.
func (w *Webhook) Covers(id ID) bool { return w.Session == "" || w.Session == id }

// Check names the first field that is not acceptable. Whether the address may be reached is for who reaches it.
func (w *Webhook) Check() error {
	if err := checkWebhookURL(w.URL); err != nil {
		return err
	}
	if utf8.RuneCountInString(w.Description) > MaxDescription || !utf8.ValidString(w.Description) {
		return badWebhook("description", fmt.Sprintf("expected at most %d characters", MaxDescription))
	}
	for i, kind := range w.Events {
		if !slices.Contains(EventTypes(), kind) {
			return badWebhook("events", fmt.Sprintf("%q is no type of event; expected * or some of %s", clip(string(kind), 40), typeNames()))
		}
		if slices.Contains(w.Events[:i], kind) {
			return badWebhook("events", fmt.Sprintf("expected %s once", kind))
		}
	}
	if len(w.Headers) > MaxWebhookHeaders {
		return badWebhook("headers", fmt.Sprintf("expected at most %d", MaxWebhookHeaders))
	}
	for _, name := range slices.Sorted(maps.Keys(w.Headers)) {
		if err := checkHeader(name, w.Headers[name]); err != nil {
			return err
		}
	}
	return CheckSecret(w.Secret)
}

func typeNames() string {
	var names []string
	for _, kind := range EventTypes() {
		names = append(names, string(kind))
	}
	return strings.Join(names, ", ")
}

func checkWebhookURL(raw string) error {
	u, err := url.Parse(raw)
	switch {
	case len(raw) > MaxWebhookURL || err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "":
		// The value is not repeated: its query may hold a credential.
		return badWebhook("url", fmt.Sprintf("expected an http:// or https:// URL with a host, of at most %d bytes", MaxWebhookURL))
	case u.User != nil:
		return badWebhook("url", "expected a URL without user and password; a header can carry them")
	case u.Fragment != "":
		return badWebhook("url", "expected a URL without a fragment, which is never sent")
	default:
		return nil
	}
}

// ownHeaders are set by whoever sends, and so not for others to set.
func ownHeaders() []string {
	return []string{
		"Connection", "Content-Encoding", "Content-Length", "Content-Type", "Expect", "Host", "Keep-Alive", "Proxy-Connection", "Te",
		"Trailer", "Transfer-Encoding", "Upgrade",
	}
}

func checkHeader(name, value string) error {
	const token = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	if name == "" || len(name) > 100 || strings.Trim(name, token) != "" {
		return badWebhook("headers", fmt.Sprintf("%q: expected the name of a header", clip(name, 40)))
	}
	canonical := textproto.CanonicalMIMEHeaderKey(name)
	if slices.Contains(ownHeaders(), canonical) || strings.HasPrefix(canonical, "Webhook-") {
		return badWebhook("headers", name+": this header is set by wasup")
	}
	if len(value) > MaxWebhookHeaderValue || strings.ContainsFunc(value, func(r rune) bool { return r != '\t' && (r < ' ' || r > '~') }) {
		return badWebhook("headers."+name, fmt.Sprintf("expected visible ASCII of at most %d bytes", MaxWebhookHeaderValue))
	}
	return nil
}

// CheckSecret accepts whsec_ and 24 to 64 bytes in base64, as Standard Webhooks has it.
func CheckSecret(secret string) error {
	text, ok := strings.CutPrefix(secret, SecretPrefix)
	raw, err := base64.StdEncoding.DecodeString(text)
	if !ok || err != nil || len(raw) < 24 || len(raw) > 64 {
		return badWebhook("secret", "expected whsec_ and 24 to 64 random bytes in base64")
	}
	return nil
}

func badWebhook(field, expected string) error {
	return &Error{Code: CodeInvalidRequest, Op: "check webhook", Field: field, Message: field + ": " + expected}
}

// Origin says where a new webhook begins in the log: at its end (the zero value), at its beginning, or with the event
// number Seq of the session whose webhook it is.
type Origin struct {
	Beginning bool
	Seq       uint64
}

// WebhookPatch is a change of a webhook; nil leaves a field as it is.
type WebhookPatch struct {
	URL         *string
	Description *string
	Events      *[]EventType
	Active      *bool
	// Headers are merged into those that are there: nil removes one.
	Headers map[string]*string
}

// WebhookStatus is how far a webhook's deliveries have come.
type WebhookStatus struct {
	Backlog  int          // events that wait to be delivered
	Oldest   time.Time    // when the oldest of them happened
	Failing  time.Time    // since when no delivery has succeeded; zero: the last one did, or none was tried
	Failures int          // failed attempts in a row
	Retry    time.Time    // of the next attempt, where all wait for it
	Sessions int          // that have events waiting
	Dead     int          // dead letters
	Missed   int          // events that retention removed before they could be delivered
	Gaps     []WebhookGap // of them, the newest first; not all
	Last     *WebhookDelivery
}

// WebhookOutcome says how an attempt to deliver an event ended.
type WebhookOutcome string

// The outcomes. The names are public and stored.
const (
	WebhookDelivered   WebhookOutcome = "delivered"    // 2xx
	WebhookRedirected  WebhookOutcome = "redirected"   // 3xx, which are not followed
	WebhookRefused     WebhookOutcome = "refused"      // 4xx but the two below
	WebhookGone        WebhookOutcome = "gone"         // 410, which switches the webhook off
	WebhookRateLimited WebhookOutcome = "rate_limited" // 429
	WebhookFailed      WebhookOutcome = "failed"       // 5xx, or what is no answer
	WebhookTimeout     WebhookOutcome = "timeout"      // no whole answer in time
	WebhookUnreachable WebhookOutcome = "unreachable"  // no connection: name, network, TLS
	WebhookBlocked     WebhookOutcome = "blocked"      // the address leads to a network that must not be reached
)

// WebhookOutcomes lists every outcome.
func WebhookOutcomes() []WebhookOutcome {
	return []WebhookOutcome{
		WebhookDelivered, WebhookRedirected, WebhookRefused, WebhookGone, WebhookRateLimited, WebhookFailed, WebhookTimeout,
		WebhookUnreachable, WebhookBlocked,
	}
}

// WebhookDelivery is one attempt.
type WebhookDelivery struct {
	N       uint64 // counts the webhook's attempts; 0: not numbered
	Session ID
	Seq     uint64
	Pos     uint64
	Type    EventType
	At      time.Time
	Attempt int // of this event: 1, 2, 3, …
	Outcome WebhookOutcome
	Status  int // of HTTP; 0 where there was no answer
	Took    time.Duration
	Error   string // one short line, "" for what was delivered; it may quote the receiver
}

// DeadLetter is an event that could not be delivered in the time there is for it.
type DeadLetter struct {
	Event    Event // as it was; Data included, whatever the log still has
	Attempts int
	Status   int
	Error    string
	DiedAt   time.Time
	Requeued bool // it will be tried again
}

// WebhookGap is a run of a session's events that retention removed before a webhook had them. Only those are counted that
// the webhook wants.
type WebhookGap struct {
	Webhook     string
	Session     ID
	First, Last uint64 // numbers of the session's events
	Pos         uint64 // the last one's position in the log
	Count       int
	From, To    time.Time // when they happened
	At          time.Time // when they were removed
	State       GapState
}

// GapState says whether the receiver knows of a gap.
type GapState string

// The states. The names are public and stored.
const (
	GapWaiting GapState = "waiting"  // it will be told before the next event of the session
	GapTold    GapState = "told"     //
	GapGivenUp GapState = "given_up" // it did not take the notice in the time that an event has
)

// GapStates lists every state.
func GapStates() []GapState { return []GapState{GapWaiting, GapTold, GapGivenUp} }

// GapData is what a receiver is told of a gap.
type GapData struct {
	Count int       `json:"missed"`
	First uint64    `json:"first_seq"`
	Last  uint64    `json:"last_seq"`
	From  time.Time `json:"from"`
	To    time.Time `json:"to"`
}

// Replay says what is delivered once more. The zero value is everything that the log has.
type Replay struct {
	Session ID        // only of this session
	Seq     uint64    // from this event of the session on; 0: not by number
	Since   time.Time // from the first event of this time on; zero: not by time
}

// WebhookBody is what a receiver gets.
type WebhookBody struct {
	Type    EventType       `json:"type"`
	At      time.Time       `json:"timestamp"`
	Session ID              `json:"session"`
	Seq     uint64          `json:"seq"`
	Pos     uint64          `json:"pos"`
	Data    json.RawMessage `json:"data"`
}
