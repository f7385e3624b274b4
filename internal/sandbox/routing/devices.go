package routing

import (
	"strconv"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"

	"wasup/internal/sandbox/accounts"
	"wasup/internal/sandbox/faults"
	"wasup/internal/sandbox/stanza"
)

// AnnounceDevice says that a device was linked (change "add") or removed ("remove"). The account's other devices get the
// whole list. Everybody who has a chat or a group with the account gets the change. From then on they encrypt for the
// device, or no longer do.
func (r *Router) AnnounceDevice(changed *accounts.Device, change string) {
	account := changed.Account
	if _, silent := r.faults.Strike(faults.WithholdDevices, account); silent {
		return
	}
	own := waBinary.Node{Tag: "notification", Content: []waBinary.Node{r.ownDevices(account)}, Attrs: waBinary.Attrs{
		"from": account.JID(0), "type": "account_sync", "id": stanza.NewID(), "t": stanza.Now(),
	}}
	for _, dev := range r.dir.DevicesOf(account) {
		if dev != changed {
			r.courier.Hand(dev, own)
		}
	}
	r.courier.NotifyAccounts(r.acquainted(account), waBinary.Attrs{
		"from": account.JID(0), "lid": account.LIDJID(0), "type": "devices",
	}, r.deviceChange(changed, change))
}

// ownDevices is the part of the notification for the account's own devices.
func (r *Router) ownDevices(account *accounts.Account) waBinary.Node {
	all := r.devicesOn(account, types.DefaultUserServer)
	list := make([]waBinary.Node, len(all))
	for i, jid := range all {
		list[i] = waBinary.Node{Tag: "device", Attrs: waBinary.Attrs{"jid": jid}}
	}
	return waBinary.Node{Tag: "devices", Attrs: waBinary.Attrs{"dhash": stanza.ParticipantHash(all)}, Content: list}
}

// deviceChange is the part of the notification for others.
func (r *Router) deviceChange(changed *accounts.Device, change string) waBinary.Node {
	account := changed.Account
	return waBinary.Node{
		Tag: change,
		Attrs: waBinary.Attrs{
			"device_hash":     stanza.ParticipantHash(r.devicesOn(account, types.DefaultUserServer)),
			"device_lid_hash": stanza.ParticipantHash(r.devicesOn(account, types.HiddenUserServer)),
		},
		Content: []waBinary.Node{{Tag: "device", Attrs: waBinary.Attrs{
			"jid": account.JID(changed.ID), "lid": account.LIDJID(changed.ID),
			"key-index": strconv.FormatUint(uint64(changed.KeyIndex), 10),
		}}},
	}
}

// devicesOn lists the addresses of an account's devices on a server, first the phone's.
func (r *Router) devicesOn(account *accounts.Account, server string) []types.JID {
	ids := r.dir.DeviceIDs(account)
	list := make([]types.JID, len(ids))
	for i, id := range ids {
		list[i] = account.JIDOn(server, id)
	}
	return list
}

// acquainted lists the other accounts that have a chat or a group with an account.
func (r *Router) acquainted(account *accounts.Account) []*accounts.Account {
	all := account.Phone.Partners()
	for _, g := range r.groups.Of(account) {
		all = append(all, g.Accounts()...)
	}
	var others []*accounts.Account
	seen := map[*accounts.Account]bool{account: true}
	for _, other := range all {
		if !seen[other] {
			seen[other] = true
			others = append(others, other)
		}
	}
	return others
}
