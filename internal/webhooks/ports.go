package webhooks

import (
	"context"
	"time"

	"wasup/internal/events"
	"wasup/internal/session"
)

// Log is the durable log for a reader.
type Log interface {
	// ReadLog returns at most limit events of the session after a number, oldest first, and only of the given types if
	// there are any. found has all such events up to the number seen. Like events.Table.Read it ends early if the events
	// are large.
	ReadLog(ctx context.Context, id session.ID, after uint64, types []events.Type, limit int) (found []events.Event, seen uint64, err error)
}

// Growth tells which sessions have new events.
type Growth interface {
	// C returns a channel that gets a signal when Take has something to return.
	C() <-chan struct{}
	// Take returns the sessions with new events since the last Take, with the number of the last event of each.
	Take() map[session.ID]uint64
}

// Registry stores the webhooks. CodeUnknownWebhook if there is none with the id.
type Registry interface {
	List(ctx context.Context) ([]Webhook, error)
	// Create stores a webhook and where it begins in the log, and returns it. CodeNotFound if it is for a session that
	// does not exist.
	Create(ctx context.Context, hook Webhook, from Origin) (Webhook, error)
	// Update replaces all fields except the session and the time of creation.
	Update(ctx context.Context, hook Webhook) (Webhook, error)
	// Delete removes a webhook with its cursors, dead letters and deliveries.
	Delete(ctx context.Context, id string) error
	// Tidy deletes the cursors of sessions that no longer exist. It is called once, at the start.
	Tidy(ctx context.Context) error
}

// Cursor is the progress of a webhook with a session. Attempts, FirstFailed and NextAt belong to the event AttemptSeq,
// and are out of date if that is not the next event.
type Cursor struct {
	Webhook     string
	Session     session.ID
	Seq         uint64 // all events up to this number are done
	AttemptSeq  uint64
	Attempts    int // failed attempts
	FirstFailed time.Time
	NextAt      time.Time // no attempt before this time
	Missed      bool      // the notice of a gap before the next event has not been delivered yet
}

// Cursors stores the cursors. The methods that take a cursor change nothing and return false if the stored cursor has
// another Seq by now, because a replay has moved it, or its session or webhook was deleted. Each is one commit,
// together with the attempt that led to it.
type Cursors interface {
	// Behind lists the sessions with events after their cursor.
	Behind(ctx context.Context, hook Webhook) ([]session.ID, error)
	// Cursor reads a cursor. If there is none, it makes one before the session's first event.
	Cursor(ctx context.Context, hook Webhook, id session.ID) (Cursor, error)
	// Advance moves a cursor forward to the event with this number.
	Advance(ctx context.Context, c Cursor, to uint64) (bool, error)
	// Record moves many cursors forward in one commit, and stores the attempts of those that it moved. It moves a
	// cursor only if it is at From, and returns for each whether it did. No two of the list have the same webhook and
	// session.
	Record(ctx context.Context, list []Progress) ([]bool, error)
	// Postpone stores the cursor's data about the next event.
	Postpone(ctx context.Context, c Cursor, attempt Delivery) (bool, error)
	// DeadLetter makes the next event a dead letter and moves the cursor after it. It deletes dead letters from before
	// forget.
	DeadLetter(ctx context.Context, c Cursor, letter DeadLetter, attempt Delivery, forget time.Time) (bool, error)
	// Gap returns the gap of a session whose notice has not been delivered yet; CodeNotFound if there is none.
	Gap(ctx context.Context, webhook string, id session.ID) (events.Gap, error)
	// EndGap stores that the notice of a gap was delivered or given up. It returns false if the gap has grown
	// meanwhile.
	EndGap(ctx context.Context, c Cursor, gap events.Gap, attempt Delivery) (bool, error)
	// Rewind moves cursors back, never forward, and lists the sessions whose cursors it moved.
	Rewind(ctx context.Context, hook Webhook, replay Replay) ([]session.ID, error)
	// Backlog counts the events after the cursors, and returns when the oldest of them happened.
	Backlog(ctx context.Context, hook Webhook) (n int, oldest time.Time, err error)
	// Gaps counts the events that a webhook has missed, and lists the newest gaps.
	Gaps(ctx context.Context, webhook string, limit int) (missed int, newest []events.Gap, err error)
	// CountDead counts the webhook's dead letters.
	CountDead(ctx context.Context, webhook string) (int, error)
}

// Attempts stores the latest attempts and the dead letters.
type Attempts interface {
	// Note stores an attempt that moves no cursor.
	Note(ctx context.Context, webhook string, attempt Delivery) error
	// Deliveries lists attempts, newest first. If before is not 0, it lists those before this number.
	Deliveries(ctx context.Context, webhook string, before uint64, limit int) ([]Delivery, error)
	// DeadLetters lists dead letters after a position, in the order of positions; of all sessions if id is empty.
	// The list ends early if its letters are large: see Full.
	DeadLetters(ctx context.Context, webhook string, id session.ID, after uint64, limit int) ([]DeadLetter, error)
	// Requeue marks dead letters for another attempt: all of the webhook, those of a session, or the one at a position.
	// It returns their number.
	Requeue(ctx context.Context, webhook string, id session.ID, pos uint64) (int, error)
	// Requeued lists the first marked dead letters, like DeadLetters.
	Requeued(ctx context.Context, webhook string, limit int) ([]DeadLetter, error)
	// Settle deletes a dead letter that was delivered. Otherwise it removes the mark and stores the attempt.
	Settle(ctx context.Context, webhook string, pos uint64, attempt Delivery) error
	// Discard deletes dead letters: all of the webhook, those of a session, or the one at a position. It returns their
	// number.
	Discard(ctx context.Context, webhook string, id session.ID, pos uint64) (int, error)
}

// Observer counts deliveries, for metrics. Its methods never block.
type Observer interface {
	// WebhookAttempted is called after each request to a receiver.
	WebhookAttempted(outcome Outcome, took time.Duration)
	// WebhookDelivered is called after a delivery. late is the time since the event happened.
	WebhookDelivered(late time.Duration)
	// WebhookDeadLettered is called when an event becomes a dead letter.
	WebhookDeadLettered()
	// WebhookMissed is called when retention has deleted n events before their delivery.
	WebhookMissed(n int)
}

type unobserved struct{}

func (unobserved) WebhookAttempted(Outcome, time.Duration) {}
func (unobserved) WebhookDelivered(time.Duration)          {}
func (unobserved) WebhookDeadLettered()                    {}
func (unobserved) WebhookMissed(int)                       {}
