package sandbox

import (
	"fmt"
	"time"

	"go.mau.fi/whatsmeow/types"

	"wasup/internal/sandbox/faults"
	"wasup/internal/sandbox/groups"
)

// DropTCP resets connections without a goodbye and returns how many.
func (s *Server) DropTCP(sel faults.Select) int {
	return s.conns.drop(sel)
}

// CloseConnections closes connections in good order (a WebSocket close, no stanza) and returns how many.
func (s *Server) CloseConnections(sel faults.Select) int {
	return s.conns.close(sel)
}

// StreamError sends a stream error to connections that are past the handshake and returns how many. code 0
// leaves the code out; conflict is "replaced", "device_removed" or empty. With closeAfter the connections close after
// CloseDelay (after a 515 it is for the client to close, see there), without it they stay, and the server goes on as if
// nothing had happened.
func (s *Server) StreamError(sel faults.Select, code int, conflict string, closeAfter bool) int {
	return s.conns.streamError(sel, code, conflict, closeAfter)
}

// Failure sends a login failure to live connections and returns how many. expire and banCode belong to code 402.
func (s *Server) Failure(sel faults.Select, code int, expire time.Duration, banCode int, closeAfter bool) int {
	return s.conns.fail(sel, code, expire, banCode, closeAfter)
}

// EndStream sends the stanza that announces the end of the stream (xmlstreamend), closes the connections after
// CloseDelay and returns how many.
func (s *Server) EndStream(sel faults.Select) int {
	return s.conns.endStream(sel)
}

// HalfOpen leaves connections half open, as when a router forgets them: neither side is told, nothing that the
// client says is read any more and nothing is sent to it. Such a connection ends when its client logs in anew and
// DropTCP or CloseConnections is asked to, when the server closes, or after IdleTimeout. It returns how many
// connections it left so.
func (s *Server) HalfOpen(sel faults.Select) int {
	return s.conns.halfOpen(sel)
}

// SetFault switches a fault on and returns its id. Of several that fit, the oldest strikes.
// The error is a *FaultError.
func (s *Server) SetFault(fault faults.Fault) (string, error) { return s.net.Faults.Add(fault) }

// ClearFault switches one fault off and says whether it was on.
func (s *Server) ClearFault(id string) bool { return s.net.Faults.Clear(id) }

// ClearFaults switches all faults off.
func (s *Server) ClearFaults() { s.net.Faults.ClearAll() }

// Faults lists the faults that are on, oldest first.
func (s *Server) Faults() []faults.Fault { return s.net.Faults.List() }

// Groups lists all groups, oldest first.
func (s *Server) Groups() []groups.Info { return s.net.Groups.List() }

// Group describes one group.
func (s *Server) Group(jid types.JID) (groups.Info, error) {
	g := s.net.Groups.Find(jid)
	if g == nil {
		return groups.Info{}, fmt.Errorf("%w: %s", groups.ErrUnknown, jid)
	}
	return g.Info(), nil
}
