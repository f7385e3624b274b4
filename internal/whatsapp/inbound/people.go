package inbound

import (
	"context"

	"go.mau.fi/whatsmeow/types"

	"wasup/internal/message"
)

// addressOf returns the address without asking who it belongs to.
func addressOf(jids ...types.JID) message.Address {
	var out message.Address
	for _, each := range jids {
		switch each.Server {
		case types.HiddenUserServer, types.HostedLIDServer:
			out.LID = types.JID{User: each.User, Server: types.HiddenUserServer}.String()
		case types.DefaultUserServer, types.HostedServer, types.LegacyUserServer:
			out.PN = types.JID{User: each.User, Server: types.DefaultUserServer}.String()
		case "":
		default:
			addPlace(&out, each.ToNonAD())
		}
	}
	return out
}

// addPlace adds the address of a chat that is not with a person.
func addPlace(out *message.Address, jid types.JID) {
	switch {
	case jid.Server == types.GroupServer:
		out.Group = jid.String()
	case jid == types.StatusBroadcastJID:
		out.Status = jid.String()
	case jid.Server == types.BroadcastServer:
		out.List = jid.String()
	case jid.Server == types.NewsletterServer:
		out.Channel = jid.String()
	default:
		out.Other = jid.String()
	}
}

// address returns a person's phone number and LID, if WhatsApp has told which belong together, or the
// address of a group or another chat. It is for addresses that WhatsApp's server gives: whatsmeow caches the answer for good.
func (t *translation) address(jid types.JID, others ...types.JID) message.Address {
	out := addressOf(append([]types.JID{jid}, others...)...)
	lids := t.c.Client.Store.LIDs
	switch {
	case out.LID == "" && out.PN == "":
	case out.LID != "" && out.PN == "":
		t.ask(func(ctx context.Context) error {
			pn, err := lids.GetPNForLID(ctx, types.NewJID(jid.User, types.HiddenUserServer))
			if !pn.IsEmpty() {
				out.PN = pn.ToNonAD().String()
			}
			return err
		})
	case out.PN != "" && out.LID == "":
		t.ask(func(ctx context.Context) error {
			lid, err := lids.GetLIDForPN(ctx, types.NewJID(jid.User, types.DefaultUserServer))
			if !lid.IsEmpty() {
				out.LID = lid.ToNonAD().String()
			}
			return err
		})
	}
	return out
}

// addresses is address for many people, with one statement.
func (t *translation) addresses(jids []types.JID) []message.Address {
	var unknown []types.JID
	for _, jid := range jids {
		if person, is := personOf(jid); is {
			if _, asked := t.others[person]; !asked {
				unknown = append(unknown, person)
			}
		}
	}
	if len(unknown) > 0 {
		t.ask(func(ctx context.Context) error {
			found, err := t.c.Others(ctx, unknown)
			if t.others == nil {
				t.others = make(map[types.JID]types.JID, len(unknown))
			}
			for _, person := range unknown {
				t.others[person] = found[person]
			}
			return err
		})
	}
	var out []message.Address
	for _, jid := range jids {
		person, _ := personOf(jid)
		out = append(out, addressOf(jid, t.others[person]))
	}
	return out
}

// personOf returns a person's address as it is looked up. is false: it is no person's.
func personOf(jid types.JID) (person types.JID, is bool) {
	address := addressOf(jid)
	switch {
	case address.LID != "":
		return types.NewJID(jid.User, types.HiddenUserServer), true
	case address.PN != "":
		return types.NewJID(jid.User, types.DefaultUserServer), true
	default:
		return types.JID{}, false
	}
}

// parseAddresses returns the addresses that a sender chose, without the invalid ones.
func (t *translation) parseAddresses(texts []string) []message.Address {
	var jids []types.JID
	for _, text := range texts {
		if jid, ok := parseJID(text); ok {
			jids = append(jids, jid)
		}
	}
	return t.addresses(jids)
}

// parseAddress returns an address that a sender chose, or the zero value for an invalid one.
func (t *translation) parseAddress(text string) message.Address {
	for _, address := range t.parseAddresses([]string{text}) {
		return address
	}
	return message.Address{}
}

// isOwn reports whether the address is one of the session's own account.
func (t *translation) isOwn(a message.Address) bool {
	pn, lid := t.c.Own()
	return a.LID != "" && a.LID == lid.ToNonAD().String() || a.PN != "" && a.PN == pn.ToNonAD().String()
}
