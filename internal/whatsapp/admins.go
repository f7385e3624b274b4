package whatsapp

import (
	"context"
	"sync"
	"time"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"

	"wasup/internal/whatsapp/masking"
)

const (
	adminsTimeout = 10 * time.Second // of the request for a group's members
	adminsFresh   = time.Minute      // how long an answer is used, and a failure is not repeated
	maxAdmins     = 256              // groups whose admins are known
)

// admins knows the admins of the groups in which somebody deletes a message of somebody else. WhatsApp says who is an
// admin only when it is asked. Members can cause such a request, so there is at most one for each group and minute.
type admins struct {
	run *run
	wa  *whatsmeow.Client

	mu     sync.Mutex
	groups map[types.JID]groupAdmins
}

type groupAdmins struct {
	at     time.Time
	people map[types.JID]bool // by LID and by phone number
}

// is implements inbound.IsAdmin.
func (a *admins) is(ctx context.Context, group types.JID, person ...types.JID) bool {
	a.mu.Lock()
	known, fresh := a.groups[group]
	a.mu.Unlock()
	if !fresh || time.Since(known.at) > adminsFresh {
		known = a.ask(ctx, group)
	}
	for _, one := range person {
		if known.people[one] {
			return true
		}
	}
	return false
}

func (a *admins) ask(ctx context.Context, group types.JID) groupAdmins {
	bounded, cancel := context.WithTimeout(ctx, adminsTimeout)
	defer cancel()
	answer := groupAdmins{people: make(map[types.JID]bool)}
	bounded, done := requestContext(bounded)
	defer done()
	info, err := a.wa.GetGroupInfo(bounded, group)
	if err != nil {
		a.run.log.Debug("the admins of a group are not known", "err", masking.Error{Err: err})
		info = &types.GroupInfo{}
	}
	for i := range info.Participants {
		one := &info.Participants[i]
		if one.IsAdmin || one.IsSuperAdmin {
			answer.people[one.JID.ToNonAD()], answer.people[one.LID.ToNonAD()], answer.people[one.PhoneNumber.ToNonAD()] = true, true, true
		}
	}
	delete(answer.people, types.JID{})
	answer.at = time.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.groups) >= maxAdmins || a.groups == nil {
		a.groups = make(map[types.JID]groupAdmins)
	}
	a.groups[group] = answer
	return answer
}

// forget drops what is known about a group whose members have changed.
func (a *admins) forget(evt any) {
	if change, is := evt.(*events.GroupInfo); is {
		a.mu.Lock()
		defer a.mu.Unlock()
		delete(a.groups, change.JID)
	}
}
