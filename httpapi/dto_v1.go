package httpapi

import (
	"encoding/json"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"wasup/internal/session"
)

// The JSON of /v1. Tags beside json are what the OpenAPI document says and what requests are checked against. A field
// without a value is left out.

type v1Session struct {
	ID        string            `json:"id" doc:"The session's name in every route."`
	Name      string            `json:"name,omitempty" doc:"For people."`
	Metadata  map[string]string `json:"metadata,omitempty" doc:"The caller's own labels."`
	Proxy     string            `json:"proxy,omitempty" doc:"The proxy that the session connects through, its password masked."`
	CreatedAt time.Time         `json:"created_at,omitzero"`
	UpdatedAt time.Time         `json:"updated_at,omitzero"`
	Status    v1Status          `json:"status"`
}

type v1Status struct {
	ID             string       `json:"id"`
	State          v1State      `json:"state" doc:"What the session is seen to be in."`
	Cause          v1Cause      `json:"cause" doc:"Why it is in this state."`
	Desired        v1Desired    `json:"desired" doc:"What people asked of it. Stored; holds across restarts of the process."`
	Since          time.Time    `json:"since,omitzero" doc:"Of this state and cause."`
	CanSend        bool         `json:"can_send" doc:"A message would be taken now."`
	HasCredentials bool         `json:"has_credentials" doc:"A device is linked: the session comes back without a code."`
	NextRetryAt    time.Time    `json:"next_retry_at,omitzero" doc:"Of the next attempt, where one is scheduled."`
	BanUntil       time.Time    `json:"ban_until,omitzero" doc:"The end of a temporary ban, where it is known."`
	RestrictedTill time.Time    `json:"restriction_until,omitzero" doc:"Until then WhatsApp refuses messages to new chats (error 463)."`
	LastError      *v1LastError `json:"last_error,omitempty" doc:"The last failure, kept when it is over."`
	Incarnation    uint64       `json:"incarnation" doc:"Number of the last run of a WhatsApp client; 0: none yet."`
	Failures       int          `json:"failures" doc:"Failed attempts in a row; 0 once READY."`
	MaxAttempts    int          `json:"max_attempts" doc:"Failed attempts in a row before ERROR; 0: no limit."`
	Restarts       int          `json:"restarts" doc:"Supervised restarts after a crash since the process started."`
	Account        *v1Account   `json:"account,omitempty" doc:"Who the linked device belongs to."`
	QR             *v1QRState   `json:"qr,omitempty" doc:"The code that can be scanned now; GET …/qr has the code itself."`
	Passkey        v1PasskeyDue `json:"passkey,omitempty" doc:"WhatsApp asks for a passkey: the step that a person has to do."`
	ConnectedAt    time.Time    `json:"connected_at,omitzero" doc:"Of the last READY."`
	DisconnectedAt time.Time    `json:"disconnected_at,omitzero" doc:"Of the last end of READY."`
}

type v1LastError struct {
	Cause   v1Cause `json:"cause"`
	Message string  `json:"message,omitempty" doc:"One line for people."`
}

type v1Account struct {
	JID      string `json:"jid,omitempty" doc:"5491100000000:12@s.whatsapp.net"`
	LID      string `json:"lid,omitempty" doc:"123456789:12@lid"`
	Phone    string `json:"phone,omitempty" doc:"Digits with country code."`
	PushName string `json:"push_name,omitempty" doc:"The name that the account shows to others."`
}

type v1QRState struct {
	Sequence  int       `json:"sequence" doc:"Counts the session's codes, through rotations and reconnects."`
	ExpiresAt time.Time `json:"expires_at"`
}

// v1QR is a code that can be scanned. In an event it comes with the picture only where ?image=png asked for it.
type v1QR struct {
	Code      string    `json:"code" doc:"Exactly the string to draw."`
	Sequence  int       `json:"sequence" doc:"Counts the session's codes, through rotations and reconnects."`
	IssuedAt  time.Time `json:"issued_at,omitzero"`
	ExpiresAt time.Time `json:"expires_at"`
	Image     string    `json:"image,omitempty" doc:"The code as a data: URL of a PNG."`
}

type v1QRAnswer struct {
	Outcome v1Outcome `json:"outcome"`
	State   v1State   `json:"state"`
	Cause   v1Cause   `json:"cause"`
	QR      v1QR      `json:"qr"`
}

type v1SessionList struct {
	Items      []v1Session `json:"items"`
	Total      int         `json:"total" doc:"Sessions that match, on all pages."`
	NextCursor string      `json:"next_cursor,omitempty" doc:"?cursor= of the next page; absent on the last one."`
}

type v1SessionNew struct {
	ID       string            `json:"id,omitempty" pattern:"^[a-z0-9][a-z0-9_-]{0,63}$" doc:"1 to 64 of a-z, 0-9, '_', '-', beginning with a letter or a digit. Left out: one is made up."`
	Name     string            `json:"name,omitempty" maxLength:"100" doc:"For people."`
	Metadata map[string]string `json:"metadata,omitempty" maxProperties:"50" doc:"The caller's own labels: keys of 1 to 64 of A-Z, a-z, 0-9, '_', '.', '-'; values of at most 500 bytes."`
	Proxy    string            `json:"proxy,omitempty" maxLength:"1000" doc:"An http, https or socks5 URL, credentials included. Nothing connects without it."`
	Start    bool              `json:"start,omitempty" doc:"Start it at once. Otherwise it starts with the first request for a code, or with POST …/start."`
}

