package whatsapp

import (
	"context"
	"errors"
	"sync"

	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/types"

	"wasup/internal/session"
)

// prePair binds the new device to the session before whatsmeow stores it. An interruption in between leaves a binding
// to nothing, which the next Open clears; the other order would leave credentials that belong to nobody, and a phone
// that shows a linked device which asks for a second scan. False refuses the pairing.
func (c *Client) prePair(jid types.JID, _, _ string) (accepted bool) {
	defer c.recovered("pairing") // accepted stays false
	ctx, cancel := context.WithTimeout(c.life, storeTimeout)
	defer cancel()
	// The server gave this device number to us just now, so credentials stored under it are dead. whatsmeow would
	// keep their keys instead of the new ones.
	err := c.dialer.container.DeleteDevice(ctx, &store.Device{ID: &jid})
	if err == nil {
		err = c.dialer.devices.BindDevice(ctx, c.run.Session, jid.String())
	}
	if err != nil {
		c.log.Error("pairing refused: the device could not be bound to the session", "err", err)
		c.mu.Lock()
		defer c.mu.Unlock()
		c.refusal = &session.Input{Kind: session.StoreFailed, Detail: "the new device could not be bound to the session"}
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.jid, c.pairing = jid, true
	// The code on show is used from now on. Said before the phone hears our confirmation, so that nobody who has seen
	// the phone link the device is given the used code again; whatsmeow says it only afterwards.
	c.postLocked(session.Input{Kind: session.Scanned})
	return true
}

// refused puts our own reason in the place of whatsmeow's, which only knows that we refused.
func (c *Client) refused(in session.Input) session.Input {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.refusal != nil {
		return *c.refusal
	}
	return in
}

// credentials stand between a device and its table. whatsmeow that learns of an unlinking deletes the row and empties the
// device, without a lock, while its other goroutines read it: half of one store and half of another is what they may
// find. Here it is told that it could not, and the row is ours to delete; nobody writes it again after that.
type credentials struct {
	store.DeviceContainer
	mu   sync.RWMutex
	over bool
}

// errOursToDelete is what whatsmeow logs then.
var errOursToDelete = errors.New("the session deletes its credentials itself")

func (s *credentials) DeleteDevice(context.Context, *store.Device) error {
	s.end()
	return errOursToDelete
}

func (s *credentials) PutDevice(ctx context.Context, device *store.Device) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.over {
		return store.ErrDeviceDeleted
	}
	return s.DeviceContainer.PutDevice(ctx, device)
}

// end returns when nobody writes the device any more.
func (s *credentials) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = true
}

// retire forgets the device and posts the input after that, so that whoever pairs the session again cannot load the
// dying device. A failing database is only logged: the device then refuses the next login, which ends here again.
func (c *Client) retire(in session.Input) {
	c.mu.Lock()
	jid := c.jid
	c.retired = true
	c.mu.Unlock()
	if c.credentials != nil {
		c.credentials.end()
	}
	c.spawn("forgetting the device", func() {
		if !jid.IsEmpty() {
			c.forget(jid)
		}
		c.post(in)
	})
}

func (c *Client) forget(jid types.JID) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.life), storeTimeout)
	defer cancel()
	if err := c.dialer.container.DeleteDevice(ctx, &store.Device{ID: &jid}); err != nil {
		c.log.Error("the credentials of a logged out device were not deleted", "err", err)
	}
	bound, err := c.dialer.devices.DeviceOf(ctx, c.run.Session)
	if err == nil && bound == jid.String() {
		err = c.dialer.devices.BindDevice(ctx, c.run.Session, "")
	}
	if err != nil {
		c.log.Error("a logged out device was not unbound from its session", "err", err)
	}
}
