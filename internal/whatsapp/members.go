package whatsapp

import (
	"context"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/types"

	"wasup/internal/message"
)

// members knows how groups address people: each group uses LIDs or phone numbers, and WhatsApp moves groups from numbers
// to LIDs. Phones compare these addresses as they are.
type members struct {
	wa   *whatsmeow.Client
	lids store.LIDStore
}

// address returns the address of a person in the form that a group uses. If the other form of an address is not known,
// it returns the given one. It may ask WhatsApp about the group.
func (m members) address(ctx context.Context, chat types.JID, who message.Address) (types.JID, error) {
	asking, done := requestContext(ctx)
	group, err := groupOf(asking, m.wa, chat)
	done()
	if err != nil {
		return types.JID{}, err
	}
	given, err := types.ParseJID(who.String())
	if err != nil {
		return types.JID{}, err
	}
	lid, pn := m.parse(who.LID), m.parse(who.PN)
	switch {
	case group.byLID && lid.IsEmpty():
		lid, err = m.lids.GetLIDForPN(ctx, pn)
	case !group.byLID && pn.IsEmpty():
		pn, err = m.lids.GetPNForLID(ctx, lid)
	}
	switch {
	case err != nil:
		return types.JID{}, err
	case group.byLID && !lid.IsEmpty():
		return lid.ToNonAD(), nil
	case !group.byLID && !pn.IsEmpty():
		return pn.ToNonAD(), nil
	default:
		return given.ToNonAD(), nil
	}
}

func (m members) parse(address string) types.JID {
	if address == "" {
		return types.JID{}
	}
	jid, err := types.ParseJID(address)
	if err != nil {
		return types.JID{}
	}
	return jid
}

// isForeign reports whether the log has a message of a chat that another member of the group wrote, or the other person.
func (c *Client) isForeign(ctx context.Context, chat types.JID, id string) (bool, error) {
	others := []types.JID{chat}
	if chat.Server == types.GroupServer {
		asking, done := requestContext(ctx)
		group, err := groupOf(asking, c.wa, chat)
		done()
		if err != nil {
			return false, err
		}
		others = group.members
	}
	return c.sending.translator().Received(ctx, chat, others, id)
}