type v1SessionPatch struct {
	Name     *string            `json:"name,omitempty" nullable:"true" maxLength:"100" doc:"null removes it."`
	Metadata map[string]*string `json:"metadata,omitempty" nullable:"true" maxProperties:"50" doc:"Merged into what is there; a key with null is removed, null alone removes all."`
	Proxy    *string            `json:"proxy,omitempty" nullable:"true" maxLength:"1000" doc:"null removes it. A session that runs is restarted, so that it leaves the old way at once."`
}

type v1PairingCodeAsk struct {
	Phone string `json:"phone" maxLength:"40" doc:"The number with country code, such as +54 9 11 5555 0101."`
}

type v1PairingCode struct {
	Code      string    `json:"code" doc:"To enter on the phone, under Linked devices, Link with phone number."`
	ExpiresAt time.Time `json:"expires_at,omitzero"`
}

type v1Passkey struct {
	Step              v1PasskeyDue    `json:"step"`
	Challenge         json.RawMessage `json:"challenge,omitempty" doc:"WebAuthn PublicKeyCredentialRequestOptions for navigator.credentials.get, while step is response."`
	Code              string          `json:"code,omitempty" doc:"To compare with the code that the phone shows, while step is confirmation."`
	ComparisonSkipped bool            `json:"comparison_skipped" doc:"WhatsApp does not ask for the comparison: confirm at once."`
}

type v1Supervision struct {
	Counts     v1SupervisionCounts `json:"counts"`
	Items      []v1Supervised      `json:"items"`
	Total      int                 `json:"total" doc:"Sessions that match, on all pages."`
	NextCursor string              `json:"next_cursor,omitempty" doc:"?cursor= of the next page; absent on the last one."`
}

type v1SupervisionCounts struct {
	Sessions    int            `json:"sessions"`
	Running     int            `json:"running" doc:"An actor runs for so many."`
	Quarantined int            `json:"quarantined"`
	Restarts    int            `json:"restarts" doc:"Supervised restarts since the process started."`
	States      map[string]int `json:"states" doc:"Sessions by state."`
}

type v1Supervised struct {
	ID               string    `json:"id"`
	State            v1State   `json:"state"`
	Cause            v1Cause   `json:"cause"`
	Desired          v1Desired `json:"desired"`
	Running          bool      `json:"running" doc:"An actor runs for it."`
	Quarantined      bool      `json:"quarantined" doc:"It crashed more often than the restart intensity allows. Released by a person, or by the cool-down."`
	Incarnation      uint64    `json:"incarnation"`
	Restarts         int       `json:"restarts" doc:"Supervised restarts since the process started."`
	RestartsInWindow int       `json:"restarts_in_window" doc:"Crashes within the window of the restart intensity, as of the last one."`
	NextRetryAt      time.Time `json:"next_retry_at,omitzero"`
	LastCrash        *v1Crash  `json:"last_crash,omitempty"`
	Since            time.Time `json:"since,omitzero"`
}

type v1Crash struct {
	At     time.Time `json:"at,omitzero"`
	Where  string    `json:"where"`
	Reason string    `json:"reason"`
	Stack  string    `json:"stack,omitempty" doc:"Only where one session is asked for."`
}

type v1Problem struct {
	Type    string         `json:"type" doc:"urn:wasup:error: and the code."`
	Title   string         `json:"title" doc:"The status in words."`
	Status  int            `json:"status"`
	Detail  string         `json:"detail,omitempty" doc:"One sentence for people."`
	Code    string         `json:"code" doc:"Stable and machine-readable: docs/api.md lists them all."`
	Field   string         `json:"field,omitempty" doc:"invalid_request: the first field, parameter or header that is not acceptable."`
	Errors  []v1FieldError `json:"errors,omitempty" doc:"invalid_request: each of them."`
	Outcome v1Outcome      `json:"outcome,omitempty" doc:"How the wait for a code ended."`
	State   v1State        `json:"state,omitempty"`
	Cause   v1Cause        `json:"cause,omitempty"`
	Message *v1Message     `json:"message,omitempty" doc:"The message that was accepted and failed."`
}

type v1FieldError struct {
	Field  string `json:"field"`
	Detail string `json:"detail"`
}

// The closed sets. Each gives the document and the checks its own values.
type (
	v1State      string
	v1Cause      string
	v1Desired    string
	v1Outcome    string
	v1PasskeyDue string
)

// The steps of a passkey.
const (
	passkeyResponse     v1PasskeyDue = "response"     // POST …/passkey/response with the authenticator's answer
	passkeyConfirmation v1PasskeyDue = "confirmation" // POST …/passkey/confirmation once the codes are the same
)

func (v1State) Schema(huma.Registry) *huma.Schema   { return oneOf(session.States()) }
func (v1Cause) Schema(huma.Registry) *huma.Schema   { return oneOf(session.Causes()) }
func (v1Outcome) Schema(huma.Registry) *huma.Schema { return oneOf(session.QROutcomes()) }
func (v1PasskeyDue) Schema(huma.Registry) *huma.Schema {
	return oneOf([]v1PasskeyDue{passkeyResponse, passkeyConfirmation})
}

func (v1Desired) Schema(huma.Registry) *huma.Schema {
	return oneOf([]session.Desired{session.DesiredRun, session.DesiredStop, session.DesiredDelete})
}

func oneOf[T ~string](values []T) *huma.Schema {
	s := &huma.Schema{Type: huma.TypeString}
	for _, value := range values {
		s.Enum = append(s.Enum, string(value))
	}
	return s
}

// v1Credential is a PublicKeyCredential; WhatsApp checks what is in it.
type v1Credential map[string]any
