package webhooks

import (
	"context"
	"sync/atomic"
	"time"

	"wasup/internal/session"
)

// The types here belong to the loop's goroutine.

// receiver is a webhook as the loop sees it.
type receiver struct {
	hook   *Webhook
	halt   *atomic.Bool // turns of this hook stop after their attempt
	ctx    context.Context
	cancel context.CancelFunc

	lanes  map[session.ID]*lane
	ready  []*lane // in the order in which they became ready
	queued bool    // in the loop's ring
	turns  int

	surveyed  bool      // it was looked for what is undelivered since it started or was resumed
	surveying bool      //
	surveyAt  time.Time // not before
	alarm     time.Time // when the loop looks at it again

	slowLane bool      // its last attempt failed or was slow: it competes with others of this kind
	failures int       // attempts in a row that failed
	failing  time.Time // since when; zero: not
	shut     time.Time // no attempt before it, because it is down
	rest     time.Time // no attempt before it, because it asked for a pause
	last     *Delivery
}

// deadLane is where dead letters are delivered from: no session has this id.
const deadLane session.ID = ""

// lane is one session of a receiver: at most one request for it runs.
type lane struct {
	of      *receiver
	session session.ID
	state   laneState
	more    bool      // it was woken while it ran
	force   bool      // the next turn tries at once, whenever the next attempt was due
	down    bool      // it waits because the receiver was down, and not because its event was refused
	until   time.Time // while it waits
	cursor  *Cursor   // as it is stored; nil: to be read
	seen    uint64    // up to here the log has nothing for the webhook
	age     uint64    // counts what makes a turn's knowledge of before worthless
}

// renew forgets what is known of the lane's place in the log.
func (ln *lane) renew() {
	ln.cursor, ln.seen = nil, 0
	ln.age++
}

type laneState int

const (
	resting    laneState = iota // nothing is known to be undelivered
	ready                       // it waits for its turn
	delivering                  // a turn delivers
	waiting                     // for its time
)

// breakAfter is how many attempts in a row have to fail before a receiver counts as down: then one attempt at a time
// finds out whether it is back, whatever the number of sessions that have something for it.
const breakAfter = 5

// limit is how many requests to the receiver may run now.
func (r *receiver) limit(perWebhook int) int { return max(1, perWebhook>>min(r.failures, 31)) }

// isDown says whether an outcome tells of the receiver rather than of the event.
func isDown(outcome Outcome) bool {
	switch outcome {
	case Failed, Timeout, Unreachable, Blocked, RateLimited:
		return true
	default:
		return false
	}
}
