package sandbox

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	waBinary "go.mau.fi/whatsmeow/binary"

	"wasup/internal/sandbox/accounts"
	"wasup/internal/sandbox/capture"
	"wasup/internal/sandbox/faults"
	"wasup/internal/sandbox/observe"
	"wasup/internal/sandbox/wire"
)

// conn is one client connection. Its reader is the goroutine of the HTTP handler.
type conn struct {
	*line

	srv    *Server
	frames *wire.Reader
	// extend sets the time from now after which the connection counts as idle.
	extend func(time.Duration)

	// device is set by a login, claimed also by one that is refused or not answered, link by a registration that waits
	// for pairing.
	device, claimed atomic.Pointer[accounts.Device]
	link            atomic.Pointer[linking]
	// established is set when stanzas can be sent.
	established atomic.Bool
	questions   questions
}

// serveClient is the HTTP handler of the WebSocket endpoint. It returns when the connection has ended.
func (s *Server) serveClient(w http.ResponseWriter, r *http.Request) {
	if !s.net.Tasks.Begin() {
		http.Error(w, "closing", http.StatusServiceUnavailable)
		return
	}
	defer s.net.Tasks.Done()
	if fault, ok := s.net.Faults.Strike(faults.HTTPStatus, nil); ok {
		http.Error(w, http.StatusText(fault.Code), fault.Code)
		return
	}
	raw, ok := r.Context().Value(rawConnKey{}).(net.Conn)
	if !ok {
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return
	}
	// Clients of WhatsApp send its web page as their origin, or no origin. Refuse pages of other origins in a browser on
	// this machine.
	ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{OriginPatterns: []string{"web.whatsapp.com"}})
	if err != nil {
		s.net.Log.Debug("websocket upgrade refused", "err", err)
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

// newConn creates and registers a connection. It returns nil when the server is closing or restarting.
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
		// With a linger time of zero the system sends a reset: the client sees a broken connection, not a closed one.
		if tcp := tcpOf(raw); tcp != nil {
			_ = tcp.SetLinger(0)
			_ = tcp.Close()
		}
		_ = raw.Close()
	}
	c.extend = func(d time.Duration) { _ = raw.SetReadDeadline(time.Now().Add(d)) }
	if !s.conns.add(c) {
		return nil
	}
	return c
}

// bareConn returns a connection without a socket.
func (s *Server) bareConn() *conn {
	c := &conn{srv: s}
	c.line = newLine(s.net, c)
	return c
}

func (c *conn) ScopeConn() uint64 { return c.id }

func (c *conn) ScopeAccount() string {
	if dev := c.claimed.Load(); dev != nil {
		return dev.Account.Number
	}
	return ""
}

func (c *conn) ScopeDevice(jid string) bool {
	dev := c.claimed.Load()
	return dev != nil && dev.ScopeDevice(jid)
}

func (c *conn) serve() {
	s := c.srv
	s.net.Observer.Count(func(n *observe.Counters) { n.ConnectionsOpen++; n.ConnectionsTotal++ })
	s.net.Observer.Emit(observe.Event{Kind: observe.EventConnected, Conn: c.id})
	defer c.cleanUp()
	established, err := c.handshake()
	if err != nil {
		c.handshakeFailed(err)
		return
	}
	c.ciphers = established.Ciphers
	c.established.Store(true)
	if !c.admit(established) {
		// The refusal is queued. The connection closes after it was written.
		c.ending.Store(true)
	}
	for {
		node, frame, err := c.receive()
		if err != nil {
			c.receiveFailed(err)
			return
		}
		if _, ok := s.net.Faults.Strike(faults.HalfOpen, c); ok {
			c.freeze()
		}
		if c.frozen.Load() {
			c.thaw()
			return
		}
		if !c.ending.Load() {
			if dev := c.device.Load(); dev != nil && capture.IsKept(node.Tag) {
				s.net.Capture.Stanza(dev.Account.JID(dev.ID), node, frame)
			}
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
	if fault, ok := s.net.Faults.Strike(faults.DelayHandshake, nil); ok {
		if !c.sleep(fault.Delay) {
			return wire.Established{}, net.ErrClosed
		}
		c.extend(handshakeTimeout)
	}
	certificate, err := s.credentials.certificateFor()
	if err != nil {
		return wire.Established{}, err
	}
	responder, answer, err := wire.Respond(prologue, s.credentials.static, certificate, hello)
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

// receive returns the next stanza, and its bytes, which are valid until the next call.
func (c *conn) receive() (*waBinary.Node, []byte, error) {
	c.extend(c.srv.cfg.IdleTimeout)
	frame, err := c.frames.Frame(wire.MaxFrame)
	if err != nil {
		return nil, nil, err
	}
	plaintext, err := c.ciphers.Open(frame)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", errDecrypt, err)
	}
	node, err := wire.DecodeNode(plaintext)
	return node, plaintext, err
}

// cleanUp runs when the reader has ended. It removes everything that belongs to the connection.
func (c *conn) cleanUp() {
	s := c.srv
	c.end("ended")
	c.out.Stop()
	if link := c.link.Load(); link != nil {
		s.pairing.withdraw(link)
	}
	event := observe.Event{Kind: observe.EventDisconnected, Conn: c.id, Detail: c.reason}
	if dev := c.device.Load(); dev != nil {
		if dev.Detach(c) {
			s.net.Profiles.SetPresent(dev.Account, dev.ID, false)
		}
		event.Account = dev.Account.Number
		event.Device = dev.Account.JID(dev.ID).String()
	}
	s.conns.remove(c)
	s.net.Observer.Count(func(n *observe.Counters) { n.ConnectionsOpen-- })
	s.net.Observer.Emit(event)
}
