package sandbox

import (
	"fmt"
	"maps"
	"runtime/debug"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"

	"wasup/internal/sandbox/accounts"
	"wasup/internal/sandbox/faults"
	"wasup/internal/sandbox/observe"
	"wasup/internal/sandbox/stanza"
)

// stanzaHandler handles one kind of stanza. It runs in the connection's reader.
type stanzaHandler func(c *conn, node *waBinary.Node)

// handlers are the tables of the stanzas and queries that clients may send.
type handlers struct {
	stanzas     map[string]stanzaHandler
	queries     map[string]accounts.QueryHandler
	linkQueries map[string]linkHandler
}

func (s *Server) newHandlers() handlers {
	return handlers{stanzas: stanzaHandlers(), queries: s.queryHandlers(), linkQueries: s.pairing.queryHandlers()}
}

// stanzaHandlers returns the handlers of all stanzas that a client may send, by tag.
func stanzaHandlers() map[string]stanzaHandler {
	return map[string]stanzaHandler{
		"iq":        (*conn).handleIQ,
		"ib":        func(*conn, *waBinary.Node) {}, // telemetry (unified_session), without an answer
		"ack":       (*conn).handleAnyAck,
		"message":   loggedIn((*conn).handleMessage),
		"receipt":   loggedIn((*conn).handleReceipt),
		"presence":  (*conn).handleAnyPresence,
		"chatstate": loggedIn((*conn).handleChatState),
		"call":      loggedIn((*conn).handleCall),
	}
}

// loggedIn wraps a handler that needs a device. A stanza from a client that has not logged in counts as unknown.
func loggedIn(handle func(*conn, *accounts.Device, *waBinary.Node)) stanzaHandler {
	return func(c *conn, node *waBinary.Node) {
		dev := c.device.Load()
		if dev == nil {
			c.unknown(node.Tag + "/before-login")
			return
		}
		handle(c, dev, node)
	}
}

// queryActive is the query with which a client asks for its stanzas.
const queryActive = "passive set active"

// queryHandlers returns the handlers of all queries of a device, by namespace, type and the tag of the first child ("-"
// when there is none).
func (s *Server) queryHandlers() map[string]accounts.QueryHandler {
	handlers := map[string]accounts.QueryHandler{
		"w:p get -":    accounts.AnswerEmpty,
		"w:p get ping": accounts.AnswerEmpty,

		"w:m set media_conn": s.queryMediaConn,

		queryActive:           accounts.AnswerEmpty,
		"passive set passive": queryPassive,

		"encrypt get count":        s.net.Keys.QueryPreKeyCount,
		"encrypt get digest":       s.net.Keys.QueryDigest,
		"encrypt get key":          s.net.Keys.QueryBundles,
		"encrypt set registration": s.net.Keys.QueryUploadKeys,
		"encrypt set rotate":       s.net.Keys.QueryRotateKey,

		"usync get usync": s.net.Profiles.QueryUsync,

		"md set remove-companion-device": s.net.Links.QueryUnlink,

		"abt get props": queryProps,
		"w get props":   queryProps,

		"w:sync:app:state set sync":         s.net.AppStates.Query,
		"urn:xmpp:whatsapp:push set config": accounts.AnswerEmpty,
		"urn:xmpp:whatsapp:dirty set clean": accounts.AnswerEmpty,
	}
	maps.Copy(handlers, s.net.Groups.Queries())
	maps.Copy(handlers, s.net.Profiles.Queries())
	return handlers
}

// dispatch handles one stanza. A panic of the handler ends the connection, but not the server.
func (c *conn) dispatch(node *waBinary.Node) {
	defer func() {
		if cause := recover(); cause != nil {
			c.srv.net.Observer.Count(func(n *observe.Counters) { n.Panics++ })
			c.srv.net.Log.Error("a stanza handler panicked", "tag", node.Tag, "cause", fmt.Sprint(cause), "stack", string(debug.Stack()))
			c.kill("stanza handler broke")
		}
	}()
	handle, ok := c.srv.handlers.stanzas[node.Tag]
	if !ok {
		c.unknown(node.Tag)
		return
	}
	handle(c, node)
	if dev := c.device.Load(); dev != nil {
		dev.Account.Changed.Store(true)
	}
}

func (c *conn) unknown(what string) {
	c.srv.net.Observer.Count(func(n *observe.Counters) { observe.Increment(&n.UnknownQueries, what) })
	c.srv.net.Observer.Emit(observe.Event{Kind: observe.EventUnknownQuery, Conn: c.id, Detail: what})
}

