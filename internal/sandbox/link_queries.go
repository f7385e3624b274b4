package sandbox

import (
	"sync"

	waBinary "go.mau.fi/whatsmeow/binary"

	"wasup/internal/sandbox/observe"
	"wasup/internal/sandbox/stanza"
)

// linkHandler answers one kind of query of a client that is not linked yet.
type linkHandler func(c *conn, link *linking, query *waBinary.Node) ([]waBinary.Node, *stanza.QueryError)

// queryHandlers returns the handlers of queries of a client that is pairing, with the same keys as
// Server.queryHandlers.
func (p *pairing) queryHandlers() map[string]linkHandler {
	return map[string]linkHandler{
		"md set link_code_companion_reg": p.queryPairByCode,
		"md get ref":                     p.queryPairRef,
		"md get passkey_request_options": p.queryPasskeyOptions,
		"md set passkey_prologue":        tellPhone("passkey_prologue"),
		"md set companion_nonce":         tellPhone("companion_nonce"),
		"md set encrypted_pairing_request": tellPhone(
			"encrypted_pairing_request"),
	}
}

// handleLinkIQ answers a query of a client that is not logged in.
func (c *conn) handleLinkIQ(query string, node *waBinary.Node) {
	if stanza.Attr(node, "xmlns") == "w:p" {
		c.answer(node, nil, nil)
		return
	}
	handle, known := c.srv.handlers.linkQueries[query]
	link := c.link.Load()
	if !known || link == nil {
		c.unknown(query + "/before-login")
		c.answer(node, nil, stanza.ErrNotImplemented)
		return
	}
	children, failed := handle(c, link, node)
	c.answer(node, children, failed)
}

// handleAnyAck handles acknowledgements. Those of pairing clients are for notifications that are not sent again anyway.
func (c *conn) handleAnyAck(node *waBinary.Node) {
	switch dev := c.device.Load(); {
	case dev != nil:
		c.handleAck(dev, node)
	case c.link.Load() == nil:
		c.unknown("ack/before-login")
	case stanza.Attr(node, "class") == "notification" && c.link.Load().retired.acknowledge(stanza.Attr(node, "id")):
		c.srv.net.Observer.Emit(observe.Event{Kind: observe.EventRetireAcked, Conn: c.id})
	}
}

// handleAnyPresence handles presences. Clients that pair by code send one with a placeholder name before they are
// linked; it is ignored.
func (c *conn) handleAnyPresence(node *waBinary.Node) {
	switch dev := c.device.Load(); {
	case dev != nil:
		c.srv.net.Profiles.HandlePresence(dev, node)
	case c.link.Load() == nil:
		c.unknown("presence/before-login")
	}
}

// steps lets a pairing phone wait for the next stanza of the client.
type steps struct {
	mu      sync.Mutex
	waiting map[string]*step
}

// step is one stanza that a phone waits for.
type step struct {
	// check validates the stanza. After an error the client may try again.
	check func(*waBinary.Node) *stanza.QueryError
	got   chan *waBinary.Node
}

// expect begins to wait for the stanza called name. Call it before asking the client for that stanza, and call the
// returned function to stop waiting.
func (s *steps) expect(name string, check func(*waBinary.Node) *stanza.QueryError) (<-chan *waBinary.Node, func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.waiting == nil {
		s.waiting = make(map[string]*step)
	}
	one := &step{check: check, got: make(chan *waBinary.Node, 1)}
	s.waiting[name] = one
	return one.got, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.waiting[name] == one {
			delete(s.waiting, name)
		}
	}
}

// tell passes a stanza to the phone that waits for it.
func (s *steps) tell(name string, node *waBinary.Node) *stanza.QueryError {
	s.mu.Lock()
	defer s.mu.Unlock()
	one, ok := s.waiting[name]
	if !ok {
		return stanza.ErrNotFound
	}
	if failed := one.check(node); failed != nil {
		return failed
	}
	delete(s.waiting, name)
	one.got <- node
	return nil
}

func tellPhone(name string) linkHandler {
	return func(_ *conn, link *linking, query *waBinary.Node) ([]waBinary.Node, *stanza.QueryError) {
		child := query.GetChildByTag(name)
		return nil, link.steps.tell(name, &child)
	}
}
