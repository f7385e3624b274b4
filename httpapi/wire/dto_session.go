package wire

import (
	"time"

	"github.com/danielgtaylor/huma/v2"

	"wasup/internal/session"
)

type Session struct {
	ID        string            `json:"id" doc:"The session's name in every route."`
	Name      string            `json:"name,omitempty" doc:"A name for people."`
	Metadata  map[string]string `json:"metadata,omitempty" doc:"The caller's own labels."`
	Proxy     string            `json:"proxy,omitempty" doc:"The proxy that the session connects through, its password masked."`
	CreatedAt time.Time         `json:"created_at,omitzero"`
	UpdatedAt time.Time         `json:"updated_at,omitzero"`
	Status    Status            `json:"status"`
}

type Status struct {
	ID             string     `json:"id"`
	State          State      `json:"state" doc:"The observed state of the session."`
	Cause          Cause      `json:"cause" doc:"Why the session is in this state."`
	Desired        Desired    `json:"desired" doc:"The desired state: what people asked for. It is stored, and holds across restarts of the process."`
	Since          time.Time  `json:"since,omitzero" doc:"When this state and cause began."`
	CanSend        bool       `json:"can_send" doc:"The session can send now."`
	HasCredentials bool       `json:"has_credentials" doc:"A device is linked: the session reconnects without a code."`
	NextRetryAt    time.Time  `json:"next_retry_at,omitzero" doc:"When the next attempt is, if one is scheduled."`
	BanUntil       time.Time  `json:"ban_until,omitzero" doc:"The end of a temporary ban, if it is known."`
	RestrictedTill time.Time  `json:"restriction_until,omitzero" doc:"Until this time WhatsApp refuses messages to new chats (error 463)."`
	LastError      *LastError `json:"last_error,omitempty" doc:"The last failure. It stays after the session has recovered."`
	Incarnation    uint64     `json:"incarnation" doc:"The number of the session's last connection attempt (client run); 0: none yet."`
	Failures       int        `json:"failures" doc:"Failed attempts in a row; 0 once READY."`
	MaxAttempts    int        `json:"max_attempts" doc:"Failed attempts in a row before ERROR; 0: no limit."`
	Restarts       int        `json:"restarts" doc:"Crashes since the process started, each followed by a restart or by quarantine."`
	Account        *Account   `json:"account,omitempty" doc:"The account of the linked device."`
	QR             *QRState   `json:"qr,omitempty" doc:"The code that is valid now. GET …/qr has the code itself."`
	Unlink         string     `json:"unlink,omitempty" enum:"pending,by_phone" doc:"Only in the answer to a logout: the phone still lists the device. pending: wasup unlinks it, in the background if the session is not connected; by_phone: a person has to remove it on the phone."`
	HeldMessages   int        `json:"held_messages,omitempty" doc:"Messages that were accepted for another account than the one that is linked now. They do not leave until a person requeues them: see GET …/messages?state=held."`
	Passkey        PasskeyDue `json:"passkey,omitempty" doc:"WhatsApp asks for a passkey: what a person has to do next."`
	ConnectedAt    time.Time  `json:"connected_at,omitzero" doc:"When the session last became READY."`
	DisconnectedAt time.Time  `json:"disconnected_at,omitzero" doc:"When the session last left READY."`
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
	Sequence  int       `json:"sequence" doc:"Numbers the session's codes, across rotations and reconnects."`
	ExpiresAt time.Time `json:"expires_at"`
}

// QR is a code that can be scanned. In an event, Image is set only if ?image=png asked for it.
type QR struct {
	Code      string    `json:"code" doc:"The exact string to draw as a QR."`
	Sequence  int       `json:"sequence" doc:"Numbers the session's codes, across rotations and reconnects."`
	IssuedAt  time.Time `json:"issued_at,omitzero"`
	ExpiresAt time.Time `json:"expires_at"`
	Image     string    `json:"image,omitempty" doc:"The QR as a PNG in a data: URL."`
}

// Enumerations. The Schema method of each lists its values for the document and the checks.
type (
	State      string
	Cause      string
	Desired    string
	Outcome    string
	PasskeyDue string
)

// The steps of a passkey that a person has to do.
const (
	PasskeyResponse     PasskeyDue = "response"     // POST …/passkey/response with the authenticator's answer
	PasskeyConfirmation PasskeyDue = "confirmation" // POST …/passkey/confirmation after comparing the codes
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

// OneOf returns the schema of an enumeration.
func OneOf[T ~string](values []T) *huma.Schema {
	s := &huma.Schema{Type: huma.TypeString}
	for _, value := range values {
		s.Enum = append(s.Enum, string(value))
	}
	return s
}
