package store

import (
	"net"
	"sync"
	"time"
)

// boundedConn ends a read that nothing answers. A server that hangs keeps its TCP connection alive, so without this a
// statement whose context has no deadline would wait for ever, and with it whoever holds a lock around it.
type boundedConn struct {
	net.Conn
	bound time.Duration

	mu       sync.Mutex
	deadline time.Time // what the driver asked for; zero: none
}

// Read implements net.Conn. The driver's own deadline wins where it is earlier: that is how a context ends a statement.
func (c *boundedConn) Read(b []byte) (int, error) {
	if err := c.arm(); err != nil {
		return 0, err
	}
	return c.Conn.Read(b)
}

func (c *boundedConn) arm() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	end := time.Now().Add(c.bound)
	if !c.deadline.IsZero() && c.deadline.Before(end) {
		end = c.deadline
	}
	return c.Conn.SetReadDeadline(end)
}

// SetDeadline implements net.Conn.
func (c *boundedConn) SetDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deadline = t
	return c.Conn.SetDeadline(t)
}

// SetReadDeadline implements net.Conn.
func (c *boundedConn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deadline = t
	return c.Conn.SetReadDeadline(t)
}
