package store

import (
	"net"
	"sync"
	"time"
)

// boundedConn limits the time of every read. A server that hangs keeps its TCP connection alive. Without the limit a
// statement whose context has no deadline would wait forever, together with every goroutine that waits for its locks.
type boundedConn struct {
	net.Conn
	bound time.Duration

	mu       sync.Mutex
	deadline time.Time // set by the driver; zero: none
}

// Read implements net.Conn. An earlier deadline of the driver wins: the driver ends a statement with it when the
// context ends.
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
