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

// tellAgain is after how long a server that has no file descriptors left says so once more.
const tellAgain = 10 * time.Second

// shortage says in the log that clients cannot connect because the process has no file descriptor for them.
type shortage struct {
	mu   sync.Mutex
	told time.Time
}

// watchedListener tells of connections that could not be accepted. net/http then waits and tries again.
type watchedListener struct {
	net.Listener

	failed func(error)
}

func (l watchedListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		l.failed(err)
	}
	return c, err //nolint:wrapcheck // net/http asks it whether it may try again
}

// notAccepted counts a client that could not be let in for want of a file descriptor, and says what to do about it:
// seldom, as net/http tries again many times a second.
func (e *endpoint) notAccepted(err error) {
	if !errors.Is(err, syscall.EMFILE) && !errors.Is(err, syscall.ENFILE) {
		return
	}
	e.observer.Count(func(n *observe.Counters) { n.OutOfFiles++ })
	e.shortage.mu.Lock()
	silent := time.Since(e.shortage.told) < tellAgain
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
	e.log.Error("out of file descriptors: clients that connect have to wait. Every connection takes one at the server, "+
		"and one more at its client where that runs in the same process; raise the limit (ulimit -n) or connect fewer clients",
		"limit", descriptorLimit(), "whose", whose, "connections", e.observer.Snapshot().ConnectionsOpen)
}

func (e *endpoint) listenOn(address string) (net.Listener, error) {
	var listen net.ListenConfig
	listener, err := listen.Listen(context.Background(), "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("sandbox: listening on %q: %w", address, err)
	}
	return watchedListener{listener, e.notAccepted}, nil
}
