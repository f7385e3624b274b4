package sandbox

import (
	"errors"
	"os"

	"wasup/internal/sandbox/observe"
	"wasup/internal/sandbox/wire"
)

var errDecrypt = errors.New("frame cannot be decrypted")

func (c *conn) handshakeFailed(err error) {
	c.srv.net.Observer.Count(func(n *observe.Counters) { n.HandshakeFailures++ })
	if !c.malformed(err) {
		c.end("handshake not finished")
	}
}

func (c *conn) receiveFailed(err error) {
	if c.malformed(err) {
		return
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		c.end("idle")
		return
	}
	c.end("client went away")
}

// malformed counts err and ends the connection, if err is about input that violates the protocol.
func (c *conn) malformed(err error) bool {
	reason, ok := malformedReason(err)
	if ok {
		c.countMalformed(reason, err)
		c.end("malformed " + reason)
	}
	return ok
}

func malformedReason(err error) (string, bool) {
	switch {
	case errors.Is(err, wire.ErrBadHeader):
		return "header", true
	case errors.Is(err, wire.ErrFrameTooLarge), errors.Is(err, wire.ErrEmptyFrame):
		return "frame", true
	case errors.Is(err, wire.ErrHandshake):
		return "handshake", true
	case errors.Is(err, errDecrypt):
		return "decrypt", true
	case errors.Is(err, wire.ErrBadNode):
		return "node", true
	default:
		return "", false
	}
}

func (c *conn) countMalformed(reason string, err error) {
	c.srv.net.Observer.Count(func(n *observe.Counters) { observe.Increment(&n.Malformed, reason) })
	c.srv.net.Observer.Emit(observe.Event{Kind: observe.EventMalformed, Conn: c.id, Detail: reason})
	c.srv.net.Log.Debug("malformed input", "conn", c.id, "err", err)
}
