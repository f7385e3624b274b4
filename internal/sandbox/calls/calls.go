// Package calls is who calls whom, and how far that has come.
//
// Nothing can be heard or seen in a call: only its signals are real. Calls do not survive the process.
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

// State says how far a call has come, as one account sees it.
type State string

// The states of a call. One that is ringing is accepted, rejected or ended; one that was accepted is ended.
const (
	Ringing  State = "ringing"
	Accepted State = "accepted"
	Rejected State = "rejected"
	Ended    State = "ended"
)

// Errors of calls.
var (
	ErrUnknown = errors.New("no such call")
	ErrState   = errors.New("the call is not in a state for that")
	ErrSelf    = errors.New("nobody calls oneself")
	ErrBadRing = errors.New("not a time to ring: expected more than 0 and at most 10 minutes")
)

const (
	// DefaultRing is how long an unanswered call rings, roughly as long as on WhatsApp.
	DefaultRing = 45 * time.Second
	MaxRing     = 10 * time.Minute
	// maxCalls bounds how many calls are remembered; those that are over go first.
	maxCalls = 1000
)

// The reasons that stanzas of calls give (seen on WhatsApp's wire): why a call ended, or why a device need not ring any more.
const (
	reasonTimeout           = "timeout"
	reasonAcceptedElsewhere = "accepted_elsewhere"
	reasonRejectedElsewhere = "rejected_elsewhere"
)

// Call is a call as one account sees it. Nothing can be heard or seen in it: only its signals are real.
type Call struct {
	ID string `json:"id"`
	// From is who calls, Chat the other side or the group; accounts by phone number.
	From types.JID `json:"from"`
	Chat types.JID `json:"chat"`
	// FromMe says that the account itself calls.
	FromMe bool  `json:"from_me"`
	Video  bool  `json:"video"`
	State  State `json:"state"`
	// Reason is why it ended, where there was one: timeout when nobody took it.
	Reason string    `json:"reason,omitempty"`
	Began  time.Time `json:"began"`
}

// Set holds the latest calls. Calls are short: they do not survive the process. Its lock is held while signals of
// calls are handed over, so that devices get them in the order in which things happened.
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

// NewSet makes a set without calls.
func NewSet(dir *accounts.Directory, courier *accounts.Courier, profiles *profiles.Profiles, observer *observe.Observer, tasks *tasks.Tasks) *Set {
	return &Set{dir: dir, courier: courier, profiles: profiles, observer: observer, tasks: tasks}
}

// call is what the server knows of a call. Its fields are guarded by the set's lock.
type call struct {
	id      string
	creator accounts.Origin
	// to is who is called in a call of two, group where it rings.
	to     groups.Chat
	video  bool
	began  time.Time
	reason string
	// state is the call as its creator sees it, members as those see it who were called.
	state   State
	members map[*accounts.Account]State
	// takenOn is the device with which somebody took the call: what follows is between that one and the caller's.
	takenOn map[*accounts.Account]uint16
	ring    *time.Timer
}

// over says whether nothing can happen with a call any more.
func (c *call) over() bool { return c.state == Ended || c.state == Rejected }

// info is the call as an account sees it; false when it has nothing to do with it.
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
	case c.to.Group != nil:
		seen.Chat = c.to.JID()
	case seen.FromMe:
		seen.Chat = c.to.Account.JID(0)
	default:
		seen.Chat = seen.From
	}
	return seen, true
}

// add enters a call and says whether its id was free. The caller holds the lock.
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

// find gives a call that is in one of some states for an account. The caller holds the lock.
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

// take lets a member take the call on a device.
func (c *call) take(by accounts.Origin) {
	c.stopRinging()
	c.members[by.Account], c.state = Accepted, Accepted
	c.takenOn[by.Account] = by.Device
}

// refuse lets a member not take the call. A call of two is over then.
func (c *call) refuse(by accounts.Origin) {
	c.members[by.Account] = Rejected
	if c.to.Group == nil {
		c.stopRinging()
		c.state = Rejected
	}
}

// finish ends the call for everybody.
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
