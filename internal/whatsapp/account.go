package whatsapp

import (
	"sync"

	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/types"

	"wasup/internal/session"
)

// account is whose device the run uses. It is a copy: whatsmeow changes the device while it runs, without a lock.
type account struct {
	mu   sync.Mutex
	jid  types.JID // the device; empty until it is paired
	lid  types.JID
	name string
}

func newAccount(device *store.Device) *account {
	a := &account{lid: device.LID, name: device.PushName}
	if device.ID != nil {
		a.jid = *device.ID
	}
	return a
}

// addresses are the device's phone number and its LID; each may be empty.
func (a *account) addresses() (jid, lid types.JID) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.jid, a.lid
}

func (a *account) setJID(jid types.JID) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.jid = jid
}

func (a *account) pushName() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.name
}

// rename reports whether the name is another one now. An empty name is none.
func (a *account) rename(name string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	changed := name != "" && name != a.name
	if changed {
		a.name = name
	}
	return changed
}

// public is the account as the session's machine knows it.
func (a *account) public() session.Account {
	a.mu.Lock()
	defer a.mu.Unlock()
	out := session.Account{PushName: a.name}
	if !a.jid.IsEmpty() {
		out.JID = a.jid.String()
	}
	if !a.lid.IsEmpty() {
		out.LID = a.lid.String()
	}
	return out
}
