package outbox

import (
	"context"
	"time"

	"wasup/internal/events"
	"wasup/internal/message"
	"wasup/internal/session"
)

// Entry is a message as it is stored.
type Entry struct {
	message.Message
	BodyHash string // hash of recipient and content; kept after the content is deleted
}

// Open reports whether a lane sends the message: it is queued or being sent.
func (e *Entry) Open() bool { return e.State == message.Queued || e.State == message.Sending }

// Change moves one message to the state To. It is carried out only if the message is in one of the states From then.
type Change struct {
	Session session.ID
	ID      string
	From    []message.State
	// Attempts, if not 0, is a second condition: the message must have exactly this number of attempts. It guards
	// against an attempt that began in between.
	Attempts int
	To       message.State
	Begun    int // added to the attempts: 1 when an attempt begins, -1 when the message did not leave
	AckedAt  time.Time
	Failure  message.Failure
	// Anew marks a requeue. It is carried out only if the content is still stored and WhatsApp never acknowledged the
	// message. It sets the attempts to Begun, and the expiry to ExpiresAt.
	Anew      bool
	ExpiresAt time.Time      // zero: no limit
	Events    []events.Event // committed with the change, and only if it is carried out
}

// Step is the change of state of one message by a receipt.
type Step struct {
	ID    string
	From  message.State
	To    message.State
	Acked time.Time // when WhatsApp acknowledged the message; the time of the receipt if no acknowledgement came before
	Since time.Time // when the message was accepted, or became due
}

// Backlog counts the unfinished messages of one session.
type Backlog struct {
	Session session.ID
	Open    int       // messages that are queued or being sent
	Oldest  time.Time // when the oldest of them was accepted, or is due
}

// Handover says what linking an account has changed.
type Handover struct {
	Changed  bool            // another account was linked before
	Previous session.Account // that account
	Held     int             // its messages that are held now
}

// Retention says which messages Prune may delete.
type Retention struct {
	Before    time.Time // settled messages that last changed before this time are deleted
	KeyBefore time.Time // beyond Keep, only messages that last changed before this time: younger keys stay valid
	Keep      int       // number of settled messages to keep at most; 0: no limit
	Limit     int       // deletions of one call at most
}

// Ledger stores the outgoing messages. The end of ctx ends every method, but a write that has begun is finished. When a
// write returns without an error, it is on disk and survives kill -9 and a power cut. Errors are *session.Error with a
// code of the store, or with a code that the method names.
type Ledger interface {
	Queue
	Lookup
}

// Queue is the part of the ledger that sending uses.
type Queue interface {
	// Enqueue stores a queued message. If the session already has a message with its key, Enqueue returns that one and
	// existed. A key has expired if its message is settled and was accepted before keysFrom. If the session has another
	// message with the same id, the new one gets a random id. CodeNotFound: the session does not exist or is being
	// deleted.
	Enqueue(ctx context.Context, entry Entry, keysFrom time.Time) (stored Entry, existed bool, err error)
	// Find returns the message with a key, or false if there is none.
	Find(ctx context.Context, id session.ID, key string) (Entry, bool, error)
	// Next returns at most limit open messages that are due, in the order of their acceptance. due is the time when the
	// first message for later becomes due, or zero if there is none. due may also be zero if the page is full.
	Next(ctx context.Context, id session.ID, now time.Time, limit int) (page []Entry, due time.Time, err error)
	// Advance carries out changes in their order, in one commit. The result says for each whether it was carried out.
	Advance(ctx context.Context, changes ...Change) ([]bool, error)
	// Receipt stores what a device reported about messages: delivered, read or played. It moves messages forward, never
	// back, and writes an event for each move (Status). It ignores messages that the session does not have. told are
	// events about the receipt itself; they are written in the same commit.
	Receipt(ctx context.Context, id session.ID, data events.ReceiptData, told ...events.Event) ([]Step, error)
	// Claim makes an account the one that a session's messages are accepted for. If another account was that before, all
	// open messages of the session become held, and an event of the type TypeAccountChanged is written, in one commit. The
	// first account that a session is linked to gets the messages that were accepted before. CodeNotFound: the session
	// does not exist.
	Claim(ctx context.Context, id session.ID, account session.Account) (Handover, error)
	// OwnedSince returns when a session was linked to another account than before, the last time; zero: never.
	OwnedSince(ctx context.Context, id session.ID) (time.Time, error)
	// Held returns at most limit messages that are held, in the order of their acceptance.
	Held(ctx context.Context, id session.ID, limit int) ([]Entry, error)
	// HeldCounts counts the held messages of every session that has any.
	HeldCounts(ctx context.Context) (map[session.ID]int, error)
	// Discard deletes a message if it is queued or held and has no attempts, and reports whether it did.
	Discard(ctx context.Context, id session.ID, messageID string) (bool, error)
	// Backlog lists the sessions that have open messages.
	Backlog(ctx context.Context) ([]Backlog, error)
	// Expired returns open and held messages that expired by now, and the time when the next message expires; zero if no other
	// message has a time limit.
	Expired(ctx context.Context, now time.Time, limit int) (page []Entry, next time.Time, err error)
	// Sent counts the session's messages that WhatsApp acknowledged since a time.
	Sent(ctx context.Context, id session.ID, since time.Time) (int, error)
}

