package sandbox

import (
	"fmt"
	"maps"
	"runtime/debug"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"

	"wasup/internal/sandbox/observe"
	"wasup/internal/sandbox/stanza"
)

// stanzaHandler handles one kind of stanza. It runs in the connection's reader.
type stanzaHandler func(c *conn, node *waBinary.Node)

// queryHandler answers one kind of query of a logged-in device: with the children of the result, or with an
// error.
type queryHandler func(dev *device, query *waBinary.Node) ([]waBinary.Node, *stanza.QueryError)

// handlers are the tables of what clients may send and ask.
type handlers struct {
	stanzas     map[string]stanzaHandler
	queries     map[string]queryHandler
	linkQueries map[string]linkHandler
}

func (s *Server) newHandlers() handlers {
	return handlers{stanzas: stanzaHandlers(), queries: s.queryHandlers(), linkQueries: s.pairing.queryHandlers()}
}

// stanzaHandlers is the table of everything a client may send, by tag.
func stanzaHandlers() map[string]stanzaHandler {
	return map[string]stanzaHandler{
		"iq":        (*conn).handleIQ,
		"ib":        func(*conn, *waBinary.Node) {}, // telemetry (unified_session); nothing is expected back
		"ack":       (*conn).handleAnyAck,
		"message":   loggedIn((*conn).handleMessage),
		"receipt":   loggedIn((*conn).handleReceipt),
		"presence":  (*conn).handleAnyPresence,
		"chatstate": loggedIn((*conn).handleChatState),
		"call":      loggedIn((*conn).handleCall),
	}
}

// loggedIn keeps stanzas of clients that have not logged in from handlers that need a device.
func loggedIn(handle func(*conn, *device, *waBinary.Node)) stanzaHandler {
	return func(c *conn, node *waBinary.Node) {
		dev := c.device.Load()
		if dev == nil {
			c.unknown(node.Tag + "/before-login")
			return
		}
		handle(c, dev, node)
	}
}

// queryActive is the query by which a client says that it wants its stanzas.
const queryActive = "passive set active"

// queryHandlers is the table of everything a device may ask, by namespace, type and the tag of the first
// child ("-" when there is none).
func (s *Server) queryHandlers() map[string]queryHandler {
	handlers := map[string]queryHandler{
		"w:p get -":    answerEmpty,
		"w:p get ping": answerEmpty,

		"w:m set media_conn": s.media.queryMediaConn,

		queryActive:           answerEmpty,
		"passive set passive": queryPassive,

		"encrypt get count":        s.keys.queryPreKeyCount,
		"encrypt get digest":       s.keys.queryDigest,
		"encrypt get key":          s.keys.queryBundles,
		"encrypt set registration": s.keys.queryUploadKeys,
		"encrypt set rotate":       s.keys.queryRotateKey,

		"usync get usync": s.profiles.queryUsync,

		"md set remove-companion-device": s.links.queryUnlink,

		"abt get props": queryProps,
		"w get props":   queryProps,

		"w:sync:app:state set sync":         s.appStates.queryAppState,
		"urn:xmpp:whatsapp:push set config": answerEmpty,
		"urn:xmpp:whatsapp:dirty set clean": answerEmpty,
	}
	maps.Copy(handlers, s.groups.queryHandlers())
	maps.Copy(handlers, s.profiles.queryHandlers())
	return handlers
}

func answerEmpty(*device, *waBinary.Node) ([]waBinary.Node, *stanza.QueryError) { return nil, nil }

func answerNotFound(*device, *waBinary.Node) ([]waBinary.Node, *stanza.QueryError) {
	return nil, stanza.ErrNotFound
}

// dispatch handles one stanza. A handler that breaks costs the client its connection, not the server its life.
func (c *conn) dispatch(node *waBinary.Node) {
	defer func() {
		if cause := recover(); cause != nil {
			c.srv.observer.Count(func(n *observe.Counters) { n.Panics++ })
			c.srv.log.Error("stanza handler broke", "tag", node.Tag, "cause", fmt.Sprint(cause), "stack", string(debug.Stack()))
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
		dev.account.changed.Store(true)
	}
}

func (c *conn) unknown(what string) {
	c.srv.observer.Count(func(n *observe.Counters) { observe.Increment(&n.UnknownQueries, what) })
	c.srv.observer.Emit(observe.Event{Kind: observe.EventUnknownQuery, Conn: c.id, Detail: what})
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
	if fault, ok := c.queryFault(FaultRefuseIQ, node); ok {
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
		if _, silent := c.srv.faults.strike(FaultNoPong, c); silent {
			return
		}
	}
	children, failed := handle(dev, node)
	c.answerThen(node, children, failed, func() {
		if query == queryActive {
			// After the answer: clients take themselves for connected once they have read it, and then expect
			// what came while they were away.
			c.activate(dev)
		}
	})
}

func (c *conn) answer(query *waBinary.Node, children []waBinary.Node, failed *stanza.QueryError) {
	c.answerThen(query, children, failed, func() {})
}

// answerThen sends the result of a query, or its error, and goes on with then. Faults may keep both back.
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
	if _, ok := c.queryFault(FaultWithholdIQ, query); ok {
		return
	}
	if fault, ok := c.queryFault(FaultDelayIQ, query); ok {
		c.later(fault.Delay, func() { c.send(result); then() })
		return
	}
	c.send(result)
	then()
}

// handleAck drops what the device has acknowledged.
func (c *conn) handleAck(dev *device, node *waBinary.Node) {
	c.srv.observer.Count(func(n *observe.Counters) { n.Acks++ })
	dev.acknowledge(stanza.Key{Class: stanza.Attr(node, "class"), ID: stanza.Attr(node, "id"), From: stanza.JID(node, "to"), Participant: stanza.JID(node, "participant")})
}

func queryPassive(dev *device, _ *waBinary.Node) ([]waBinary.Node, *stanza.QueryError) {
	dev.setPassive()
	return nil, nil
}
