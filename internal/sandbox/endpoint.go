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

// endpoint is where a server listens: once without TLS, and once with it where that is wanted.
type endpoint struct {
	handler     http.Handler
	credentials *credentials
	tasks       *tasks.Tasks
	observer    *observe.Observer
	log         *slog.Logger
	shortage    shortage
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

// newHTTP makes an HTTP server; it serves until it is closed, and never again.
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

// listen takes the addresses and serves there. The caller holds the lock.
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

// close stops listening for ever, and refuses further work of the server.
func (e *endpoint) close() {
	e.mu.Lock()
	e.tasks.Stop()
	server := e.http
	e.mu.Unlock()
	// Errors of closing sockets that go away anyway tell nothing.
	_ = server.Close()
}

// goDown stops listening; meanwhile, under the lock, the caller refuses connections. False: the endpoint is not
// listening.
func (e *endpoint) goDown(refuse func()) bool {
	e.mu.Lock()
	if !e.started || e.tasks.Over() {
		e.mu.Unlock()
		return false
	}
	server, listeners := e.http, []net.Listener{e.listener, e.secureListener}
	refuse()
	e.mu.Unlock()
	// Errors of closing sockets that go away anyway tell nothing.
	_ = server.Close()
	for _, listener := range listeners {
		// The server closes them too, but does not know them yet when it was started a moment ago.
		if listener != nil {
			_ = listener.Close()
		}
	}
	return true
}

// comeBack listens where the endpoint listened before. Clients are let in, by admit, before they can come.
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

// addresses are host:port of the two listeners; empty before start, the second also without TLS.
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

// countHTTP makes Close wait for the connections that net/http serves: it lingers half a second on one that it
// closed because a file was too large. Connections that became WebSockets have their handler waited for.
func (e *endpoint) countHTTP(_ net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		// Called by the goroutine that accepts, which is itself waited for.
		e.tasks.Add()
	case http.StateHijacked, http.StateClosed:
		e.tasks.Done()
	case http.StateActive, http.StateIdle:
	}
}
