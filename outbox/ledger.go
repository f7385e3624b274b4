package outbox

import (
	"context"
	"time"

	"wasup/session"
)

// State is how far a message has come. The names are public and stored.
type State string

// The states of a message that this package writes.
const (
	Queued    State = "queued"     // accepted; no attempt has begun
	Sending   State = "sending"    // an attempt has begun; the server may or may not have the message
	ServerAck State = "server_ack" // WhatsApp's server has it
	Failed    State = "failed"     // refused for good; Entry.Failure says why
)

// States lists every state in the order of a message's life.
func States() []State { return []State{Queued, Sending, ServerAck, Failed} }

// Final reports the states that no further attempt can change.
func (s State) Final() bool { return s == ServerAck || s == Failed }

// Failure is a refusal as it is stored and replayed.
type Failure struct {
	Code    session.Code
	Status  int    // WhatsApp's error number; 0 where there is none
	Message string // for the caller; "" is the code's own sentence
}

// Entry is one message in the ledger. Session and MessageID identify it.
type Entry struct {
	Session   session.ID
	MessageID string
	Key       string // the Idempotency-Key; "" where the caller gave none
	BodyHash  string // of recipient and text; kept after the text is gone
	To        session.Recipient
	Text      string // deleted once State is final
	State     State
	AckedAt   time.Time // the server's time; ServerAck only
	Failure   Failure   // Failed only
	CreatedAt time.Time
	UpdatedAt time.Time
}

// Outcome is what ends a message: State is ServerAck (with AckedAt) or Failed (with Failure).
type Outcome struct {
	State   State
	AckedAt time.Time
	Failure Failure
}

// Ledger is the durable memory of the outbox. Every method is bounded by ctx, and what it reported is on disk: neither
// kill -9 nor a power cut takes it back. Errors are *session.Error with a code of the store.
type Ledger interface {
	// Begin stores the entry unless the session already has one with its key (or, without a key, with its id), and
	// returns what is stored. existed tells a stored entry from a new one.
	Begin(ctx context.Context, entry Entry) (stored Entry, existed bool, err error)
	// Finish writes the outcome and deletes the text. An entry that is final already keeps its first outcome.
	// CodeNotFound where there is no such entry.
	Finish(ctx context.Context, id session.ID, messageID string, outcome Outcome) error
	// Discard forgets an entry that never left the process. A final one, or none, is left alone.
	Discard(ctx context.Context, id session.ID, messageID string) error
	// Prune deletes the entries that were last written before a time, at most limit of them, and says how many it
	// deleted. It holds the database for one short write.
	Prune(ctx context.Context, before time.Time, limit int) (int, error)
}

// Sender makes one attempt. It returns once WhatsApp's server has acknowledged the message or refused it, and when ctx
// ends. CodeSendFailed, CodeRestricted and CodeNotOnWhatsApp are refusals: they are stored and never retried.
// CodeNotReady, CodeNotFound, CodeInvalidRequest, CodeQueueFull, CodeShuttingDown and CodeQuarantined promise that
// nothing left the process. After any other error the server may have the message.
type Sender interface {
	Send(ctx context.Context, id session.ID, message session.Outgoing) (session.Ack, error)
}

// refused reports the codes that settle a message as failed.
func refused(code session.Code) bool {
	switch code {
	case session.CodeSendFailed, session.CodeRestricted, session.CodeNotOnWhatsApp:
		return true
	default:
		return false
	}
}

// neverLeft reports the codes by which a Sender promises that nothing left the process.
func neverLeft(code session.Code) bool {
	switch code {
	case session.CodeNotReady, session.CodeNotFound, session.CodeInvalidRequest, session.CodeQueueFull,
		session.CodeShuttingDown, session.CodeQuarantined:
		return true
	default:
		return false
	}
}
