package sandbox

import (
	"context"
	"crypto/ecdh"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// Path is where the WebSocket endpoint is.
const Path = "/ws/chat"

// Config says how a server behaves. The zero value is usable: it listens on a free port of 127.0.0.1.
type Config struct {
	// Listen is host:port of the WebSocket endpoint. Default 127.0.0.1:0.
	Listen string
	// TLS adds a second endpoint that speaks TLS, with a certificate under the server's own CA (CAPEM).
	// TLSListen is its host:port. Default 127.0.0.1:0.
	TLS       bool
	TLSListen string
	// Authority signs the server's certificate. Default: a new one.
	Authority *Authority
	// FirstRefTTL and RefTTL say how long the first and every further pairing ref can be scanned.
	// Defaults 60 s and 20 s, as WhatsApp does.
	FirstRefTTL, RefTTL time.Duration
	// Refs is the number of refs a pair-device stanza carries. Default 6.
	Refs int
	// CloseDelay is the time between a final stanza (failure, stream error) and the close of the connection.
	// Default 150 ms; negative closes at once, and clients may then lose the stanza. Where it is for the client to
	// close (after a 515, a pairing that it refused, its logout) the server waits at least 10 s, unless negative.
	CloseDelay time.Duration
	// IdleTimeout closes a connection on which nothing arrives. Default 5 minutes: clients send a ping
	// every 20 to 30 s.
	IdleTimeout time.Duration
	// MaxMediaFile is the largest file that may be uploaded, MaxMedia how much of all files is kept, the newest
	// first; both in bytes, encrypted. Defaults 100 MiB and 512 MiB.
	MaxMediaFile, MaxMedia int64
	// MaxMediaAge is how long a file is kept. Default 30 days. What a profile shows stays longer.
	MaxMediaAge time.Duration
	// MinVersion and WebVersion are the first values of SetMinVersion and SetWebVersion.
	MinVersion, WebVersion Version
	// State is a folder in which the server keeps what it knows, so that it knows it after its own restart: phones
	// with their keys, profiles and messages, linked devices, their prekeys and what waits for them, groups and
	// uploaded files. Default: none, it forgets.
	State string
	// Log receives what happens, without phone numbers and message texts. Default: nothing.
	Log *slog.Logger
}

const (
	defaultFirstRefTTL = 60 * time.Second
	defaultRefTTL      = 20 * time.Second
	defaultRefs        = 6
	maxRefs            = 100
	defaultCloseDelay  = 150 * time.Millisecond
	defaultIdle        = 5 * time.Minute

	defaultMaxMediaFile = 100 << 20
	defaultMaxMedia     = 512 << 20
	defaultMaxMediaAge  = 30 * 24 * time.Hour

	handshakeTimeout = 20 * time.Second
	writeTimeout     = 30 * time.Second
)

func (c Config) withDefaults() (Config, error) {
	if c.Listen == "" {
		c.Listen = "127.0.0.1:0"
	}
	if c.TLSListen == "" {
		c.TLSListen = "127.0.0.1:0"
	}
	if c.FirstRefTTL == 0 {
		c.FirstRefTTL = defaultFirstRefTTL
	}
	if c.RefTTL == 0 {
		c.RefTTL = defaultRefTTL
	}
	if c.Refs == 0 {
		c.Refs = defaultRefs
	}
	if c.CloseDelay == 0 {
		c.CloseDelay = defaultCloseDelay
	}
	if c.IdleTimeout == 0 {
		c.IdleTimeout = defaultIdle
	}
	if c.MaxMediaFile == 0 {
		c.MaxMediaFile = defaultMaxMediaFile
	}
	if c.MaxMedia == 0 {
		c.MaxMedia = defaultMaxMedia
	}
	if c.MaxMediaAge == 0 {
		c.MaxMediaAge = defaultMaxMediaAge
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	switch {
	case c.FirstRefTTL < 0:
		return c, fmt.Errorf("sandbox: FirstRefTTL is %s, expected a positive duration", c.FirstRefTTL)
	case c.RefTTL < 0:
		return c, fmt.Errorf("sandbox: RefTTL is %s, expected a positive duration", c.RefTTL)
	case c.Refs < 0 || c.Refs > maxRefs:
		return c, fmt.Errorf("sandbox: Refs is %d, expected 1 to %d", c.Refs, maxRefs)
	case c.MaxMediaFile < 0:
		return c, fmt.Errorf("sandbox: MaxMediaFile is %d, expected a positive number of bytes", c.MaxMediaFile)
	case c.MaxMedia < 0:
		return c, fmt.Errorf("sandbox: MaxMedia is %d, expected a positive number of bytes", c.MaxMedia)
	case c.MaxMediaAge < 0:
		return c, fmt.Errorf("sandbox: MaxMediaAge is %s, expected a positive duration", c.MaxMediaAge)
	case c.IdleTimeout < 0:
		return c, fmt.Errorf("sandbox: IdleTimeout is %s, expected a positive duration", c.IdleTimeout)
	}
	if c.Authority == nil {
		authority, err := NewAuthority()
		if err != nil {
			return c, err
		}
		c.Authority = authority
	}
	return c, nil
}

// Server is one WhatsApp server. All methods are safe for concurrent use.
type Server struct {
	cfg         Config
	log         *slog.Logger
	static      *ecdh.PrivateKey
	certificate []byte
	transport   *transport
	handler     http.Handler
	http        *http.Server
	stanzas     map[string]stanzaHandler
	queries     map[string]queryHandler
	linkQueries map[string]linkHandler

	dir    directory
	disk   *disk // nil without Config.State
	media  mediaStore
	groups groupSet
	calls  callSet
	faults faultSet

	scenarios scenarioSet
	stats     stats
	events    broadcaster
	shortage  shortage

	versions versions

	mu       sync.Mutex
	listener net.Listener
	// secureListener is nil without Config.TLS.
	secureListener net.Listener

	conns    map[*conn]struct{}
	lastConn uint64
	started  bool
	closed   bool
	// closing is closed by Close; down is set while a restart keeps the server away.
	closing chan struct{}
	down    bool
	// drained is closed when the last connection has ended, if a restart waits for that.
	drained chan struct{}
	// restarting holds one token while a restart is under way.
	restarting chan struct{}
	// work counts every goroutine that the server owns.
	work sync.WaitGroup
}

// New prepares a server. Nothing listens before Start.
func New(cfg Config) (*Server, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	static, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("sandbox: making the server key: %w", err)
	}
	certificate, err := cfg.Authority.root.Chain(static.PublicKey().Bytes(), time.Now())
	if err != nil {
		return nil, fmt.Errorf("sandbox: making the server certificate: %w", err)
	}
	s := &Server{
		cfg:         cfg,
		log:         cfg.Log,
		static:      static,
		certificate: certificate,
		conns:       make(map[*conn]struct{}),
		closing:     make(chan struct{}),
		restarting:  make(chan struct{}, 1),
	}
	if cfg.TLS {
		if s.transport, err = newTransport(cfg.TLSListen); err != nil {
			return nil, err
		}
	}
	s.dir.init()
	s.groups.init()
	s.media.init(cfg)
	s.events.dropped = func() { s.stats.add(func(c *Counters) { c.EventsDropped++ }) }
	s.stanzas = s.stanzaHandlers()
	s.queries = s.queryHandlers()
	s.linkQueries = linkHandlers()
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+Path, s.serveClient)
	s.serveMedia(mux)
	mux.HandleFunc("GET /{$}", s.serveWeb)
	s.SetMinVersion(cfg.MinVersion)
	s.SetWebVersion(cfg.WebVersion)
	s.handler = mux
	s.http = s.newHTTP()
	if cfg.State != "" {
		if s.disk, err = s.openDisk(cfg.State); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// newHTTP makes an HTTP server; it serves until it is closed, and never again.
func (s *Server) newHTTP() *http.Server {
	return &http.Server{
		Handler:           s.handler,
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
		// The handler needs the TCP connection itself, for deadlines and for resets.
		ConnContext: func(ctx context.Context, raw net.Conn) context.Context {
			return context.WithValue(ctx, rawConnKey{}, raw)
		},
		ConnState: s.countHTTP,
	}
}

type rawConnKey struct{}

// Start listens and serves; the server is reachable when it returns. It may be called once.
func (s *Server) Start() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return errors.New("sandbox: the server is closed")
	case s.started:
		return errors.New("sandbox: the server is started already")
	}
	if err := s.listen(s.cfg.Listen, s.cfg.TLSListen); err != nil {
		return err
	}
	s.started = true
	if s.disk != nil {
		s.work.Add(1)
		go func() {
			defer s.work.Done()
			s.disk.keepSaving(s.closing)
		}()
	}
	return nil
}

