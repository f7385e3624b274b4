package webhooks

import (
	"time"

	"wasup/internal/events"
	"wasup/internal/session"
)

// Status is how far a webhook's deliveries have come.
type Status struct {
	Backlog  int          // events that wait to be delivered
	Oldest   time.Time    // when the oldest of them happened
	Failing  time.Time    // since when no delivery has succeeded; zero: the last one did, or none was tried
	Failures int          // failed attempts in a row
	Retry    time.Time    // of the next attempt, where all wait for it
	Sessions int          // that have events waiting
	Dead     int          // dead letters
	Missed   int          // events that retention removed before they could be delivered
	Gaps     []events.Gap // of them, the newest first; not all
	Last     *Delivery
}

// Outcome says how an attempt to deliver an event ended.
type Outcome string

// The outcomes. The names are public and stored.
const (
	Delivered   Outcome = "delivered"    // 2xx
	Redirected  Outcome = "redirected"   // 3xx, which are not followed
	Refused     Outcome = "refused"      // 4xx but the two below
	Gone        Outcome = "gone"         // 410, which switches the webhook off
	RateLimited Outcome = "rate_limited" // 429
	Failed      Outcome = "failed"       // 5xx, or what is no answer
	Timeout     Outcome = "timeout"      // no whole answer in time
	Unreachable Outcome = "unreachable"  // no connection: name, network, TLS
	Blocked     Outcome = "blocked"      // the address leads to a network that must not be reached
)

// Outcomes lists every outcome.
func Outcomes() []Outcome {
	return []Outcome{
		Delivered, Redirected, Refused, Gone, RateLimited, Failed, Timeout,
		Unreachable, Blocked,
	}
}

// Delivery is one attempt.
type Delivery struct {
	N       uint64 // counts the webhook's attempts; 0: not numbered
	Session session.ID
	Seq     uint64
	Pos     uint64
	Type    events.Type
	At      time.Time
	Attempt int // of this event: 1, 2, 3, …
	Outcome Outcome
	Status  int // of HTTP; 0 where there was no answer
	Took    time.Duration
	Error   string // one short line, "" for what was delivered; it may quote the receiver
}

// DeadLetter is an event that could not be delivered in the time there is for it.
type DeadLetter struct {
	Event    events.Event // as it was; Data included, whatever the log still has
	Attempts int
	Status   int
	Error    string
	DiedAt   time.Time
	Requeued bool // it will be tried again
}

// Replay says what is delivered once more. The zero value is everything that the log has.
type Replay struct {
	Session session.ID // only of this session
	Seq     uint64     // from this event of the session on; 0: not by number
	Since   time.Time  // from the first event of this time on; zero: not by time
}
