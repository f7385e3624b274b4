package stanza

// The types of receipts that are routed in a special way.
const (
	ReceiptRetry    = "retry"
	ReceiptSender   = "sender"
	ReceiptPeer     = "peer_msg"
	ReceiptRead     = "read"
	ReceiptReadSelf = "read-self"
	ReceiptPlayed   = "played"
	// ReceiptHistory tells a phone that a part of its history arrived. ReceiptServerError tells it that a file is not
	// on the server any more.
	ReceiptHistory     = "hist_sync"
	ReceiptServerError = "server-error"
)

// The category and type of messages between the devices of one account that are not shown to people.
const (
	CategoryPeer = "peer"
	TypePeer     = "peer_msg"
)
