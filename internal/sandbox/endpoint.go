package sandbox

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"wasup/internal/sandbox/observe"
	"wasup/internal/sandbox/tasks"
)

// endpoint listens without TLS and, with Config.TLS, on a second address with TLS.
type endpoint struct {
	handler     http.Handler
	credentials *credentials
	tasks       *tasks.Tasks
	observer    *observe.Observer
	log         *slog.Logger
	// restarting holds one token while a restart is under way.
	restarting chan struct{}

	mu       sync.Mutex
	http     *http.Server
	listener net.Listener
	// secureListener is nil without Config.TLS.
	secureListener net.Listener
	started        bool
}

func newEndpoint(handler http.Handler, credentials *credentials, tasks *tasks.Tasks, observer *observe.Observer, log *slog.Logger) *endpoint {
	e := &endpoint{handler: handler, credentials: credentials, tasks: tasks, observer: observer, log: log, restarting: make(chan struct{}, 1)}
	e.http = e.newHTTP()
	return e
}

// newHTTP returns an HTTP server. Like every http.Server it cannot be used again after Close.
func (e *endpoint) newHTTP() *http.Server {
	return &http.Server{
		Handler:           e.handler,
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          slog.NewLogLogger(e.log.Handler(), slog.LevelDebug),
		// The handler needs the TCP connection itself, for deadlines and for resets.
		ConnContext: func(ctx context.Context, raw net.Conn) context.Context {
			return context.WithValue(ctx, rawConnKey{}, raw)
		},
		ConnState: e.countHTTP,
	}
}

type rawConnKey struct{}

// start listens and serves. It may be called once.
func (e *endpoint) start(plain, secure string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.tasks.Over():
		return errors.New("sandbox: the server is closed")
	case e.started:
		return errors.New("sandbox: the server is started already")
	}
	if err := e.listen(plain, secure); err != nil {
		return err
	}
	e.started = true
	return nil
}

// listen listens on the addresses and serves there. The caller holds the lock.
func (e *endpoint) listen(plain, secure string) error {
	listener, err := e.listenOn(plain)
	if err != nil {
		return err
	}
	if e.credentials.transport != nil {
		secureListener, err := e.listenOn(secure)
		if err != nil {
			_ = listener.Close()
			return err
		}
		e.secureListener = secureListener
		e.serve(e.http, tls.NewListener(secureListener, e.credentials.transport.config))
	}
	e.listener = listener
	e.serve(e.http, listener)
	return nil
}

// serve accepts connections in a goroutine that Close waits for.
func (e *endpoint) serve(server *http.Server, listener net.Listener) {
	e.tasks.Add()
	go func() {
		defer e.tasks.Done()
		if err := server.Serve(listener); err != nil && !errors.Is(err, http.ErrServerClosed) {
			e.log.Error("sandbox stopped serving", "err", err)
		}
	}()
}

// close stops listening permanently, and makes the server refuse new tasks.
func (e *endpoint) close() {
	e.mu.Lock()
	e.tasks.Stop()
	server := e.http
	e.mu.Unlock()
	// Errors of closing these sockets do not matter.
	_ = server.Close()
}

// goDown stops listening. It calls refuse, which refuses new connections, while it holds the lock. It returns false
// when the endpoint is not listening.
func (e *endpoint) goDown(refuse func()) bool {
	e.mu.Lock()
	if !e.started || e.tasks.Over() {
		e.mu.Unlock()
		return false
	}
	server, listeners := e.http, []net.Listener{e.listener, e.secureListener}
	refuse()
	e.mu.Unlock()
	// Errors of closing these sockets do not matter.
	_ = server.Close()
	for _, listener := range listeners {
		// The server closes them too, but does not know them yet if Serve has only just been called.
		if listener != nil {
			_ = listener.Close()
		}
	}
	return true
}

// comeBack listens on the same addresses again. Before that it calls admit, which accepts new connections.
func (e *endpoint) comeBack(admit func()) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.tasks.Over() {
		return ErrNotRunning
	}
	e.http = e.newHTTP()
	admit()
	return e.listen(addressOf(e.listener), addressOf(e.secureListener))
}

// addresses returns host:port of the two listeners. Both are empty before start, and secure is empty without TLS.
func (e *endpoint) addresses() (plain, secure string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return addressOf(e.listener), addressOf(e.secureListener)
}

func addressOf(listener net.Listener) string {
	if listener == nil {
		return ""
	}
	return listener.Addr().String()
}

// countHTTP makes Close wait for the connections that net/http serves: after a file that was too large net/http keeps a
// connection for another half second. For a connection that became a WebSocket, Close waits for its handler instead.
func (e *endpoint) countHTTP(_ net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		// The accepting goroutine calls this. It is a task itself, so Add cannot race with Wait.
		e.tasks.Add()
	case http.StateHijacked, http.StateClosed:
		e.tasks.Done()
	case http.StateActive, http.StateIdle:
	}
}
