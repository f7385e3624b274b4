package message

import (
	"errors"
	"slices"
	"time"

	"wasup/internal/session"
)

// State is the state of an outgoing message. The names are public and stored.
type State string

// The states of an outgoing message, in their order. Failed and Cancelled stand outside of it.
const (
	Queued State = "queued" // accepted; waits for its turn, its time, or the session
	// Held is the state of a message that was accepted for another account than the one that is linked now. It waits for a
	// person.
	Held      State = "held"
	Sending   State = "sending"    // an attempt has begun; WhatsApp's server may have the message or not
	ServerAck State = "server_ack" // WhatsApp's server has the message
	Delivered State = "delivered"  // a device of the recipient has the message
	Read      State = "read"
	Played    State = "played" // a voice note or a video was played
	Failed    State = "failed" // not sent, or refused; Message.Failure has the reason
	Cancelled State = "cancelled"
)

// States lists every state.
func States() []State {
	return []State{
		Queued, Held, Sending, ServerAck, Delivered, Read, Played, Failed, Cancelled,
	}
}

// Settled reports whether nothing is left to send in this state, and nothing to decide.
func (s State) Settled() bool { return s != Queued && s != Held && s != Sending }

// Reached reports whether a message in state s has come to the state until or further, or has failed or been cancelled.
func (s State) Reached(until State) bool {
	if s == Failed || s == Cancelled {
		return true
	}
	order := States()
	return slices.Index(order, s) >= slices.Index(order, until)
}

// Request asks for one message to be sent.
type Request struct {
	Session session.ID
	To      Recipient
	Content Content
	Key     string // the Idempotency-Key; "" if the caller gave none
	// Fingerprint identifies the request if its file is not stored yet, so that Content alone cannot: two requests with
	// the same fingerprint ask for the same message. If it is "", recipient and content are compared instead.
	Fingerprint string
	SendAt      time.Time // not before then; zero: at once
	ExpiresAt   time.Time // not after then; zero: no limit
}

// Message is an outgoing message as stored in the outbox. Session and ID identify it.
type Message struct {
	Session     session.ID
	ID          string // the WhatsApp message id, chosen when the message was accepted
	Key         string // the Idempotency-Key; "" if the caller gave none
	To          Recipient
	Content     Content // only its Kind is left once nobody needs the rest
	State       State
	Failure     Failure   // why it failed, or why the last attempt failed if more follow
	Attempts    int       // attempts so far that may have brought the message to WhatsApp
	SendAt      time.Time // zero: at once
	ExpiresAt   time.Time // zero: never
	CreatedAt   time.Time
	UpdatedAt   time.Time
	AckedAt     time.Time // this and the next three: zero until it happens
	DeliveredAt time.Time
	ReadAt      time.Time
	PlayedAt    time.Time
	CanRequeue  bool      // it is held; or it failed, its content is kept, and WhatsApp had not accepted it
	Receipts    []Receipt // one for each device that sent a receipt, oldest first
}

// Seen is a message that the session has received or sent, as phones show it now. It may be one that another device of
// the account has sent.
type Seen struct {
	Content Content   // with the text of the last edit
	At      time.Time // the server's time
	Revoked bool      // it was deleted for everyone
	Partial bool      // the session has sent it: Content may have no more than the kind
}

// EditWindow is how long a message can be edited. The apps offer it for 15 minutes; phones accept an edit for 20, as
// whatsmeow's EditWindow says.
const EditWindow = 20 * time.Minute

// CheckEdit returns nil if the message can still be edited at a time, otherwise CodeInvalidRequest.
func (m *Message) CheckEdit(now time.Time) error {
	switch m.Content.Kind {
	case KindText, KindImage, KindVideo, KindDocument:
	default:
		return m.refuseChange("expected a text, image, video or document: only texts and captions can be edited")
	}
	switch {
	case m.State == Failed || m.State == Cancelled:
		return m.refuseChange("expected a message that was sent; this one is " + string(m.State))
	case !m.AckedAt.IsZero() && now.Sub(m.AckedAt) > EditWindow:
		return m.refuseChange("expected a message of the last 20 minutes: phones ignore later edits")
	default:
		return nil
	}
}

// CheckSent returns CodeInvalidRequest if nobody can have the message: it has failed or was cancelled before an attempt.
func (m *Message) CheckSent() error {
	if (m.State == Failed || m.State == Cancelled) && m.Attempts == 0 {
		return m.refuseChange("expected a message that was sent; this one is " + string(m.State))
	}
	return nil
}

func (m *Message) refuseChange(reason string) error {
	return &session.Error{
		Code: session.CodeInvalidRequest, Op: "change message", Session: m.Session, Field: "target.id", Message: "target.id: " + reason,
	}
}

// Failure is why a message failed. The zero value is no failure.
type Failure struct {
	Code    session.Code
	Status  int    // WhatsApp's error number; 0 if there is none
	Message string // one sentence for the caller; "": use the documentation of the code
}

// FailureOf returns the parts of an error that may be stored and shown, or the zero value for nil.
func FailureOf(err error) Failure {
	if err == nil {
		return Failure{}
	}
	var e *session.Error
	if !errors.As(err, &e) {
		return Failure{Code: session.CodeInternal}
	}
	return Failure{Code: e.Code, Status: e.Status, Message: e.Message}
}

// Err returns the failure as an error, or nil for the zero value.
func (f Failure) Err(id session.ID) error {
	if f == (Failure{}) {
		return nil
	}
	return &session.Error{Code: f.Code, Op: "send message", Session: id, Status: f.Status, Message: f.Message}
}

// Receipt says when one device got, read and played a message. A zero time means that it has not happened.
type Receipt struct {
	Recipient   Address // the owner of the device
	Device      int     // the number of the device; 0 is the phone
	DeliveredAt time.Time
	ReadAt      time.Time
	PlayedAt    time.Time
}

// Filter selects messages of a session.
type Filter struct {
	States []State // empty: all states
	Cursor string  // the cursor that came with the previous page; "" for the first page
	Limit  int     // messages on a page
}

// FileHint is what the caller claims about a file. Nothing in it is trusted.
type FileHint struct {
	Mime string
	Name string
}
