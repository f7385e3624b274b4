package sandbox

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	waBinary "go.mau.fi/whatsmeow/binary"

	"wasup/internal/sandbox/wire"
)

// maxOutgoing bounds the stanzas that wait for a client that reads slowly or not at all.
const maxOutgoing = 16 << 10

// conn is one client connection. Its reader is the goroutine of the HTTP handler; a second goroutine writes,
// and exists only while there is something to write.
type conn struct {
	srv     *Server
	id      uint64
	frames  *wire.Reader
	ciphers *wire.Ciphers
	out     mailbox[outgoing]
	// write puts bytes on the wire, shut ends the connection politely, drop at once.
	write func([]byte) error
	shut  func()
	drop  func()
	// extend postpones the moment at which the connection counts as idle.
	extend func(time.Duration)

	// device is set by a login, link while the connection shows a QR.
	device atomic.Pointer[device]
	link   atomic.Pointer[linking]
	// established is set when stanzas can be sent.
	established atomic.Bool
	// ending is set once a final stanza was queued: what the client says after it is not looked at.
	ending atomic.Bool
	// frozen is set when the connection was left half open.
	frozen atomic.Bool

	mu      sync.Mutex
	gone    chan struct{}
	reason  string
	waiting map[string]chan *waBinary.Node
	timers  []*time.Timer
}

// outgoing is one thing for the writer to do.
type outgoing struct {
	payload []byte
	// written is told the moment just before the write.
	written func(time.Time)
	// final is set on the last stanza; the connection closes that long after it was written.
	final *time.Duration
	// close ends the connection instead of writing.
	close bool
}

// serveClient is the HTTP handler of the WebSocket endpoint. It returns when the connection has ended.
func (s *Server) serveClient(w http.ResponseWriter, r *http.Request) {
	if !s.begin() {
		http.Error(w, "closing", http.StatusServiceUnavailable)
		return
	}
	defer s.work.Done()
	if fault, ok := s.fault(FaultHTTPStatus, nil); ok {
		http.Error(w, http.StatusText(fault.Code), fault.Code)
		return
	}
	raw, ok := r.Context().Value(rawConnKey{}).(net.Conn)
	if !ok {
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return
	}
	// WhatsApp's clients name its web page as their origin or none at all. Pages of other origins, which a
	// browser on this machine may show, have no business here.
	ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{OriginPatterns: []string{"web.whatsapp.com"}})
	if err != nil {
		s.log.Debug("websocket upgrade refused", "err", err)
		return
	}
	defer func() { _ = ws.CloseNow() }()
	ws.SetReadLimit(wire.MaxFrame + wire.MaxHandshakeFrame)
	c := s.newConn(ws, raw)
	if c == nil {
		return
	}
	c.serve()
}

// newConn registers a connection; nil means that the server is closing.
func (s *Server) newConn(ws *websocket.Conn, raw net.Conn) *conn {
	c := s.bareConn()
	c.frames = wire.NewReader(func() (io.Reader, error) {
		for {
			kind, message, err := ws.Reader(context.Background())
			if err != nil || kind == websocket.MessageBinary {
				return message, err
			}
			if _, err = io.Copy(io.Discard, message); err != nil {
				return nil, err
			}
		}
	})
	c.write = func(data []byte) error {
		if err := raw.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
			return err
		}
		return ws.Write(context.Background(), websocket.MessageBinary, data)
	}
	c.shut = func() { _ = ws.Close(websocket.StatusNormalClosure, "") }
	c.drop = func() {
		// With a linger time of zero the system answers further packets with a reset: the client sees a
		// connection that broke, not one that ended.
		if tcp := tcpOf(raw); tcp != nil {
			_ = tcp.SetLinger(0)
			_ = tcp.Close()
		}
		_ = raw.Close()
	}
	c.extend = func(d time.Duration) { _ = raw.SetReadDeadline(time.Now().Add(d)) }
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.down {
		return nil
	}
	s.lastConn++
	c.id = s.lastConn
	s.conns[c] = struct{}{}
	return c
}

// bareConn is a connection without a socket.
func (s *Server) bareConn() *conn {
	c := &conn{srv: s, gone: make(chan struct{}), waiting: make(map[string]chan *waBinary.Node)}
	c.out = mailbox[outgoing]{spawn: s.spawn, handle: c.perform, limit: maxOutgoing}
	return c
}

func (c *conn) scopeConn() uint64 { return c.id }

func (c *conn) scopeAccount() string {
	if dev := c.device.Load(); dev != nil {
		return dev.account.number
	}
	return ""
}

func (c *conn) scopeDevice(jid string) bool {
	dev := c.device.Load()
	return dev != nil && dev.scopeDevice(jid)
}

func (c *conn) serve() {
	s := c.srv
	s.stats.add(func(n *Counters) { n.ConnectionsOpen++; n.ConnectionsTotal++ })
	s.emit(Event{Kind: EventConnected, Conn: c.id})
	defer c.cleanUp()
	established, err := c.handshake()
	if err != nil {
		c.handshakeFailed(err)
		return
	}
	c.ciphers = established.Ciphers
	c.established.Store(true)
	if !c.admit(established) {
		// The refusal is on its way; the connection ends when the client has read it.
		c.ending.Store(true)
	}
	for {
		node, err := c.receive()
		if err != nil {
			c.receiveFailed(err)
			return
		}
		if _, ok := s.fault(FaultHalfOpen, c); ok {
			c.freeze()
		}
		if c.frozen.Load() {
			c.thaw()
			return
		}
		if !c.ending.Load() {
			c.dispatch(node)
		}
	}
}

