package accounts

import (
	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"
)

// Origin is the device that a stanza comes from: device 0 is the phone.
type Origin struct {
	Account *Account
	Device  uint16
	// Scripted marks what a phone sends by itself, which no other phone answers by itself: two phones that
	// echo would never end.
	Scripted bool
}

// Delivery is a stanza on its way to a phone. group is empty in conversations of two.
type Delivery struct {
	Node  waBinary.Node
	From  Origin
	Chat  *Account
	Group types.JID
}

// The server tells a phone about its devices by these.
const (
	TagLinked   = "device_linked"
	TagUnlinked = "device_unlinked"
)
