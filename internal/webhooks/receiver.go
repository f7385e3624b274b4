package webhooks

import (
	"context"
	"sync/atomic"
	"time"

	"wasup/internal/session"
)

// Only the loop's goroutine uses the types of this file.

// receiver is the loop's state of a webhook.
type receiver struct {
	hook   *Webhook
	halt   *atomic.Bool // true: the turns of this version of the webhook stop after their attempt
	ctx    context.Context
	cancel context.CancelFunc

	lanes  map[session.ID]*lane
	ready  []*lane // in the order in which they became ready
	queued bool    // in the loop's ring
	turns  int     // running turns

	surveyed  bool      // the database was asked for undelivered events since the start or the last change
	surveying bool      // that query runs
	surveyAt  time.Time // no such query before this time
	alarm     time.Time // when the loop looks at the receiver again

	slowLane   bool      // the last attempt failed or was slow: the limit for slow receivers applies
	failures   int       // failed attempts in a row
	failing    time.Time // since when attempts fail; zero: they do not
	downUntil  time.Time // no attempt before this time, because the receiver is down
	pauseUntil time.Time // no attempt before this time, because the receiver asked for a pause
	last       *Delivery
}

// deadLane is the lane of requeued dead letters. No session has this id.
const deadLane session.ID = ""

// lane is the queue of one session's events for one receiver. At most one of its requests runs.
type lane struct {
	of      *receiver
	session session.ID
	state   laneState
	more    bool      // new events came while a turn ran
	force   bool      // the next turn makes its attempt at once, even if it is not due yet
	down    bool      // the lane waits because the receiver was down, not because its event was refused
	until   time.Time // end of waiting
	cursor  *Cursor   // the stored cursor; nil: it has to be read
	seen    uint64    // the log has no event for the webhook up to this number
	age     uint64    // changes when the results of a running turn become invalid
}

// reset makes the lane read its cursor again, and makes the results of a running turn invalid.
func (ln *lane) reset() {
	ln.cursor, ln.seen = nil, 0
	ln.age++
}

type laneState int

const (
	resting    laneState = iota // no undelivered event is known
	ready                       // waits for a turn
	delivering                  // a turn runs
	waiting                     // waits for a time
)

// breakAfter is the number of failed attempts in a row after which a receiver counts as down. From then on only one
// probe at a time is sent, even if many sessions have events for it.
const breakAfter = 5

// limit returns how many requests to the receiver may run at the same time: half as many after each failure in a row.
func (r *receiver) limit(perWebhook int) int { return max(1, perWebhook>>min(r.failures, 31)) }

// isDown reports whether an outcome is caused by the receiver as a whole, not by the event.
func isDown(outcome Outcome) bool {
	switch outcome {
	case Failed, Timeout, Unreachable, Blocked, RateLimited:
		return true
	default:
		return false
	}
}
