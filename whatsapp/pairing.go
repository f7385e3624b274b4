package whatsapp

import (
	"context"

	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/types"

	"wasup/session"
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

// retire forgets the device and posts the input after that, so that whoever pairs the session again cannot load the
// dying device. whatsmeow deletes the credentials as well, at its own time and with the run's context, which may end
// before. A failing database is only logged: the device then refuses the next login, which ends here again.
func (c *Client) retire(in session.Input) {
	c.mu.Lock()
	jid := c.jid
	c.mu.Unlock()
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
