package message

import (
	"errors"
	"slices"
	"time"

	"wasup/internal/session"
)

// State is how far an outgoing message has come. The names are public and stored.
type State string

// The states of an outgoing message, in the order of its life; the last two are ends beside it.
const (
	Queued    State = "queued"     // accepted: it waits for its turn, its time, or the session
	Sending   State = "sending"    // an attempt has begun; WhatsApp's server may or may not have it
	ServerAck State = "server_ack" // WhatsApp's server has it
	Delivered State = "delivered"  // a device of the recipient has it
	Read      State = "read"
	Played    State = "played" // a voice note or a video was played
	Failed    State = "failed" // it did not leave, or was refused; Message.Failure says why
	Cancelled State = "cancelled"
)

// States lists every state.
func States() []State {
	return []State{
		Queued, Sending, ServerAck, Delivered, Read, Played, Failed, Cancelled,
	}
}

// Settled reports the states in which nothing is left to be sent.
func (s State) Settled() bool { return s != Queued && s != Sending }

// Reached reports that a message in state s has come as far as until, or cannot come further by itself.
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
	Key     string // the Idempotency-Key, "" where the caller gave none
	// Fingerprint says what was asked for where Content cannot say it without a file that has to be got first: requests
	// with the same one ask for the same message. "": requests with the same recipient and content do.
	Fingerprint string
	SendAt      time.Time // not before then; zero: at once
	ExpiresAt   time.Time // not after then; zero: no limit
}

// Message is an outgoing message as the ledger has it. Session and ID identify it.
type Message struct {
	Session     session.ID
	ID          string // the WhatsApp message id, chosen when it was accepted
	Key         string // the Idempotency-Key, "" where the caller gave none
	To          Recipient
	Content     Content // only its Kind is left once nobody needs the rest
	State       State
	Failure     Failure   // of Failed, and of the last attempt that failed while more follow
	Attempts    int       // begun so far
	SendAt      time.Time // zero: at once
	ExpiresAt   time.Time // zero: never
	CreatedAt   time.Time
	UpdatedAt   time.Time
	AckedAt     time.Time // this and the next three: zero while it has not come so far
	DeliveredAt time.Time
	ReadAt      time.Time
	PlayedAt    time.Time
	CanRequeue  bool      // it failed, its content is kept, and WhatsApp had not accepted it
	Receipts    []Receipt // of each device of each recipient that said something, oldest first
}

// Failure is why a message failed. The zero value is no failure.
type Failure struct {
	Code    session.Code
	Status  int    // WhatsApp's error number; 0 where there is none
	Message string // one sentence for the caller; "" is the code's own
}

// FailureOf takes of an error what may be stored and shown. It is the zero value for nil.
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

// Err is the failure as an error again, nil for the zero value.
func (f Failure) Err(id session.ID) error {
	if f == (Failure{}) {
		return nil
	}
	return &session.Error{Code: f.Code, Op: "send message", Session: id, Status: f.Status, Message: f.Message}
}

// Receipt is how far a message has come with one device.
type Receipt struct {
	Recipient   Address // whose device it is
	Device      int     // its number; 0 is the phone
	DeliveredAt time.Time
	ReadAt      time.Time
	PlayedAt    time.Time
}

// Filter chooses among the messages of a session.
type Filter struct {
	States []State // none: all
	Cursor string  // the next cursor of the page before, "" for the first
	Limit  int     // messages on the page
}

// FileHint is what the caller says of a file beside its bytes. Nothing in it is trusted.
type FileHint struct {
	Mime string
	Name string
}
