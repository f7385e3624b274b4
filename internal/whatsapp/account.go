package whatsapp

import (
	"sync"

	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/types"

	"wasup/internal/message"
	"wasup/internal/session"
)

// account is the account that the run uses. It is a copy, because whatsmeow changes its device without a lock.
type account struct {
	mu   sync.Mutex
	jid  types.JID // the device's JID; empty until a device is linked
	lid  types.JID
	name string
}

func newAccount(device *store.Device) *account {
	a := &account{lid: device.LID, name: message.FirstCharacters(device.PushName, message.MaxName)}
	if device.ID != nil {
		a.jid = *device.ID
	}
	return a
}

// addresses returns the device's JID with the phone number, and its LID. Each may be empty.
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

// rename sets the name, of which it keeps 255 characters, and reports whether it changed. An empty name is ignored.
func (a *account) rename(name string) bool {
	name = message.FirstCharacters(name, message.MaxName)
	a.mu.Lock()
	defer a.mu.Unlock()
	changed := name != "" && name != a.name
	if changed {
		a.name = name
	}
	return changed
}

// public returns the account as the session's machine needs it.
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
