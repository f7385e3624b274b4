package sandbox

import (
	"time"

	waBinary "go.mau.fi/whatsmeow/binary"
)

// Select says which connections an action is for. All fields empty: all of them, those not logged in included.
type Select struct {
	// Account is a phone number, Device the JID of a linked device, Conn the number of a connection, which events
	// tell.
	Account string
	Device  string
	Conn    uint64
}

// selected lists the connections that an action is for.
func (s *Server) selected(sel Select) []*conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	var chosen []*conn
	for c := range s.conns {
		if sel.reaches(c) {
			chosen = append(chosen, c)
		}
	}
	return chosen
}

// DropTCP resets connections without a goodbye and returns how many.
func (s *Server) DropTCP(sel Select) int {
	dropped := 0
	for _, c := range s.selected(sel) {
		if c.kill("dropped") {
			dropped++
		}
	}
	return dropped
}

// CloseConnections closes connections in good order (a WebSocket close, no stanza) and returns how many.
func (s *Server) CloseConnections(sel Select) int {
	chosen := s.selected(sel)
	for _, c := range chosen {
		c.ending.Store(true)
		c.put(outgoing{close: true})
	}
	return len(chosen)
}

// StreamError sends a stream error to connections that are past the handshake and returns how many. code 0
// leaves the code out; conflict is "replaced", "device_removed" or empty. With closeAfter the connections close after
// CloseDelay (after a 515 it is for the client to close, see there), without it they stay, and the server goes on as if
// nothing had happened.
func (s *Server) StreamError(sel Select, code int, conflict string, closeAfter bool) int {
	delay := s.cfg.CloseDelay
	if code == codeRestart {
		delay = s.leaveDelay()
	}
	return s.sendAll(sel, streamError(code, conflict), delay, closeAfter)
}

// Failure sends a login failure to live connections and returns how many. expire and banCode belong to code 402.
func (s *Server) Failure(sel Select, code int, expire time.Duration, banCode int, closeAfter bool) int {
	return s.sendAll(sel, failureOf(Fault{Code: code, Expire: expire, BanCode: banCode}), s.cfg.CloseDelay, closeAfter)
}

// EndStream sends the stanza that announces the end of the stream (xmlstreamend), closes the connections after
// CloseDelay and returns how many.
func (s *Server) EndStream(sel Select) int {
	return s.sendAll(sel, waBinary.Node{Tag: "xmlstreamend"}, s.cfg.CloseDelay, true)
}

func (s *Server) sendAll(sel Select, node waBinary.Node, delay time.Duration, closeAfter bool) int {
	sent := 0
	for _, c := range s.selected(sel) {
		if !c.established.Load() {
			continue
		}
		if closeAfter {
			c.sendLast(node, delay)
		} else {
			c.send(node)
		}
		sent++
	}
	return sent
}
