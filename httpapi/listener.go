package httpapi

import (
	"container/list"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/valyala/fasthttp"

	"wasup/internal/accept"
)

// bind opens the listener. Its errors are one line each. It accepts only loopback addresses: the API has no keys, so
// anyone who can reach the port controls every session.
func bind(addr string, limit int, log *slog.Logger) (*listener, error) {
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
		return newListener(inner, limit, log), nil
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("listen on %s: the port is taken by another process: %w", addr, syscall.EADDRINUSE)
	case errors.Is(err, syscall.EACCES):
		return nil, fmt.Errorf("listen on %s: this user may not use the port: %w", addr, syscall.EACCES)
	default:
		return nil, fmt.Errorf("listen on %s: %w", addr, err)
	}
}

// maxRefusals is how many connections beyond the limit are answered at the same time. Further ones wait in the queue of
// the system.
const maxRefusals = 64

// listener holds a limited number of connections. At the limit, a new connection takes the place of the one that has been
// idle for the longest time: a client repeats a request on a connection that was closed before it was used. If none is
// idle, the new connection is answered with 503. The listener knows all its connections, so that a shutdown can end those
// that do not end by themselves.
type listener struct {
	*accept.Listener
	tcp     *net.TCPListener
	limit   int
	log     *slog.Logger
	refusal []byte // the whole answer to a connection beyond the limit
	rarely  accept.Rarely

	refusing chan struct{}  // has a place for each refusal
	refusals sync.WaitGroup // those that are under way

	mu      sync.Mutex
	changed *sync.Cond // a connection was closed, or is no longer about to be
	closed  bool
	ended   bool // by cut
	conns   map[*conn]struct{}
	served  int        // connections without those that are refused
	idle    *list.List // of *conn, in the order in which they became idle
	leaving int        // idle connections that were told to end and have not yet
	evicted uint64
	refused uint64
}

func newListener(inner *net.TCPListener, limit int, log *slog.Logger) *listener {
	l := &listener{
		tcp: inner, limit: limit, log: log, refusing: make(chan struct{}, maxRefusals), conns: make(map[*conn]struct{}), idle: list.New(),
	}
	l.changed = sync.NewCond(&l.mu)
	l.Listener = accept.Wrap(inner, accept.Options{Log: log, Short: l.makeRoom})
	return l
}

func (l *listener) Accept() (net.Conn, error) {
	for {
		inner, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		c := &conn{TCPConn: inner.(*net.TCPConn), listener: l} //nolint:forcetypeassert // it listens on TCP only
		switch ended, served := l.admit(c); {
		case ended:
			_ = inner.Close()
			return nil, net.ErrClosed
		case served:
			return c, nil
		}
		l.refuse(c)
	}
}

// admit adds a connection. At the limit it first waits until an idle one has ended. served is false if none is idle, and
// ended if it came in while the others were cut.
func (l *listener) admit(c *conn) (ended, served bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for !l.ended && l.served >= l.limit && (l.leaving > 0 || l.evict()) {
		l.changed.Wait()
	}
	if l.ended {
		return true, false
	}
	l.conns[c] = struct{}{}
	if l.served >= l.limit {
		l.refused++
		return false, false
	}
	c.served = true
	l.served++
	c.place = l.idle.PushBack(c)
	return false, true
}

// evict tells the connection that has been idle for the longest time to end. The caller holds the lock.
func (l *listener) evict() bool {
	oldest := l.idle.Front()
	if oldest == nil {
		return false
	}
	c := l.idle.Remove(oldest).(*conn) //nolint:forcetypeassert // the list has nothing else
	c.place, c.leaving = nil, true
	l.leaving++
	l.evicted++
	// The server reads the end of the connection and closes it. If a request came at the same moment, it is answered first.
	if c.CloseRead() != nil {
		_ = c.SetReadDeadline(time.Unix(1, 0)) // the other side has closed it already
	}
	return true
}

// makeRoom ends an idle connection because no descriptor is left for a new one.
func (l *listener) makeRoom() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.evict()
}

// stays notes that a connection does not end, although it was told to: a request came at the same moment. The caller
// holds the lock.
func (l *listener) stays(c *conn) {
	if c.leaving {
		c.leaving = false
		l.leaving--
		l.changed.Broadcast()
	}
}

// see notes what the server does with a connection.
func (l *listener) see(inner net.Conn, state fasthttp.ConnState) {
	c, ok := inner.(*conn)
	if !ok {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch state {
	case fasthttp.StateActive, fasthttp.StateHijacked:
		if c.place != nil {
			l.idle.Remove(c.place)
			c.place = nil
		}
		l.stays(c)
	case fasthttp.StateIdle:
		if _, open := l.conns[c]; open && c.place == nil && !c.leaving {
			c.place = l.idle.PushBack(c)
		}
	case fasthttp.StateNew, fasthttp.StateClosed: // admit and forget know these
	}
}

// forget removes a connection that was closed.
func (l *listener) forget(c *conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.conns, c)
	if c.place != nil {
		l.idle.Remove(c.place)
		c.place = nil
	}
	l.stays(c)
	if c.served {
		c.served = false
		l.served--
		l.changed.Broadcast()
	}
}

// refuse answers a connection beyond the limit, and closes it.
func (l *listener) refuse(c *conn) {
	if before, ok := l.rarely.Now(); ok {
		l.log.Warn("too many connections: new ones are answered with 503", "limit", l.limit, "refused", before+1)
	}
	l.refusing <- struct{}{}
	l.refusals.Go(func() {
		defer func() { <-l.refusing }()
		if c.SetWriteDeadline(time.Now().Add(lingerTime)) == nil {
			_, _ = c.Write(l.refusal) // a caller that does not read it learns from the end of the connection
		}
		c.lingers.Store(true)
		_ = c.Close()
	})
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
	return l.Listener.Close()
}

// cut closes the connections, and those that come in at the same moment.
func (l *listener) cut() {
	l.mu.Lock()
	l.ended = true
	conns := make([]*conn, 0, len(l.conns))
	for c := range l.conns {
		conns = append(conns, c)
	}
	l.changed.Broadcast()
	l.mu.Unlock()
	for _, c := range conns {
		c.lingers.Store(false)
		_ = c.Close() // it may have been closed meanwhile
	}
}

// Connections has the figures of the listener. All but Open and Max only ever grow.
type Connections struct {
	Open, Max int
	Evicted   uint64 // idle connections that were closed for new ones
	Refused   uint64 // new connections that were answered with 503, because none was idle
	Failed    uint64 // attempts to accept a connection that the system refused
}

func (l *listener) figures() Connections {
	l.mu.Lock()
	defer l.mu.Unlock()
	return Connections{Open: l.served, Max: l.limit, Evicted: l.evicted, Refused: l.refused, Failed: l.Failed()}
}

type conn struct {
	*net.TCPConn
	listener *listener

	// Guarded by the listener's lock.
	served  bool          // it counts against the limit
	leaving bool          // it was told to end because it was idle
	place   *list.Element // among the idle connections; nil while it has a request

	once    sync.Once
	err     error
	lingers atomic.Bool // the request was not read to its end: Close reads on
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
		c.listener.forget(c)
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
