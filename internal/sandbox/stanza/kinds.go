package stanza

// The types of receipts that are routed in a way of their own.
const (
	ReceiptRetry    = "retry"
	ReceiptSender   = "sender"
	ReceiptPeer     = "peer_msg"
	ReceiptRead     = "read"
	ReceiptReadSelf = "read-self"
	ReceiptPlayed   = "played"
	// ReceiptHistory tells a phone that a part of its history arrived, ReceiptServerError that a file is not on the
	// server any more.
	ReceiptHistory     = "hist_sync"
	ReceiptServerError = "server-error"
)

// What marks messages between the devices of one account that are not for people.
const (
	CategoryPeer = "peer"
	TypePeer     = "peer_msg"
)
