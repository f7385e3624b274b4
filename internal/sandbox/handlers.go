package sandbox

import (
	"fmt"
	"maps"
	"runtime/debug"
	"strconv"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"
)

// stanzaHandler handles one kind of stanza. It runs in the connection's reader.
type stanzaHandler func(c *conn, node *waBinary.Node)

// queryHandler answers one kind of query of a logged-in device: with the children of the result, or with an
// error.
type queryHandler func(c *conn, dev *device, query *waBinary.Node) ([]waBinary.Node, *queryError)

// queryError is what a query is refused with.
type queryError struct {
	code int
	text string
}

var (
	errNotImplemented = &queryError{501, "feature-not-implemented"}
	errBadRequest     = &queryError{400, "bad-request"}
	errNotFound       = &queryError{404, "item-not-found"}
	errForbidden      = &queryError{403, "forbidden"}
)

// stanzaHandlers is the table of everything a client may send, by tag.
func (s *Server) stanzaHandlers() map[string]stanzaHandler {
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

		"w:m set media_conn": (*conn).queryMediaConn,

		queryActive:           answerEmpty,
		"passive set passive": (*conn).queryPassive,

		"encrypt get count":        (*conn).queryPreKeyCount,
		"encrypt get digest":       (*conn).queryDigest,
		"encrypt get key":          (*conn).queryBundles,
		"encrypt set registration": (*conn).queryUploadKeys,
		"encrypt set rotate":       (*conn).queryRotateKey,

		"usync get usync": (*conn).queryUsync,

		"md set remove-companion-device": (*conn).queryUnlink,

		"abt get props": queryProps,
		"w get props":   queryProps,

		"w:sync:app:state set sync":         (*conn).queryAppState,
		"urn:xmpp:whatsapp:push set config": answerEmpty,
		"urn:xmpp:whatsapp:dirty set clean": answerEmpty,
	}
	maps.Copy(handlers, groupHandlers())
	maps.Copy(handlers, profileHandlers())
	return handlers
}

func answerEmpty(*conn, *device, *waBinary.Node) ([]waBinary.Node, *queryError) { return nil, nil }

func answerNotFound(*conn, *device, *waBinary.Node) ([]waBinary.Node, *queryError) {
	return nil, errNotFound
}

// dispatch handles one stanza. A handler that breaks costs the client its connection, not the server its life.
func (c *conn) dispatch(node *waBinary.Node) {
	defer func() {
		if cause := recover(); cause != nil {
			c.srv.stats.add(func(n *Counters) { n.Panics++ })
			c.srv.log.Error("stanza handler broke", "tag", node.Tag, "cause", fmt.Sprint(cause), "stack", string(debug.Stack()))
			c.kill("stanza handler broke")
		}
	}()
	handle, ok := c.srv.stanzas[node.Tag]
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
	c.srv.stats.add(func(n *Counters) { increment(&n.UnknownQueries, what) })
	c.srv.emit(Event{Kind: EventUnknownQuery, Conn: c.id, Detail: what})
}

func (c *conn) handleIQ(node *waBinary.Node) {
	kind := attr(node, "type")
	switch kind {
	case "result", "error":
		c.answered(node)
		return
	case "get", "set":
	default:
		c.unknown("iq/" + kind)
		return
	}
	namespace, child := queryNames(node)
	if fault, ok := c.queryFault(FaultRefuseIQ, node); ok {
		c.answer(node, nil, &queryError{fault.Code, "fault"})
		return
	}
	dev := c.device.Load()
	query := namespace + " " + kind + " " + child
	if dev == nil {
		c.handleLinkIQ(query, node)
		return
	}
	handle, ok := c.srv.queries[query]
	if !ok {
		c.unknown(namespace + "/" + child)
		c.answer(node, nil, errNotImplemented)
		return
	}
	if namespace == "w:p" {
		if _, silent := c.srv.fault(FaultNoPong, c); silent {
			return
		}
	}
	children, failed := handle(c, dev, node)
	c.answerThen(node, children, failed, func() {
		if query == queryActive {
			// After the answer: clients take themselves for connected once they have read it, and then expect
			// what came while they were away.
			c.activate(dev)
		}
	})
}

func (c *conn) answer(query *waBinary.Node, children []waBinary.Node, failed *queryError) {
	c.answerThen(query, children, failed, func() {})
}

// answerThen sends the result of a query, or its error, and goes on with then. Faults may keep both back.
func (c *conn) answerThen(query *waBinary.Node, children []waBinary.Node, failed *queryError, then func()) {
	attrs := waBinary.Attrs{"id": attr(query, "id"), "type": "result", "from": types.ServerJID}
	if to := attrJID(query, "to"); !to.IsEmpty() {
		attrs["from"] = to
	}
	result := waBinary.Node{Tag: "iq", Attrs: attrs}
	if len(children) > 0 {
		result.Content = children
	}
	if failed != nil {
		attrs["type"] = "error"
		result.Content = []waBinary.Node{errorNode(failed.code, failed.text)}
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
	c.srv.stats.add(func(n *Counters) { n.Acks++ })
	dev.acknowledge(stanzaKey{class: attr(node, "class"), id: attr(node, "id"), from: attrJID(node, "to"), participant: attrJID(node, "participant")})
}

func (c *conn) queryPassive(dev *device, _ *waBinary.Node) ([]waBinary.Node, *queryError) {
	dev.setPassive()
	return nil, nil
}

// queryUnlink removes a linked device at its own wish.
func (c *conn) queryUnlink(dev *device, query *waBinary.Node) ([]waBinary.Node, *queryError) {
	request := query.GetChildByTag("remove-companion-device")
	jid := attrJID(&request, "jid")
	if c.srv.dir.find(jid) != dev.account || jid.Device == 0 {
		return nil, errForbidden
	}
	target := c.srv.dir.device(dev.account, jid.Device)
	if target == nil {
		return nil, errNotFound
	}
	if target == dev {
		c.srv.unlink(dev, "logged out by the device", false)
		return nil, nil
	}
	c.srv.unlink(target, "removed by device "+strconv.Itoa(int(dev.id)), true)
	return nil, nil
}
