package sandbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"wasup/internal/sandbox/capture"
	"wasup/internal/sandbox/disk"
	"wasup/internal/sandbox/media"
	"wasup/internal/sandbox/network"
	"wasup/internal/sandbox/observe"
)

// Path is the path of the WebSocket endpoint.
const Path = "/ws/chat"

// Config configures a server. The zero value is usable: the server listens on a free port of 127.0.0.1.
type Config struct {
	// Listen is host:port of the WebSocket endpoint. Default 127.0.0.1:0.
	Listen string
	// TLS adds a second endpoint with TLS. Its certificate is signed by the server's own CA (see CAPEM). TLSListen is its
	// host:port. Default 127.0.0.1:0.
	TLS       bool
	TLSListen string
	// Authority signs the server's certificate. Default: a new one.
	Authority *Authority
	// FirstRefTTL and RefTTL are the validity of the first and of every further pairing ref. Defaults 60 s and 20 s, as on
	// WhatsApp.
	FirstRefTTL, RefTTL time.Duration
	// Refs is the number of refs in a pair-device stanza. Default 6.
	Refs int
	// CloseDelay is the time between a final stanza (failure, stream error) and the close of the connection. Default 150
	// ms. A negative value closes at once, and clients may then lose the stanza. After a 515, a refused pairing or a
	// logout the client should close: there the server waits at least 10 s, unless CloseDelay is negative.
	CloseDelay time.Duration
	// IdleTimeout is the time without input after which a connection is closed. Default 5 minutes: clients send a ping
	// every 20 to 30 s.
	IdleTimeout time.Duration
	// MaxMediaFile is the maximum size of an uploaded file, MaxMedia that of all kept files together, of which the oldest
	// are deleted first. Both are encrypted sizes in bytes. Defaults 100 MiB and 512 MiB.
	MaxMediaFile, MaxMedia int64
	// MaxMediaAge is how long a file is kept. Default 30 days. Profile pictures in use are kept longer.
	MaxMediaAge time.Duration
	// MinVersion and WebVersion are the initial values of Versions.SetLeast and Versions.SetWeb.
	MinVersion, WebVersion Version
	// State is a folder for the state of the server, so that it survives a restart of the process: phones with their keys,
	// profiles and messages, linked devices with their prekeys and queued stanzas, groups and uploaded files. Default:
	// none, the state is in memory only.
	State string
	// Log receives log records, without phone numbers and message texts. Default: nothing is logged.
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
	net         *network.Network
	credentials *credentials
	versions    *Versions
	handlers    handlers
	conns       *connections
	pairing     *pairing
	phones      *phoneBook
	scenarios   *Scenarios
	endpoint    *endpoint
	disk        *disk.Log // nil without Config.State
}

// New creates a server and restores its state. It does not listen before Start.
func New(cfg Config) (*Server, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	creds, err := newCredentials(cfg)
	if err != nil {
		return nil, err
	}
	s := &Server{cfg: cfg, credentials: creds, conns: newConnections(cfg)}
	s.net = network.New(network.Config{
		Log: cfg.Log, Media: media.Limits{File: cfg.MaxMediaFile, Total: cfg.MaxMedia, Age: cfg.MaxMediaAge}, MediaHost: s.MediaHost,
		CloseDelay: cfg.CloseDelay, LeaveDelay: cfg.leaveDelay(),
	})
	s.credentials.faults = s.net.Faults
	s.versions = newVersions(cfg, s.net.Observer)
	s.pairing, s.phones = newPairing(cfg, s.net), newPhoneBook()
	s.handlers = s.newHandlers()
	s.scenarios = &Scenarios{server: s}
	files := media.NewServer(s.net.Media, s.net.Faults, s.net.Observer, s.net.Log)
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+Path, s.serveClient)
	files.Routes(mux)
	mux.HandleFunc("GET /{$}", s.versions.serveWeb)
	s.endpoint = newEndpoint(mux, s.credentials, s.net.Tasks, s.net.Observer, s.net.Log)
	if cfg.State != "" {
		if s.disk, err = openDisk(cfg.State, s); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// Start listens and serves. The server is reachable when Start returns. It may be called once.
func (s *Server) Start() error {
	if err := s.endpoint.start(s.cfg.Listen, s.cfg.TLSListen); err != nil {
		return err
	}
	if s.disk != nil {
		s.net.Tasks.Spawn(func() { s.disk.KeepSaving(s.net.Tasks.Closing) })
	}
	return nil
}

// Close closes all connections, waits for the server's goroutines and saves the state. When ctx ends before that, it
// returns the error of ctx. It may be called before Start and more than once.
func (s *Server) Close(ctx context.Context) error {
	s.endpoint.close()
	conns := s.conns.refuse()
	for _, c := range conns {
		c.kill("server closed")
	}
	done := make(chan struct{})
	go func() {
		s.net.Tasks.Wait()
		close(done)
	}()
	select {
	case <-done:
		s.net.Observer.Close()
		if s.disk != nil {
			// Close the disk last: now the state does not change any more.
			return s.disk.Close()
		}
		return nil
	case <-ctx.Done():
		err := fmt.Errorf("sandbox: wait for connections to end: %w", ctx.Err())
		if s.disk != nil {
			err = errors.Join(err, s.disk.Save())
		}
		return err
	}
}

// URL returns the URL of the WebSocket endpoint, ws://host:port/ws/chat. It is empty before Start.
func (s *Server) URL() string {
	if plain, _ := s.endpoint.addresses(); plain != "" {
		return "ws://" + plain + Path
	}
	return ""
}

// RootPublicKey returns the key that clients must trust.
func (s *Server) RootPublicKey() [32]byte { return s.cfg.Authority.RootPublicKey() }

// Counters returns a snapshot of the server's counters.
func (s *Server) Counters() observe.Counters { return s.net.Observer.Snapshot() }

// Capture returns what linked devices sent last, as it came.
func (s *Server) Capture() *capture.Log { return s.net.Capture }

// Subscribe returns a channel of all events from now on, and a function that ends the subscription. That function or
// Close closes the channel.
func (s *Server) Subscribe() (<-chan observe.Event, func()) { return s.net.Observer.Subscribe() }
