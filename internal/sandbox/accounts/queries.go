package accounts

import (
	waBinary "go.mau.fi/whatsmeow/binary"

	"wasup/internal/sandbox/stanza"
)

// QueryHandler answers one kind of query of a logged-in device: with the children of the result, or with an error.
type QueryHandler func(dev *Device, query *waBinary.Node) ([]waBinary.Node, *stanza.QueryError)

// AnswerEmpty answers a query with an empty result.
func AnswerEmpty(*Device, *waBinary.Node) ([]waBinary.Node, *stanza.QueryError) {
	return nil, nil
}

// AnswerNotFound answers a query for something that does not exist here.
func AnswerNotFound(*Device, *waBinary.Node) ([]waBinary.Node, *stanza.QueryError) {
	return nil, stanza.ErrNotFound
}
