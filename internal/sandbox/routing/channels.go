package routing

import (
	"errors"
	"strconv"

	waBinary "go.mau.fi/whatsmeow/binary"

	"wasup/internal/sandbox/accounts"
	"wasup/internal/sandbox/channels"
	"wasup/internal/sandbox/stanza"
)

// routeChannel stores a device's reaction to a post of a channel. Devices send nothing else there.
func (r *Router) routeChannel(from accounts.Origin, node *waBinary.Node) Verdict {
	reaction, is := node.GetOptionalChildByTag("reaction")
	number, err := strconv.Atoi(stanza.Attr(node, "server_id"))
	emoji := stanza.Attr(&reaction, "code")
	switch {
	case !is || err != nil || stanza.Attr(node, "type") != "reaction":
		return Verdict{Code: ackBadMessage}
	case (emoji == "") != (stanza.Attr(node, "edit") == "7"):
		return Verdict{Code: ackBadMessage}
	}
	switch err = r.channels.React(from.Account, stanza.JID(node, "to"), number, emoji); {
	case errors.Is(err, channels.ErrUnknown):
		return Verdict{Code: ackForbidden}
	case err != nil:
		return Verdict{Code: ackUnknownRecipient}
	default:
		return Verdict{}
	}
}
