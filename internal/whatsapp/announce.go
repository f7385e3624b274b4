package whatsapp

import (
	"go.mau.fi/whatsmeow/appstate"
	"go.mau.fi/whatsmeow/types/events"

	"wasup/internal/whatsapp/masking"
)

// named takes over the account's name. The phone sends it after the pairing and at every change.
func (c *Client) named(evt any) {
	var name string
	switch e := evt.(type) {
	case *events.PushNameSetting:
		name = e.Action.GetName()
	case *events.AppStateSyncComplete:
		if e.Name != appstate.WAPatchCriticalBlock {
			return
		}
		name = c.wa.Store.PushName // whatsmeow wrote it on this goroutine
	}
	if c.account.rename(name) {
		c.announce()
	}
}

// announce sends the account's name to WhatsApp. According to whatsmeow's SendPresence, people who do not have the
// account among their contacts otherwise see "-" as its name. The presence is "unavailable": an available account is
// shown as online while the session runs, and its phone does not ring for new messages.
func (c *Client) announce() {
	name := c.account.pushName()
	if name == "" {
		return
	}
	c.run.spawn("announce the name", func() {
		if err := sendName(c.run.ctx, c.wa, name); err != nil { // the next connection sends it again
			c.run.log.Debug("the account's name could not be sent", "err", masking.Error{Err: err})
		}
	})
}
