package httpapi

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// bind opens the listener. Its errors are one line each. It accepts only loopback addresses: the API has no keys, so
// anyone who can reach the port controls every session.
func bind(addr string) (*listener, error) {
	resolved, err := net.ResolveTCPAddr("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen on %q: expected host:port, such as 127.0.0.1:3001: %w", addr, err)
	}
	if !resolved.IP.IsLoopback() {
		return nil, fmt.Errorf("listen on %q: expected a loopback address, such as 127.0.0.1:3001: the API has no keys, so it must not be reachable from outside", addr)
	}
	inner, err := net.ListenTCP("tcp", resolved)
	switch {
	case err == nil:
		return &listener{TCPListener: inner, conns: make(map[*conn]struct{})}, nil
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("listen on %s: the port is taken by another process: %w", addr, syscall.EADDRINUSE)
	case errors.Is(err, syscall.EACCES):
		return nil, fmt.Errorf("listen on %s: this user may not use the port: %w", addr, syscall.EACCES)
	default:
		return nil, fmt.Errorf("listen on %s: %w", addr, err)
	}
}

// listener knows its connections, so that a shutdown can end those that do not end by themselves.
type listener struct {
	*net.TCPListener
	mu     sync.Mutex
	closed bool
	ended  bool // by cut
	conns  map[*conn]struct{}
}

func (l *listener) Accept() (net.Conn, error) {
	inner, err := l.AcceptTCP()
	if err != nil {
		return nil, err
	}
	c := &conn{TCPConn: inner, listener: l}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended { // it came in while the others were cut
		_ = inner.Close()
		return nil, net.ErrClosed
	}
	l.conns[c] = struct{}{}
	return c, nil
}

// Close is idempotent, because the server and Fiber both close it.
func (l *listener) Close() error {
	l.mu.Lock()
	closed := l.closed
	l.closed = true
	l.mu.Unlock()
	if closed {
		return nil
	}
	return l.TCPListener.Close()
}

// cut closes the connections, and those that come in at the same moment.
func (l *listener) cut() {
	l.mu.Lock()
	l.ended = true
	conns := make([]*conn, 0, len(l.conns))
	for c := range l.conns {
		conns = append(conns, c)
	}
	l.mu.Unlock()
	for _, c := range conns {
		c.lingers.Store(false)
		_ = c.Close() // it may have been closed meanwhile
	}
}

type conn struct {
	*net.TCPConn
	listener *listener
	once     sync.Once
	err      error
	lingers  atomic.Bool // the request was not read to its end: Close reads on
}

// The limits of what Close reads of a refused request. They are enough for a client in the middle of a large upload, and
// end the connection of a client that never stops.
const (
	lingerBytes = 64 << 20
	lingerTime  = time.Second
)

// Close reads the rest of a refused upload for a moment before it closes the connection. Without that the kernel would
// send a reset because of the unread bytes, and the reset can destroy the answer before the caller has read it.
func (c *conn) Close() error {
	c.once.Do(func() {
		if c.lingers.Load() {
			c.drain()
		}
		c.err = c.TCPConn.Close()
		c.listener.mu.Lock()
		delete(c.listener.conns, c)
		c.listener.mu.Unlock()
	})
	return c.err
}

func (c *conn) drain() {
	if c.CloseWrite() != nil {
		return
	}
	if c.SetReadDeadline(time.Now().Add(lingerTime)) != nil {
		return
	}
	// Whatever ends the copy (the end of the upload, the deadline, a reset), the connection is closed next.
	_, _ = io.CopyN(io.Discard, c.TCPConn, lingerBytes)
}