func (c *conn) handshake() (wire.Established, error) {
	s := c.srv
	c.extend(handshakeTimeout)
	prologue, err := c.frames.Prologue()
	if err != nil {
		return wire.Established{}, err
	}
	hello, err := c.frames.Frame(wire.MaxHandshakeFrame)
	if err != nil {
		return wire.Established{}, err
	}
	if fault, ok := s.fault(FaultDelayHandshake, nil); ok {
		if !c.sleep(fault.Delay) {
			return wire.Established{}, net.ErrClosed
		}
		c.extend(handshakeTimeout)
	}
	certificate, err := s.certificateFor()
	if err != nil {
		return wire.Established{}, err
	}
	responder, answer, err := wire.Respond(prologue, s.static, certificate, hello)
	if err != nil {
		return wire.Established{}, err
	}
	framed, err := wire.AppendFrame(nil, answer)
	if err != nil {
		return wire.Established{}, err
	}
	if err = c.write(framed); err != nil {
		return wire.Established{}, err
	}
	finish, err := c.frames.Frame(wire.MaxHandshakeFrame)
	if err != nil {
		return wire.Established{}, err
	}
	return responder.Finish(finish)
}

// sleep waits and says whether the connection is still there.
func (c *conn) sleep(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-c.gone:
		return false
	}
}

func (c *conn) receive() (*waBinary.Node, error) {
	c.extend(c.srv.cfg.IdleTimeout)
	frame, err := c.frames.Frame(wire.MaxFrame)
	if err != nil {
		return nil, err
	}
	plaintext, err := c.ciphers.Open(frame)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errDecrypt, err)
	}
	return wire.DecodeNode(plaintext)
}

// send queues a stanza. A client that does not read loses its connection, not the server its memory.
func (c *conn) send(node waBinary.Node) { c.enqueue(node, nil, nil) }

// sendLast queues the last stanza of the connection, which closes delay after it was written.
func (c *conn) sendLast(node waBinary.Node, delay time.Duration) {
	c.ending.Store(true)
	if _, ok := c.srv.fault(FaultCloseAtOnce, c); ok {
		delay = 0
	}
	c.enqueue(node, nil, &delay)
}

func (c *conn) enqueue(node waBinary.Node, written func(time.Time), final *time.Duration) {
	payload, err := waBinary.Marshal(node)
	if err != nil {
		c.srv.log.Error("stanza not encoded", "tag", node.Tag, "err", err)
		return
	}
	c.put(outgoing{payload: payload, written: written, final: final})
}

func (c *conn) put(item outgoing) {
	if !c.out.put(item) {
		c.kill("client does not read")
	}
}

// perform runs in the writer's goroutine.
func (c *conn) perform(item outgoing) {
	if c.frozen.Load() && !item.close {
		return
	}
	if item.close {
		c.end("closed by the server")
		c.shut()
		return
	}
	// sealed draws on the key's counter: only the writer calls it, in the order of the wire.
	frame, err := c.sealed(item.payload)
	if err != nil {
		c.kill("stanza not encrypted")
		return
	}
	at := time.Now()
	if err = c.write(frame); err != nil {
		c.kill("write failed")
		return
	}
	if item.written != nil {
		item.written(at)
	}
	if item.final != nil {
		c.closeAfter(*item.final)
	}
}

func (c *conn) closeAfter(delay time.Duration) {
	if delay <= 0 {
		c.put(outgoing{close: true})
		return
	}
	c.later(delay, func() { c.put(outgoing{close: true}) })
}

// later runs fn after delay unless the connection ends before.
func (c *conn) later(delay time.Duration, fn func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case <-c.gone:
		return
	default:
	}
	c.timers = append(c.timers, c.srv.after(delay, fn))
}

// end marks the connection as ended, the first reason being kept.
func (c *conn) end(reason string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.reason != "" {
		return false
	}
	c.reason = reason
	close(c.gone)
	for _, timer := range c.timers {
		timer.Stop()
	}
	c.timers = nil
	return true
}

// kill ends the connection without a goodbye and says whether it was still there.
func (c *conn) kill(reason string) bool {
	first := c.end(reason)
	c.drop()
	return first
}

// cleanUp runs when the reader is done: nothing of the connection is left behind.
func (c *conn) cleanUp() {
	s := c.srv
	c.end("ended")
	c.out.stop()
	if link := c.link.Load(); link != nil {
		s.withdraw(link)
	}
	event := Event{Kind: EventDisconnected, Conn: c.id, Detail: c.reason}
	if dev := c.device.Load(); dev != nil {
		if dev.detach(c) {
			s.setPresent(dev.account, dev.id, false)
		}
		event.Account = dev.account.number
		event.Device = dev.account.jid(dev.id).String()
	}
	s.mu.Lock()
	delete(s.conns, c)
	if s.drained != nil && len(s.conns) == 0 {
		close(s.drained)
		s.drained = nil
	}
	s.mu.Unlock()
	s.stats.add(func(n *Counters) { n.ConnectionsOpen-- })
	s.emit(event)
}