// listen takes the server's addresses and serves there. The caller holds the lock.
func (s *Server) listen(plain, secure string) error {
	listener, err := s.listenOn(plain)
	if err != nil {
		return err
	}
	if s.transport != nil {
		secureListener, err := s.listenOn(secure)
		if err != nil {
			_ = listener.Close()
			return err
		}
		s.secureListener = secureListener
		s.serve(s.http, tls.NewListener(secureListener, s.transport.config))
	}
	s.listener = listener
	s.serve(s.http, listener)
	return nil
}

// serve accepts connections in a goroutine that Close waits for.
func (s *Server) serve(server *http.Server, listener net.Listener) {
	s.work.Add(1)
	go func() {
		defer s.work.Done()
		if err := server.Serve(listener); err != nil && !errors.Is(err, http.ErrServerClosed) {
			s.log.Error("sandbox stopped serving", "err", err)
		}
	}()
}

// Close closes all connections and waits for the server's goroutines, at most until ctx is done. It may be
// called before Start and more than once.
func (s *Server) Close(ctx context.Context) error {
	s.mu.Lock()
	if !s.closed {
		close(s.closing)
	}
	s.closed = true
	server := s.http
	conns := make([]*conn, 0, len(s.conns))
	for c := range s.conns {
		conns = append(conns, c)
	}
	s.mu.Unlock()
	// Errors of closing sockets that go away anyway tell nothing.
	_ = server.Close()
	for _, c := range conns {
		c.kill("server closed")
	}
	done := make(chan struct{})
	go func() {
		s.work.Wait()
		close(done)
	}()
	select {
	case <-done:
		s.events.close()
		if s.disk != nil {
			// After everything else: now nothing changes any more.
			return s.disk.close()
		}
		return nil
	case <-ctx.Done():
		err := fmt.Errorf("sandbox: waiting for connections to end: %w", ctx.Err())
		if s.disk != nil {
			err = errors.Join(err, s.disk.save())
		}
		return err
	}
}

