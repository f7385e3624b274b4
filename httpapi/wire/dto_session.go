package wire

import (
	"time"

	"github.com/danielgtaylor/huma/v2"

	"wasup/internal/session"
)

type Session struct {
	ID        string            `json:"id" doc:"The session's name in every route."`
	Name      string            `json:"name,omitempty" doc:"For people."`
	Metadata  map[string]string `json:"metadata,omitempty" doc:"The caller's own labels."`
	Proxy     string            `json:"proxy,omitempty" doc:"The proxy that the session connects through, its password masked."`
	CreatedAt time.Time         `json:"created_at,omitzero"`
	UpdatedAt time.Time         `json:"updated_at,omitzero"`
	Status    Status            `json:"status"`
}

type Status struct {
	ID             string     `json:"id"`
	State          State      `json:"state" doc:"What the session is seen to be in."`
	Cause          Cause      `json:"cause" doc:"Why it is in this state."`
	Desired        Desired    `json:"desired" doc:"What people asked of it. Stored; holds across restarts of the process."`
	Since          time.Time  `json:"since,omitzero" doc:"Of this state and cause."`
	CanSend        bool       `json:"can_send" doc:"A message would be taken now."`
	HasCredentials bool       `json:"has_credentials" doc:"A device is linked: the session comes back without a code."`
	NextRetryAt    time.Time  `json:"next_retry_at,omitzero" doc:"Of the next attempt, where one is scheduled."`
	BanUntil       time.Time  `json:"ban_until,omitzero" doc:"The end of a temporary ban, where it is known."`
	RestrictedTill time.Time  `json:"restriction_until,omitzero" doc:"Until then WhatsApp refuses messages to new chats (error 463)."`
	LastError      *LastError `json:"last_error,omitempty" doc:"The last failure, kept when it is over."`
	Incarnation    uint64     `json:"incarnation" doc:"Number of the last run of a WhatsApp client; 0: none yet."`
	Failures       int        `json:"failures" doc:"Failed attempts in a row; 0 once READY."`
	MaxAttempts    int        `json:"max_attempts" doc:"Failed attempts in a row before ERROR; 0: no limit."`
	Restarts       int        `json:"restarts" doc:"Supervised restarts after a crash since the process started."`
	Account        *Account   `json:"account,omitempty" doc:"Who the linked device belongs to."`
	QR             *QRState   `json:"qr,omitempty" doc:"The code that can be scanned now; GET …/qr has the code itself."`
	Passkey        PasskeyDue `json:"passkey,omitempty" doc:"WhatsApp asks for a passkey: the step that a person has to do."`
	ConnectedAt    time.Time  `json:"connected_at,omitzero" doc:"Of the last READY."`
	DisconnectedAt time.Time  `json:"disconnected_at,omitzero" doc:"Of the last end of READY."`
}

type LastError struct {
	Cause   Cause  `json:"cause"`
	Message string `json:"message,omitempty" doc:"One line for people."`
}

type Account struct {
	JID      string `json:"jid,omitempty" doc:"5491100000000:12@s.whatsapp.net"`
	LID      string `json:"lid,omitempty" doc:"123456789:12@lid"`
	Phone    string `json:"phone,omitempty" doc:"Digits with country code."`
	PushName string `json:"push_name,omitempty" doc:"The name that the account shows to others."`
}

type QRState struct {
	Sequence  int       `json:"sequence" doc:"Counts the session's codes, through rotations and reconnects."`
	ExpiresAt time.Time `json:"expires_at"`
}

// QR is a code that can be scanned. In an event it comes with the picture only where ?image=png asked for it.
type QR struct {
	Code      string    `json:"code" doc:"Exactly the string to draw."`
	Sequence  int       `json:"sequence" doc:"Counts the session's codes, through rotations and reconnects."`
	IssuedAt  time.Time `json:"issued_at,omitzero"`
	ExpiresAt time.Time `json:"expires_at"`
	Image     string    `json:"image,omitempty" doc:"The code as a data: URL of a PNG."`
}

// The closed sets. Each gives the document and the checks its own values.
type (
	State      string
	Cause      string
	Desired    string
	Outcome    string
	PasskeyDue string
)

// The steps of a passkey.
const (
	PasskeyResponse     PasskeyDue = "response"     // POST …/passkey/response with the authenticator's answer
	PasskeyConfirmation PasskeyDue = "confirmation" // POST …/passkey/confirmation once the codes are the same
)

func (State) Schema(huma.Registry) *huma.Schema   { return OneOf(session.States()) }
func (Cause) Schema(huma.Registry) *huma.Schema   { return OneOf(session.Causes()) }
func (Outcome) Schema(huma.Registry) *huma.Schema { return OneOf(session.QROutcomes()) }
func (PasskeyDue) Schema(huma.Registry) *huma.Schema {
	return OneOf([]PasskeyDue{PasskeyResponse, PasskeyConfirmation})
}

func (Desired) Schema(huma.Registry) *huma.Schema {
	return OneOf([]session.Desired{session.DesiredRun, session.DesiredStop, session.DesiredDelete})
}

// OneOf is the schema of a closed set.
func OneOf[T ~string](values []T) *huma.Schema {
	s := &huma.Schema{Type: huma.TypeString}
	for _, value := range values {
		s.Enum = append(s.Enum, string(value))
	}
	return s
}
