package sandbox

import "time"

// Select says which connections an action is for. All fields empty: all of them, those not logged in included.
type Select struct {
	// Account is a phone number, Device the JID of a linked device, Conn the number of a connection, which events
	// tell.
	Account string
	Device  string
	Conn    uint64
}

// DropTCP resets connections without a goodbye and returns how many.
func (s *Server) DropTCP(sel Select) int {
	return s.conns.drop(sel)
}

// CloseConnections closes connections in good order (a WebSocket close, no stanza) and returns how many.
func (s *Server) CloseConnections(sel Select) int {
	return s.conns.close(sel)
}

// StreamError sends a stream error to connections that are past the handshake and returns how many. code 0
// leaves the code out; conflict is "replaced", "device_removed" or empty. With closeAfter the connections close after
// CloseDelay (after a 515 it is for the client to close, see there), without it they stay, and the server goes on as if
// nothing had happened.
func (s *Server) StreamError(sel Select, code int, conflict string, closeAfter bool) int {
	return s.conns.streamError(sel, code, conflict, closeAfter)
}

// Failure sends a login failure to live connections and returns how many. expire and banCode belong to code 402.
func (s *Server) Failure(sel Select, code int, expire time.Duration, banCode int, closeAfter bool) int {
	return s.conns.fail(sel, code, expire, banCode, closeAfter)
}

// EndStream sends the stanza that announces the end of the stream (xmlstreamend), closes the connections after
// CloseDelay and returns how many.
func (s *Server) EndStream(sel Select) int {
	return s.conns.endStream(sel)
}

// HalfOpen leaves connections half open, as when a router forgets them: neither side is told, nothing that the
// client says is read any more and nothing is sent to it. Such a connection ends when its client logs in anew and
// DropTCP or CloseConnections is asked to, when the server closes, or after IdleTimeout. It returns how many
// connections it left so.
func (s *Server) HalfOpen(sel Select) int {
	return s.conns.halfOpen(sel)
}

// SetFault switches a fault on and returns its id. Of several that fit, the oldest strikes.
// The error is a *FaultError.
func (s *Server) SetFault(fault Fault) (string, error) { return s.faults.add(fault) }

// ClearFault switches one fault off and says whether it was on.
func (s *Server) ClearFault(id string) bool { return s.faults.clear(id) }

// ClearFaults switches all faults off.
func (s *Server) ClearFaults() { s.faults.clearAll() }

// Faults lists the faults that are on, oldest first.
func (s *Server) Faults() []Fault { return s.faults.list() }
