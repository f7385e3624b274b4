package accounts

import (
	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"
)

// Origin is the device that a stanza comes from. Device 0 is the phone.
type Origin struct {
	Account *Account
	Device  uint16
	// Scripted marks what a phone sends by its script. Scripts do not answer it, because two phones that echo would
	// never stop.
	Scripted bool
}

// Delivery is a stanza on its way to a phone. Group is empty in chats of two.
type Delivery struct {
	Node  waBinary.Node
	From  Origin
	Chat  *Account
	Group types.JID
}

// The tags of stanzas by which the server tells a phone that a device was linked or unlinked.
const (
	TagLinked   = "device_linked"
	TagUnlinked = "device_unlinked"
)
