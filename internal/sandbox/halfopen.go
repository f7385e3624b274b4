package sandbox

import "time"

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
