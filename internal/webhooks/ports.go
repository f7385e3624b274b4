package webhooks

import (
	"context"
	"time"

	"wasup/internal/events"
	"wasup/internal/session"
)

// Log is the durable log as a reader sees it.
type Log interface {
	// ReadLog gives the session's events after a number, those of the types where there are any, oldest first and at most
	// limit. Every event up to seen is among them or not of the types.
	ReadLog(ctx context.Context, id session.ID, after uint64, types []events.Type, limit int) (found []events.Event, seen uint64, err error)
}

// Growth tells which sessions' logs have grown.
type Growth interface {
	// C has room for one word: there is something to take.
	C() <-chan struct{}
	// Take gives the sessions that have new events since the last Take, with the number of the last one.
	Take() map[session.ID]uint64
}

// Registry keeps the webhooks. CodeUnknownWebhook where there is none with the id.
type Registry interface {
	List(ctx context.Context) ([]Webhook, error)
	// Create stores a webhook with its beginning in the log, and returns it. CodeNotFound where it is
	// for a session that is not there.
	Create(ctx context.Context, hook Webhook, from Origin) (Webhook, error)
	// Update replaces everything but the session and the time of the creation.
	Update(ctx context.Context, hook Webhook) (Webhook, error)
	// Delete removes a webhook with its cursors, dead letters and deliveries.
	Delete(ctx context.Context, id string) error
	// Tidy deletes what is left of sessions that are gone. It is called once, at the start.
	Tidy(ctx context.Context) error
}

// Cursor is how far a webhook has come with a session. Attempts, FirstFailed and NextAt are of the event AttemptSeq,
// where that is the next one.
type Cursor struct {
	Webhook     string
	Session     session.ID
	Seq         uint64 // everything up to it is done
	AttemptSeq  uint64
	Attempts    int // failed so far
	FirstFailed time.Time
	NextAt      time.Time // not before
	Missed      bool      // a gap before the next event has not been told yet
}

// Cursors keeps the cursors. Those methods that take a cursor change nothing and answer false where the stored one has
// another Seq meanwhile: it was moved by a replay, or its session or webhook is gone. Each is one commit, with the attempt
// that led to it.
type Cursors interface {
	// Behind lists the sessions whose log goes on after their cursor.
	Behind(ctx context.Context, hook Webhook) ([]session.ID, error)
	// Cursor reads a cursor and makes it where there is none: before the session's first event.
	Cursor(ctx context.Context, hook Webhook, id session.ID) (Cursor, error)
	// Advance moves a cursor on to the event with this number.
	Advance(ctx context.Context, c Cursor, to uint64) (bool, error)
	// Record moves many cursors on in one commit, each from where it is thought to be, and notes the attempts of those that
	// it moved. It says of each whether it was. No two are of the same webhook and session.
	Record(ctx context.Context, list []Progress) ([]bool, error)
	// Postpone stores what is known of the next event.
	Postpone(ctx context.Context, c Cursor, attempt Delivery) (bool, error)
	// DeadLetter makes the next event a dead letter and moves the cursor on behind it. Dead letters of before forget are deleted.
	DeadLetter(ctx context.Context, c Cursor, letter DeadLetter, attempt Delivery, forget time.Time) (bool, error)
	// Gap gives what the receiver has not been told yet of what it missed of a session; CodeNotFound where there is nothing.
	Gap(ctx context.Context, webhook string, id session.ID) (events.Gap, error)
	// EndGap notes that the receiver was told of a gap, or that this was given up, where the gap has not grown meanwhile.
	EndGap(ctx context.Context, c Cursor, gap events.Gap, attempt Delivery) (bool, error)
	// Rewind moves cursors back, never on, and lists the sessions whose cursors it moved.
	Rewind(ctx context.Context, hook Webhook, replay Replay) ([]session.ID, error)
	// Backlog counts the events after the cursors, and says when the first of them happened.
	Backlog(ctx context.Context, hook Webhook) (n int, oldest time.Time, err error)
	// Gaps counts the events that a webhook has missed, and lists the newest gaps.
	Gaps(ctx context.Context, webhook string, limit int) (missed int, newest []events.Gap, err error)
	// CountDead counts the webhook's dead letters.
	CountDead(ctx context.Context, webhook string) (int, error)
}

// Attempts keep what came of the events: the last attempts and the dead letters.
type Attempts interface {
	// Note adds an attempt that moves no cursor.
	Note(ctx context.Context, webhook string, attempt Delivery) error
	// Deliveries lists attempts, newest first: those before a number, where it is not 0.
	Deliveries(ctx context.Context, webhook string, before uint64, limit int) ([]Delivery, error)
	// DeadLetters lists dead letters by position, those after one; id "" are those of all sessions.
	DeadLetters(ctx context.Context, webhook string, id session.ID, after uint64, limit int) ([]DeadLetter, error)
	// Requeue marks dead letters: all of the webhook, those of a session, or the one at a position.
	Requeue(ctx context.Context, webhook string, id session.ID, pos uint64) (int, error)
	// Requeued lists the first of those that are marked.
	Requeued(ctx context.Context, webhook string, limit int) ([]DeadLetter, error)
	// Settle deletes a dead letter that was delivered, or unmarks it and stores its last attempt.
	Settle(ctx context.Context, webhook string, pos uint64, attempt Delivery) error
	// Discard deletes dead letters, chosen as Requeue does.
	Discard(ctx context.Context, webhook string, id session.ID, pos uint64) (int, error)
}

// Observer counts. Its methods never block.
type Observer interface {
	// WebhookAttempted saw the end of one request to a receiver.
	WebhookAttempted(outcome Outcome, took time.Duration)
	// WebhookDelivered saw an event arrive so long after it happened.
	WebhookDelivered(late time.Duration)
	// WebhookDeadLettered saw an event become a dead letter.
	WebhookDeadLettered()
	// WebhookMissed saw retention remove so many events before they could be delivered.
	WebhookMissed(n int)
}

type unobserved struct{}

func (unobserved) WebhookAttempted(Outcome, time.Duration) {}
func (unobserved) WebhookDelivered(time.Duration)          {}
func (unobserved) WebhookDeadLettered()                    {}
func (unobserved) WebhookMissed(int)                       {}
