package sandbox

import (
	"fmt"
	"time"

	"go.mau.fi/whatsmeow/types"

	"wasup/internal/sandbox/channels"
	"wasup/internal/sandbox/faults"
	"wasup/internal/sandbox/groups"
)

// DropTCP resets the selected connections and returns their number.
func (s *Server) DropTCP(sel faults.Select) int {
	return s.conns.drop(sel)
}

// CloseConnections closes the selected connections with a WebSocket close, without a stanza, and returns their number.
func (s *Server) CloseConnections(sel faults.Select) int {
	return s.conns.close(sel)
}

// StreamError sends a stream error to the selected connections that have finished the handshake, and returns their
// number. code 0 omits the code. conflict is "replaced", "device_removed" or empty. With closeAfter the connections
// close after Config.CloseDelay (which describes the longer delay after a 515). Without it they stay open and are
// served as before.
func (s *Server) StreamError(sel faults.Select, code int, conflict string, closeAfter bool) int {
	return s.conns.streamError(sel, code, conflict, closeAfter)
}

// Failure sends a login failure to the selected connections and returns their number. expire and banCode are for code
// 402.
func (s *Server) Failure(sel faults.Select, code int, expire time.Duration, banCode int, closeAfter bool) int {
	return s.conns.fail(sel, code, expire, banCode, closeAfter)
}

// EndStream sends the stanza that ends the stream (xmlstreamend) to the selected connections, closes them after
// Config.CloseDelay and returns their number.
func (s *Server) EndStream(sel faults.Select) int {
	return s.conns.endStream(sel)
}

// HalfOpen leaves the selected connections half open, as a router does that has dropped its state: the server neither
// reads nor writes on them and does not close them. Such a connection ends by DropTCP or CloseConnections, when the
// server closes or restarts, or after Config.IdleTimeout. HalfOpen returns the number of connections that were not half
// open before.
func (s *Server) HalfOpen(sel faults.Select) int {
	return s.conns.halfOpen(sel)
}

// SetFault sets a fault and returns its id. If several match, the oldest applies. The error is a *faults.Error.
func (s *Server) SetFault(fault faults.Fault) (string, error) { return s.net.Faults.Add(fault) }

// ClearFault clears a fault. It returns false if there is none with this id.
func (s *Server) ClearFault(id string) bool { return s.net.Faults.Clear(id) }

// ClearFaults clears all faults.
func (s *Server) ClearFaults() { s.net.Faults.ClearAll() }

// Faults lists the active faults, oldest first.
func (s *Server) Faults() []faults.Fault { return s.net.Faults.List() }

// Groups lists all groups, oldest first.
func (s *Server) Groups() []groups.Info { return s.net.Groups.List() }

// Channels lists all channels, oldest first.
func (s *Server) Channels() []channels.Info { return s.net.Channels.List() }

// Group returns one group. Errors: groups.ErrUnknown.
func (s *Server) Group(jid types.JID) (groups.Info, error) {
	g := s.net.Groups.Find(jid)
	if g == nil {
		return groups.Info{}, fmt.Errorf("%w: %s", groups.ErrUnknown, jid)
	}
	return g.Info(), nil
}