// URL is the WebSocket endpoint, ws://host:port/ws/chat; empty before Start.
func (s *Server) URL() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listener == nil {
		return ""
	}
	return "ws://" + s.listener.Addr().String() + Path
}

// RootPublicKey is the key that clients have to trust.
func (s *Server) RootPublicKey() [32]byte { return s.cfg.Authority.RootPublicKey() }

// countHTTP makes Close wait for the connections that net/http serves: it lingers half a second on one that it
// closed because a file was too large. Connections that became WebSockets have their handler waited for.
func (s *Server) countHTTP(_ net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		// Called by the goroutine that accepts, which is itself waited for.
		s.work.Add(1)
	case http.StateHijacked, http.StateClosed:
		s.work.Done()
	case http.StateActive, http.StateIdle:
	}
}

// begin enters work that Close waits for; it refuses once the server is closed. Pair it with s.work.Done.
func (s *Server) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.work.Add(1)
	return true
}

// spawn runs fn in a goroutine that Close waits for.
func (s *Server) spawn(fn func()) bool {
	if !s.begin() {
		return false
	}
	go func() {
		defer s.work.Done()
		fn()
	}()
	return true
}

// after runs fn once, delay from now, unless the server is closed by then or the returned timer is stopped.
func (s *Server) after(delay time.Duration, fn func()) *time.Timer {
	return time.AfterFunc(delay, func() {
		if !s.begin() {
			return
		}
		defer s.work.Done()
		fn()
	})
}