// Lookup is the part of the ledger that answers questions about messages.
type Lookup interface {
	// Message returns one message with its receipts. CodeUnknownMessage: the session has no message with this id.
	Message(ctx context.Context, id session.ID, messageID string) (message.Message, error)
	// List returns a page of a session's messages, newest first and without receipts, and the cursor of the next page,
	// which is "" on the last one. CodeInvalidRequest with field cursor: the cursor is malformed.
	List(ctx context.Context, id session.ID, filter message.Filter) (page []message.Message, next string, err error)
	// Prune deletes settled messages in short writes and returns how many. A number below Limit means that none is left
	// to delete.
	Prune(ctx context.Context, what Retention) (int, error)
}

// Sender makes one attempt to send a message. Send returns when WhatsApp's server has acknowledged or refused the
// message, or when ctx ends. verdictOf says what its errors mean.
type Sender interface {
	Send(ctx context.Context, id session.ID, msg message.Outgoing) (message.Ack, error)
	// Ready reports whether the session can send now. It must not block.
	Ready(id session.ID) bool
	// Returns reports whether the session is READY, or connects again by itself before a time. It must not block.
	Returns(id session.ID, before time.Time) bool
	// AwaitReady waits briefly, and until ctx ends, for a session that connects again by itself. It reports whether the
	// session can send.
	AwaitReady(ctx context.Context, id session.ID) bool
}

// Observer receives what the metrics count. Its methods must not block.
type Observer interface {
	// MessageChanged reports that a message reached a state; cause is "" unless it failed.
	MessageChanged(state message.State, cause session.Code)
	// MessageAcked reports the time from a message's acceptance, or from when it was due, to WhatsApp's acknowledgement.
	MessageAcked(took time.Duration)
	// MessageRetried reports an attempt that ended without an outcome, so that another one follows.
	MessageRetried(cause session.Code)
}

// AccountChanged returns the event of the durable log for a session that was linked to another account than before.
func AccountChanged(id session.ID, data events.AccountChangedData) events.Event {
	encoded, err := events.Encode(data)
	if err != nil {
		encoded = []byte("{}") // addresses and a number always encode
	}
	return events.Event{Session: id, At: data.At, Type: events.TypeAccountChanged, Data: encoded}
}

// Status returns the event of the durable log for a message's change of state. It is committed with the change. It has
// no key, because a message that failed and was queued again can fail again.
func Status(id session.ID, data events.StatusData) events.Event {
	encoded, err := events.Encode(data)
	if err != nil {
		encoded = []byte("{}") // strings and a time of this century always encode
	}
	return events.Event{Session: id, At: data.At, Type: events.TypeStatus, Data: encoded}
}
