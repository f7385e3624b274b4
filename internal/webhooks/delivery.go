package webhooks

import (
	"time"

	"wasup/internal/events"
	"wasup/internal/session"
)

// Status is the state of a webhook's deliveries.
type Status struct {
	Backlog  int          // events that wait for delivery
	Oldest   time.Time    // when the oldest of them happened
	Failing  time.Time    // since when all attempts have failed; zero: the last one succeeded, or there was none
	Failures int          // failed attempts in a row
	Retry    time.Time    // of the next attempt, if all events wait for it
	Sessions int          // sessions with waiting events
	Dead     int          // dead letters
	Missed   int          // events that retention deleted before their delivery
	Gaps     []events.Gap // the newest gaps that these events left, newest first
	Last     *Delivery
}

// Outcome is the result of an attempt to deliver an event.
type Outcome string

// The outcomes. The names are public and stored.
const (
	Delivered   Outcome = "delivered"    // 2xx
	Redirected  Outcome = "redirected"   // 3xx; redirects are not followed
	Refused     Outcome = "refused"      // 4xx except the two below
	Gone        Outcome = "gone"         // 410; switches the webhook off
	RateLimited Outcome = "rate_limited" // 429
	Failed      Outcome = "failed"       // 5xx, or no valid response
	Timeout     Outcome = "timeout"      // no complete response in time
	Unreachable Outcome = "unreachable"  // no connection: name, network, TLS
	Blocked     Outcome = "blocked"      // the URL leads to a network that wasup may not reach
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
	N       uint64 // number of the attempt among the webhook's attempts; 0: not numbered
	Session session.ID
	Seq     uint64
	Pos     uint64
	Type    events.Type
	At      time.Time
	Attempt int // of this event: 1, 2, 3, …
	Outcome Outcome
	Status  int // HTTP status; 0 if there was no response
	Took    time.Duration
	Error   string // one short line, "" if delivered; it may quote the receiver
}

// DeadLetter is an event that was given up, because it could not be delivered in time.
type DeadLetter struct {
	Event    events.Event // a full copy with its Data, because the log may delete the event
	Attempts int
	Status   int
	Error    string
	DiedAt   time.Time
	Requeued bool // another attempt will follow
}

// Full reports whether a list of dead letters ended because of its limit or its size, so that there may be more.
func Full(list []DeadLetter, limit int) bool {
	size := 0
	for i := range list {
		size += list[i].Event.Size()
	}
	return len(list) >= limit || size >= events.PageBytes
}

// Replay says which events to deliver again. The zero value means all events in the log.
type Replay struct {
	Session session.ID // only this session
	Seq     uint64     // from this event of the session on; 0: no number given
	Since   time.Time  // from the first event of this time on; zero: no time given
}
