package whatsapp

import (
	"go.mau.fi/whatsmeow/appstate"
	"go.mau.fi/whatsmeow/types/events"
)

// named takes in what the account is called, which its phone says after the pairing and whenever somebody changes it.
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

// announce tells WhatsApp what the account is called: who does not have it among their contacts is shown "-" for its name
// otherwise, says whatsmeow's SendPresence. The account is said to be unavailable: one that is available is shown as online for as long as the session runs, and
// its phone does not ring for new messages.
func (c *Client) announce() {
	name := c.account.pushName()
	if name == "" {
		return
	}
	c.run.spawn("announce the name", func() {
		if err := sendName(c.run.ctx, c.wa, name); err != nil { // the next connection says it
			c.run.log.Debug("the account's name was not announced", "err", unnamed{err})
		}
	})
}
