package outbox

import (
	"context"
	"encoding/json"
	"time"

	"wasup/internal/events"
	"wasup/internal/message"
	"wasup/internal/session"
)

// Entry is a message as it is stored.
type Entry struct {
	message.Message
	BodyHash string // of recipient and content; kept after the content is gone
}

// Open reports that the message is still to be sent.
func (e *Entry) Open() bool { return !e.State.Settled() }

// Change moves one message from one state to another, if it is in one of the states From when it is carried out.
type Change struct {
	Session session.ID
	ID      string
	From    []message.State
	// Attempts, where it is not 0, is how many attempts must have begun: then nobody has begun another one meanwhile.
	Attempts int
	To       message.State
	Begun    int // is added to the attempts: 1 for one that begins, -1 for one that never left the process
	AckedAt  time.Time
	Failure  message.Failure
	// Anew is a requeue: it needs the content and a message that WhatsApp never took, and clears attempts and expiry.
	Anew   bool
	Events []events.Event // are committed with the change, and only if it was carried out
}

// Step is how a receipt moved a message.
type Step struct {
	ID    string
	From  message.State
	To    message.State
	Acked time.Time // the server's time of acceptance, which a receipt implies
	Since time.Time // when the message was accepted, or became due
}

// Backlog is what one session has to send.
type Backlog struct {
	Session session.ID
	Open    int       // messages that are queued or being sent
	Oldest  time.Time // when the first of them was accepted, or is due
}

// Retention is what Prune may delete.
type Retention struct {
	Before    time.Time // settled messages last changed before then
	KeyBefore time.Time // of the others, only what changed before then: a younger key must keep its meaning
	Keep      int       // settled messages that are kept at most; 0: any number
	Limit     int       // deletions at a time
}

// Ledger is the durable memory of the outbox. Every method is bounded by ctx, and what it reported is on disk: neither
// kill -9 nor a power cut takes it back. Errors are *session.Error with a code of the store, or those named.
type Ledger interface {
	Queue
	Lookup
}

// Queue is the part of the ledger that messages pass through on their way out.
type Queue interface {
	// Enqueue stores a queued message unless the session has one with its key: then that one is returned. A key whose
	// message is settled and was accepted before keysFrom has lost its meaning. Where the session has another message with
	// the id, a random one is taken. CodeNotFound where the session does not exist or is being deleted.
	Enqueue(ctx context.Context, entry Entry, keysFrom time.Time) (stored Entry, existed bool, err error)
	// Find gives the message with a key; false where there is none.
	Find(ctx context.Context, id session.ID, key string) (Entry, bool, error)
	// Next gives the first open messages that are due, in the order of their acceptance, and when the next one that is not
	// due will be; zero where there is none, and where more are due than the page has.
	Next(ctx context.Context, id session.ID, now time.Time, limit int) (page []Entry, due time.Time, err error)
	// Advance carries changes out in one commit, in their order, and says of each whether it was.
	Advance(ctx context.Context, changes ...Change) ([]bool, error)
	// Receipt notes how far messages have come with somebody's device and moves those that came further, with an event
	// for each (Status). Messages that the session does not have are left out. told are events about the receipt itself,
	// which are committed with all of this.
	Receipt(ctx context.Context, id session.ID, data events.ReceiptData, told ...events.Event) ([]Step, error)
	// Discard forgets a message that is queued and was never begun, and says whether it did.
	Discard(ctx context.Context, id session.ID, messageID string) (bool, error)
	// Backlog lists the sessions with open messages.
	Backlog(ctx context.Context) ([]Backlog, error)
	// Expired gives open messages whose time ran out before now, and when the next one's will; zero: none has a limit.
	Expired(ctx context.Context, now time.Time, limit int) (page []Entry, next time.Time, err error)
	// Sent counts the session's messages that WhatsApp took since a time.
	Sent(ctx context.Context, id session.ID, since time.Time) (int, error)
}

// Lookup is the part of the ledger that answers questions about messages.
type Lookup interface {
	// Message gives one message with its receipts. CodeUnknownMessage where the session has none with the id.
	Message(ctx context.Context, id session.ID, messageID string) (message.Message, error)
	// List gives a page of a session's messages without receipts, newest first, and the cursor of the next page, "" on
	// the last. CodeInvalidRequest with field cursor for a cursor that is none.
	List(ctx context.Context, id session.ID, filter message.Filter) (page []message.Message, next string, err error)
	// Prune deletes settled messages and says how many. It holds the database for a short write.
	Prune(ctx context.Context, what Retention) (int, error)
}

// Sender makes one attempt. It returns once WhatsApp's server has acknowledged the message or refused it, and when ctx
// ends. What its errors mean is in verdictOf.
type Sender interface {
	Send(ctx context.Context, id session.ID, msg message.Outgoing) (message.Ack, error)
	// Ready says whether the session could send now. It must not block.
	Ready(id session.ID) bool
}

// Observer is told what becomes of messages. Its methods must not block.
type Observer interface {
	// MessageChanged tells a message that came to a state; cause is "" unless it failed.
	MessageChanged(state message.State, cause session.Code)
	// MessageAcked tells the time from a message's acceptance, or from when it was due, to WhatsApp's acknowledgement.
	MessageAcked(took time.Duration)
	// MessageRetried tells an attempt that ended without an outcome, so that another one follows.
	MessageRetried(cause session.Code)
}

// Status is the event of the durable log that tells where a message is. A message that failed and was queued again can
// fail again, so the events have no key; each is committed with the change that it tells.
func Status(id session.ID, data events.StatusData) events.Event {
	encoded, err := json.Marshal(data)
	if err != nil {
		encoded = []byte("{}") // strings and a time of this century always encode
	}
	return events.Event{Session: id, At: data.At, Type: events.TypeStatus, Data: encoded}
}