func (c *conn) handleIQ(node *waBinary.Node) {
	kind := stanza.Attr(node, "type")
	switch kind {
	case "result", "error":
		c.questions.answer(node)
		return
	case "get", "set":
	default:
		c.unknown("iq/" + kind)
		return
	}
	namespace, child := queryNames(node)
	if fault, ok := c.queryFault(faults.RefuseIQ, node); ok {
		c.answer(node, nil, &stanza.QueryError{Code: fault.Code, Text: "fault"})
		return
	}
	dev := c.device.Load()
	query := namespace + " " + kind + " " + child
	if dev == nil {
		c.handleLinkIQ(query, node)
		return
	}
	handle, ok := c.srv.handlers.queries[query]
	if !ok {
		c.unknown(namespace + "/" + child)
		c.answer(node, nil, stanza.ErrNotImplemented)
		return
	}
	if namespace == "w:p" {
		if _, silent := c.srv.net.Faults.Strike(faults.NoPong, c); silent {
			return
		}
	}
	children, failed := handle(dev, node)
	c.answerThen(node, children, failed, func() {
		if query == queryActive {
			// Activate after the answer: clients count as connected once they have read it, and then expect the stanzas
			// that came while they were away.
			c.activate(dev)
		}
	})
}

func (c *conn) answer(query *waBinary.Node, children []waBinary.Node, failed *stanza.QueryError) {
	c.answerThen(query, children, failed, func() {})
}

// answerThen sends the result of a query, or its error, and calls then. Faults may withhold or delay both.
func (c *conn) answerThen(query *waBinary.Node, children []waBinary.Node, failed *stanza.QueryError, then func()) {
	attrs := waBinary.Attrs{"id": stanza.Attr(query, "id"), "type": "result", "from": types.ServerJID}
	if to := stanza.JID(query, "to"); !to.IsEmpty() {
		attrs["from"] = to
	}
	result := waBinary.Node{Tag: "iq", Attrs: attrs}
	if len(children) > 0 {
		result.Content = children
	}
	if failed != nil {
		attrs["type"] = "error"
		result.Content = []waBinary.Node{stanza.ErrorNode(failed.Code, failed.Text)}
	}
	if _, ok := c.queryFault(faults.WithholdIQ, query); ok {
		return
	}
	if fault, ok := c.queryFault(faults.DelayIQ, query); ok {
		c.later(fault.Delay, func() { c.Send(result); then() })
		return
	}
	c.Send(result)
	then()
}

// handleAck removes the stanza that the device acknowledges from its queue.
func (c *conn) handleAck(dev *accounts.Device, node *waBinary.Node) {
	c.srv.net.Observer.Count(func(n *observe.Counters) { n.Acks++ })
	dev.Acknowledge(stanza.Key{Class: stanza.Attr(node, "class"), ID: stanza.Attr(node, "id"), From: stanza.JID(node, "to"), Participant: stanza.JID(node, "participant")})
}

func queryPassive(dev *accounts.Device, _ *waBinary.Node) ([]waBinary.Node, *stanza.QueryError) {
	dev.SetPassive()
	return nil, nil
}

// queryNames returns the namespace of a query and the tag of its first child, "-" when there is none.
func queryNames(query *waBinary.Node) (namespace, child string) {
	child = "-"
	if children := query.GetChildren(); len(children) > 0 {
		child = children[0].Tag
	}
	return stanza.Attr(query, "xmlns"), child
}

// queryFault returns the fault of a kind that applies to a query.
func (c *conn) queryFault(kind faults.Kind, query *waBinary.Node) (faults.Fault, bool) {
	if c.srv.net.Faults.None() {
		return faults.Fault{}, false
	}
	namespace, child := queryNames(query)
	return c.srv.net.Faults.StrikeIf(kind, c, func(f *faults.Fault) bool { return f.Matches(namespace, child) })
}

// queryProps answers without any experiments: clients then use their own defaults.
func queryProps(_ *accounts.Device, query *waBinary.Node) ([]waBinary.Node, *stanza.QueryError) {
	asked := query.GetChildByTag("props")
	return []waBinary.Node{{Tag: "props", Attrs: waBinary.Attrs{
		"protocol": stanza.Attr(&asked, "protocol"),
		"ab_key":   "sandbox",
		"hash":     "1",
		"refresh":  "86400",
	}}}, nil
}

// handleChatState forwards "composing" and "paused" to the devices in the chat.
func (c *conn) handleChatState(dev *accounts.Device, node *waBinary.Node) {
	c.srv.net.Router.RouteChatState(accounts.Origin{Account: dev.Account, Device: dev.ID}, stanza.JID(node, "to"), node.Content)
}

// handleCall acknowledges and forwards a call signal from a linked device.
func (c *conn) handleCall(dev *accounts.Device, node *waBinary.Node) {
	children := node.GetChildren()
	ack := waBinary.Attrs{"class": "call", "id": stanza.Attr(node, "id"), "from": stanza.JID(node, "to"), "t": stanza.Now()}
	if len(children) == 1 {
		ack["type"] = children[0].Tag
		if c.srv.net.Calls.Route(accounts.Origin{Account: dev.Account, Device: dev.ID}, stanza.JID(node, "to"), &children[0]) != nil {
			ack["error"] = "404"
		}
	} else {
		ack["error"] = "400"
	}
	c.Send(waBinary.Node{Tag: "ack", Attrs: ack})
}
