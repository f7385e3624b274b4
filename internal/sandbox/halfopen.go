package sandbox

import "time"

// thaw waits until a half-open connection ends, and kills it after IdleTimeout.
func (c *conn) thaw() {
	timer := time.NewTimer(c.srv.cfg.IdleTimeout)
	defer timer.Stop()
	select {
	case <-c.gone:
	case <-timer.C:
		c.kill("idle")
	}
}
