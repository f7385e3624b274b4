// Package calls holds the calls between accounts and their states.
//
// Calls have signalling but no sound or picture. They do not survive the process.
package calls

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"go.mau.fi/whatsmeow/types"

	"wasup/internal/sandbox/accounts"
	"wasup/internal/sandbox/groups"
	"wasup/internal/sandbox/observe"
	"wasup/internal/sandbox/profiles"
	"wasup/internal/sandbox/tasks"
)

// State is the state of a call, as one account sees it.
type State string

// The states of a call. A ringing call becomes accepted, rejected or ended. An accepted call becomes ended.
const (
	Ringing  State = "ringing"
	Accepted State = "accepted"
	Rejected State = "rejected"
	Ended    State = "ended"
)

// Errors of calls.
var (
	ErrUnknown = errors.New("no such call")
	ErrState   = errors.New("the call's state does not allow this")
	ErrSelf    = errors.New("an account cannot call itself")
	ErrBadRing = errors.New("invalid ring time: expected more than 0 and at most 10 minutes")
)

const (
	// DefaultRing is how long an unanswered call rings, roughly as long as on WhatsApp.
	DefaultRing = 45 * time.Second
	MaxRing     = 10 * time.Minute
	// maxCalls bounds how many calls are remembered. The oldest call that is over is forgotten first.
	maxCalls = 1000
)

// The reasons in call stanzas (seen on WhatsApp's wire): why a call ended, or why a device stops ringing.
const (
	reasonTimeout           = "timeout"
	reasonAcceptedElsewhere = "accepted_elsewhere"
	reasonRejectedElsewhere = "rejected_elsewhere"
)

// Call is a call as one account sees it.
type Call struct {
	ID string `json:"id"`
	// From is the caller. Chat is the other side or the group. Accounts are named by phone number.
	From types.JID `json:"from"`
	Chat types.JID `json:"chat"`
	// FromMe says that the account itself is the caller.
	FromMe bool  `json:"from_me"`
	Video  bool  `json:"video"`
	State  State `json:"state"`
	// Reason is why the call ended, if a reason was given: "timeout" if nobody accepted it.
	Reason string    `json:"reason,omitempty"`
	Began  time.Time `json:"began"`
}

// Set holds the latest calls, at most maxCalls. Its lock is held while call signals are handed over, so that devices
// get them in the order in which things happened.
type Set struct {
	dir      *accounts.Directory
	courier  *accounts.Courier
	profiles *profiles.Profiles
	observer *observe.Observer
	tasks    *tasks.Tasks

	mu    sync.Mutex
	byID  map[string]*call
	order []*call
}

// NewSet returns an empty set.
func NewSet(dir *accounts.Directory, courier *accounts.Courier, profiles *profiles.Profiles, observer *observe.Observer, tasks *tasks.Tasks) *Set {
	return &Set{dir: dir, courier: courier, profiles: profiles, observer: observer, tasks: tasks}
}

// call is the server's view of a call. The set's lock guards its fields.
type call struct {
	id      string
	creator accounts.Origin
	// to is the called account, or the group that is called.
	to     groups.Chat
	video  bool
	began  time.Time
	reason string
	// state is the state that the creator sees. members holds the state that each called account sees.
	state   State
	members map[*accounts.Account]State
	// acceptedOn is the device with which an account accepted the call. Later signals go only to that device.
	acceptedOn map[*accounts.Account]uint16
	ring       *time.Timer
}

// over reports whether the call has ended or was rejected.
func (c *call) over() bool { return c.state == Ended || c.state == Rejected }

// info returns the call as an account sees it. It returns false if the account has no part in it.
func (c *call) info(a *accounts.Account) (Call, bool) {
	seen := Call{
		ID: c.id, From: c.creator.Account.JID(0), FromMe: a == c.creator.Account, Video: c.video, State: c.state, Reason: c.reason, Began: c.began,
	}
	if !seen.FromMe {
		state, is := c.members[a]
		if !is {
			return Call{}, false
		}
		seen.State = state
		if state != Ended {
			seen.Reason = ""
		}
	}
	switch {
	case c.to.Shared != nil:
		seen.Chat = c.to.JID()
	case seen.FromMe:
		seen.Chat = c.to.Account.JID(0)
	default:
		seen.Chat = seen.From
	}
	return seen, true
}

// add adds a call and reports whether its id was free. The caller holds the lock.
func (set *Set) add(c *call) bool {
	if set.byID == nil {
		set.byID = make(map[string]*call)
	}
	if set.byID[c.id] != nil {
		return false
	}
	if len(set.order) >= maxCalls {
		oldest := max(slices.IndexFunc(set.order, (*call).over), 0)
		if gone := set.order[oldest]; gone.ring != nil {
			gone.ring.Stop()
		}
		delete(set.byID, set.order[oldest].id)
		set.order = slices.Delete(set.order, oldest, oldest+1)
	}
	set.byID[c.id] = c
	set.order = append(set.order, c)
	return true
}

// Of lists the calls of an account, oldest first.
func (set *Set) Of(a *accounts.Account) []Call {
	set.mu.Lock()
	defer set.mu.Unlock()
	calls := []Call{}
	for _, c := range set.order {
		if seen, is := c.info(a); is {
			calls = append(calls, seen)
		}
	}
	return calls
}

// find returns a call that is in one of these states for an account. It fails with ErrUnknown or ErrState. The caller
// holds the lock.
func (set *Set) find(id string, a *accounts.Account, states ...State) (*call, error) {
	c := set.byID[id]
	if c == nil {
		return nil, fmt.Errorf("%w: %s", ErrUnknown, id)
	}
	seen, is := c.info(a)
	switch {
	case !is:
		return nil, fmt.Errorf("%w: %s", ErrUnknown, id)
	case !slices.Contains(states, seen.State):
		return nil, fmt.Errorf("%w: it is %s", ErrState, seen.State)
	default:
		return c, nil
	}
}

// accept accepts the call for a member on one of its devices.
func (c *call) accept(by accounts.Origin) {
	c.stopRinging()
	c.members[by.Account], c.state = Accepted, Accepted
	c.acceptedOn[by.Account] = by.Device
}

// reject rejects the call for a member. This ends a call of two.
func (c *call) reject(by accounts.Origin) {
	c.members[by.Account] = Rejected
	if c.to.Shared == nil {
		c.stopRinging()
		c.state = Rejected
	}
}

// finish ends the call for everybody, except for members that have rejected it.
func (c *call) finish(reason string) {
	c.stopRinging()
	c.state, c.reason = Ended, reason
	for a, state := range c.members {
		if state != Rejected {
			c.members[a] = Ended
		}
	}
}

func (c *call) stopRinging() {
	if c.ring != nil {
		c.ring.Stop()
		c.ring = nil
	}
}
