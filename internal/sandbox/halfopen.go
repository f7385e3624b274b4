package sandbox

import "time"

// HalfOpen leaves connections half open, as when a router forgets them: neither side is told, nothing that the
// client says is read any more and nothing is sent to it. Such a connection ends when its client logs in anew and
// DropTCP or CloseConnections is asked to, when the server closes, or after IdleTimeout. It returns how many
// connections it left so.
func (s *Server) HalfOpen(sel Select) int {
	left := 0
	for _, c := range s.selected(sel) {
		if c.freeze() {
			left++
		}
	}
	return left
}

// freeze makes a connection half open and says whether it was not before.
func (c *conn) freeze() bool { return c.frozen.CompareAndSwap(false, true) }

// thaw waits for the end of a half-open connection.
func (c *conn) thaw() {
	timer := time.NewTimer(c.srv.cfg.IdleTimeout)
	defer timer.Stop()
	select {
	case <-c.gone:
	case <-timer.C:
		c.kill("idle")
	}
}
