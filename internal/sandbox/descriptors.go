package sandbox

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"syscall"
	"time"

	"wasup/internal/sandbox/observe"
)

// logInterval is the minimum time between two log records about missing file descriptors.
const logInterval = 10 * time.Second

// shortage remembers when the log last reported that clients cannot connect because no file descriptor is left.
type shortage struct {
	mu   sync.Mutex
	told time.Time
}

// watchedListener calls failed for connections that could not be accepted. net/http then waits and tries again.
type watchedListener struct {
	net.Listener

	failed func(error)
}

func (l watchedListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		l.failed(err)
	}
	return c, err //nolint:wrapcheck // net/http asks the error whether it is temporary
}

// notAccepted counts a connection that could not be accepted because no file descriptor is left, and logs what to do.
// It logs rarely, because net/http tries again many times a second.
func (e *endpoint) notAccepted(err error) {
	if !errors.Is(err, syscall.EMFILE) && !errors.Is(err, syscall.ENFILE) {
		return
	}
	e.observer.Count(func(n *observe.Counters) { n.OutOfFiles++ })
	e.shortage.mu.Lock()
	silent := time.Since(e.shortage.told) < logInterval
	if !silent {
		e.shortage.told = time.Now()
	}
	e.shortage.mu.Unlock()
	if silent {
		return
	}
	whose := "of the process"
	if errors.Is(err, syscall.ENFILE) {
		whose = "of the whole system"
	}
	e.log.Error("out of file descriptors: new clients have to wait. Every connection needs one at the server, "+
		"and another one at its client if that runs in the same process; raise the limit (ulimit -n) or connect fewer clients",
		"limit", descriptorLimit(), "whose", whose, "connections", e.observer.Snapshot().ConnectionsOpen)
}

func (e *endpoint) listenOn(address string) (net.Listener, error) {
	var listen net.ListenConfig
	listener, err := listen.Listen(context.Background(), "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("sandbox: listen on %q: %w", address, err)
	}
	return watchedListener{listener, e.notAccepted}, nil
}
