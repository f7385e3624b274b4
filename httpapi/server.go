package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/gofiber/fiber/v2"

	"wasup/httpapi/compat"
	"wasup/httpapi/rest"
	"wasup/internal/access"
	"wasup/internal/session"
)

// The limits for slow callers. The write timeout counts from the end of the handler, so it need not cover a wait.
const (
	readTimeout = 15 * time.Second
	idleTimeout = 75 * time.Second // above the 60 s for which common proxies keep a connection
	headerBytes = 8 << 10
	// answerTime is the last part of a shutdown's time. The requests that still run are cancelled when it begins, and
	// answered before it ends. It is a quarter of the time at most.
	answerTime = time.Second
	// killGrace is how long handlers get to return after their connections were cut.
	killGrace = 2 * time.Second
)

// Server answers HTTP requests, between Start and Stop.
type Server struct {
	cfg     Config
	app     *fiber.App
	host    *rest.Host
	access  *access.Policy
	compat  *compat.Routes // also writes the errors of paths without a route
	routes  routeTable
	version string

	mu       sync.Mutex
	listener *listener
	served   chan struct{} // closed when the accept loop has ended
	failed   chan error

	ending sync.Once
	ended  chan struct{} // closed when nothing of the server runs any more
	endErr error         // once it is
}

// New makes a server that does not listen yet. Errors name what is missing or malformed.
func New(cfg Config, deps Deps) (*Server, error) {
	cfg, err := cfg.withDefaults()
	if err := errors.Join(err, deps.validate()); err != nil {
		return nil, err
	}
	policy := access.New(access.Options{Listen: cfg.Listen, Hosts: cfg.Hosts, Origins: cfg.Origins})
	s := &Server{cfg: cfg, access: policy, version: deps.Version, failed: make(chan error, 1), ended: make(chan struct{}), host: &rest.Host{
		Sessions: deps.Sessions, Observer: deps.Observer, Log: deps.Log, Now: cfg.Now, Life: rest.NewLife(),
		StartTimeout: cfg.StartTimeout, LinkTimeout: cfg.LinkTimeout, MaxWait: cfg.MaxWait, BodyLimit: cfg.BodyLimit,
	}}
	s.app = fiber.New(fiber.Config{
		// Without it Fiber reuses the memory of a request, and an id kept past the handler becomes another
		// request's id: a message would leave from the wrong account.
		Immutable:             true,
		DisableStartupMessage: true,
		BodyLimit:             cfg.BodyLimit,
		Concurrency:           2*cfg.Connections + maxRefusals, // the listener has the limit
		ReadTimeout:           readTimeout,
		WriteTimeout:          rest.WriteTimeout,
		IdleTimeout:           idleTimeout,
		ReadBufferSize:        headerBytes,
		// Headers such as X-Forwarded-Host are believed only from these.
		EnableTrustedProxyCheck: true,
		TrustedProxies:          cfg.TrustedProxies,
		ErrorHandler:            s.beforeRouting,
		// Files may be larger than BodyLimit. readBody reads the bodies of all other requests, up to BodyLimit.
		StreamRequestBody: true,
		// Otherwise fasthttp would write the files of multipart forms to the disk before the request is checked.
		DisablePreParseMultipartForm: true,
	})
	s.mount(&cfg, &deps)
	s.install()
	return s, nil
}

// Start binds the address and serves it in a goroutine until Stop. It accepts only loopback addresses. It is called once.
// The error is CodeShuttingDown after Stop.
func (s *Server) Start(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.host.Life.Draining():
		return &session.Error{Code: session.CodeShuttingDown, Op: "start http"}
	case s.listener != nil:
		return fmt.Errorf("httpapi: already listening on %s", s.listener.Addr())
	}
	l, err := bind(s.cfg.Listen, s.cfg.Connections, s.host.Log)
	if err != nil {
		return err
	}
	l.refusal = s.tooMany()
	s.app.Server().ConnState = l.see
	s.listener, s.served = l, make(chan struct{})
	go func() {
		defer close(s.served)
		if err := s.app.Listener(l); err != nil && !errors.Is(err, net.ErrClosed) && !s.host.Life.Draining() {
			s.failed <- fmt.Errorf("serve %s: %w", l.Addr(), err)
		}
	}()
	return nil
}

// Addr returns the bound address, "" before Start. It differs from the configured address if that has port 0.
func (s *Server) Addr() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listener == nil {
		return ""
	}
	return s.listener.Addr().String()
}

// Connections returns the figures of the listener. Before Start they are zero.
func (s *Server) Connections() Connections {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listener == nil {
		return Connections{}
	}
	return s.listener.figures()
}

// Failed yields one error if the server stops serving without having been asked to.
func (s *Server) Failed() <-chan error { return s.failed }

// Stop accepts no further connections, answers callers that wait for a code with the route's 503, and returns when all
// other requests are answered. Shortly before the deadline of ctx it cancels the requests that remain, which are then
// answered as failed. When ctx ends, it cuts the connections that are left and returns ctx's error. It is idempotent and
// legal before Start; a later call waits on.
func (s *Server) Stop(ctx context.Context) error {
	s.host.Life.Drain()
	s.mu.Lock()
	l := s.listener
	s.mu.Unlock()
	if l == nil {
		s.host.Life.Cut()
		return nil
	}
	// Once, and without ctx: fasthttp waits for its connections only in the first shutdown, during which Fiber holds a lock.
	s.ending.Do(func() { go s.end(l) })
	working, cancel := beforeAnswers(ctx)
	defer cancel()
	if s.endsWithin(working) {
		return s.endErr
	}
	s.host.Life.Cut()
	if s.endsWithin(ctx) {
		return s.endErr
	}
	l.cut()
	grace, stop := context.WithTimeout(context.WithoutCancel(ctx), killGrace)
	defer stop()
	if s.endsWithin(grace) {
		return errors.Join(s.endErr, ctx.Err())
	}
	return errors.Join(ctx.Err(), fmt.Errorf("httpapi: requests still run %s after their connections were cut", killGrace))
}

// beforeAnswers ends earlier than ctx by the time in which cancelled requests are answered.
func beforeAnswers(ctx context.Context) (context.Context, context.CancelFunc) {
	deadline, bounded := ctx.Deadline()
	if !bounded {
		return context.WithCancel(ctx)
	}
	return context.WithDeadline(ctx, deadline.Add(-min(answerTime, time.Until(deadline)/4)))
}

// endsWithin reports whether nothing of the server runs any more, and waits for that until ctx ends.
func (s *Server) endsWithin(ctx context.Context) bool {
	select {
	case <-s.ended:
		return true
	case <-ctx.Done():
		return false
	}
}

// end waits until every request is served, without a limit. Its caller has a limit and cuts the remaining connections.
func (s *Server) end(l *listener) {
	defer close(s.ended)
	closeErr := l.Close()
	<-s.served // before the shutdown, which takes the accept loop for a connection and looks again only after 100 ms
	s.endErr = errors.Join(closeErr, s.app.Shutdown())
	l.refusals.Wait()
	<-s.host.Life.Idle()
	s.host.Life.Cut()
	l.cut()
}
