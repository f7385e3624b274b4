// Package configs owns the configuration of wasup: the keys, their defaults,
// their sources (flags override the environment, which overrides the file, which
// overrides the defaults) and their validation. It imports no other package of
// the program. Only cmd and internal/app may import it: every other package takes
// plain values, so that none depends on the source of a value.
package configs

import (
	"log/slog"
	"time"
)

// Config is one complete configuration. It consists of comparable values, so two
// configurations can be compared with ==. Durations are time.Duration, sizes are
// in bytes.
type Config struct {
	HTTP       HTTP
	Store      Store
	QR         QR
	WhatsApp   WhatsApp
	Session    Session
	Send       Send
	Media      Media
	Contacts   Contacts
	Events     Events
	Webhooks   Webhooks
	Supervisor Supervisor
	Boot       Boot
	Shutdown   Shutdown
	Log        Log
	Metrics    Metrics
	Memory     Memory
}

// HTTP configures the listener of the API.
type HTTP struct {
	Listen    string // host:port, loopback
	BodyLimit int    // bytes

	MaxConnections int // 0 is a quarter of the process's file descriptors

	// Each has its values separated by commas (see Listed).
	Hosts          string
	TrustedProxies string
	CORSOrigins    string
}

// Store configures the database.
type Store struct {
	DSN       string        // sqlite:PATH or a PostgreSQL URL
	MaxConns  int           // PostgreSQL only
	IdleConns int           // PostgreSQL only
	Timeout   time.Duration // of one statement; PostgreSQL only
}

// QR configures the validity of QR codes and the requests that wait for them.
type QR struct {
	Wait              time.Duration
	WaitersPerSession int
	WaitersTotal      int
	UnattendedAfter   time.Duration
	FirstTTL          time.Duration
	TTL               time.Duration
}

// WhatsApp configures the server that sessions connect to, and the proxy to it.
type WhatsApp struct {
	WebsocketURL  string
	RootPublicKey [32]byte // signs the certificate chain of the server
	Proxy         string   // for sessions without their own; {id} and {n} are replaced; "" is none
	ProxyPoolSize int      // {n} is less than this
}

// Session configures the deadlines and the retries of each session.
type Session struct {
	ConnectDeadline time.Duration
	PairingDeadline time.Duration
	BackoffMin      time.Duration
	BackoffMax      time.Duration
	MaxAttempts     int // 0 is unlimited
	Cooldown        time.Duration
	ReadyWait       time.Duration // 0 does not wait
	KeepaliveStale  time.Duration
	Connecting      int // sessions that connect at the same time; 0 is two per processor
}

// Send configures the sending of messages.
type Send struct {
	Timeout        time.Duration
	Queue          int           // unfinished messages of one session
	MaxAttempts    int           // 0 is unlimited
	RetryMin       time.Duration // pause before the second retry of a message
	RetryMax       time.Duration
	Window         int
	Rate           float64 // messages per second of one session; 0 is unlimited
	Jitter         time.Duration
	DailyCap       int           // 0 is unlimited
	KeyRetention   time.Duration // of Idempotency-Keys
	Retention      time.Duration // of sent, failed and cancelled messages
	RetentionCount int           // 0 is unlimited
}

// Media configures the files of messages: where and how long they are kept, and where outgoing ones may come from.
type Media struct {
	Dir          string // "" is next to the database
	MaxSize      int    // bytes
	MaxTotal     int    // bytes of all outgoing files together
	FetchTimeout time.Duration
	AllowPrivate bool
	Keep         time.Duration // of uploaded files, after their last use

	KeepIncoming        time.Duration // of the files of incoming messages; 0 keeps none
	KeepIncomingTotal   int           // bytes of all kept files together
	KeepIncomingMaxSize int           // bytes of one file
	KeepIncomingKinds   string        // kinds, separated by commas (see Listed); "" is all
}

// Contacts configures the look-up of phone numbers.
type Contacts struct {
	TTL       time.Duration // validity of an answer
	PerMinute int           // numbers that one session looks up
}

// Events configures how much of the durable event log is kept.
type Events struct {
	RetentionAge   time.Duration // 0: no limit
	RetentionCount int           // of all sessions together; 0: no limit
	RetentionSize  int           // bytes of all sessions together; 0: no limit
	MaxAge         time.Duration // of events that a webhook has not delivered yet; 0: no limit
	MaxCount       int           // events kept for webhooks; 0: no limit
	MaxSize        int           // bytes of the events kept for webhooks; 0: no limit
	Memory         int           // bytes of the newest events that are kept in memory
}

// Webhooks configures the delivery of events.
type Webhooks struct {
	AllowPrivate  bool
	AllowLoopback bool
	Timeout       time.Duration // of one attempt
	RetryMin      time.Duration
	RetryMax      time.Duration
	RetryFor      time.Duration
	KeepDead      time.Duration
	Requests      int // concurrent requests
	PerWebhook    int // concurrent requests to one receiver
	Max           int // webhooks
	PerSession    int // webhooks of one session
}

// Supervisor configures the restart intensity of each session.
type Supervisor struct {
	Restarts int
	Window   time.Duration
}

// Boot configures how fast sessions connect when the process starts.
type Boot struct {
	Rate   float64 // sessions per second
	Jitter time.Duration
}

// Shutdown bounds the drain.
type Shutdown struct {
	Timeout time.Duration
}

// Log configures the log.
type Log struct {
	Level  slog.Level
	Format string // text or json
}

// Memory configures the garbage collector.
type Memory struct {
	Headroom int // minimum bytes of garbage before a collection
}

// Metrics configures the Prometheus metrics.
type Metrics struct {
	PerSession bool
}

// The address and the key of WhatsApp. They are repeated here because this package
// may not import whatsmeow. TestTheDefaultServerIsTheOneThatWhatsmeowKnows at the
// root compares them.
const (
	// WhatsAppWebsocketURL is socket.URL of go.mau.fi/whatsmeow.
	WhatsAppWebsocketURL = "wss://web.whatsapp.com/ws/chat"
	// WhatsAppRootPublicKey is WACertPubKey (handshake.go) of
	// go.mau.fi/whatsmeow in hex. It signs the certificate that the server presents
	// in the Noise handshake.
	WhatsAppRootPublicKey = "142375574d0a587166aae71ebe516437c4a28b73e3695c6ce1f7f9545da8ee6b"
)

// whatsAppRootKey is WhatsAppRootPublicKey as bytes, so that Default needs no decoding that could fail.
var whatsAppRootKey = [32]byte{
	0x14, 0x23, 0x75, 0x57, 0x4d, 0x0a, 0x58, 0x71, 0x66, 0xaa, 0xe7, 0x1e, 0xbe, 0x51, 0x64, 0x37,
	0xc4, 0xa2, 0x8b, 0x73, 0xe3, 0x69, 0x5c, 0x6c, 0xe1, 0xf7, 0xf9, 0x54, 0x5d, 0xa8, 0xee, 0x6b,
}

// Default returns the default configuration, which is valid.
func Default() Config {
	return Config{
		HTTP:  HTTP{Listen: "127.0.0.1:3001", BodyLimit: 1 << 20},
		Store: Store{DSN: "sqlite:./data/wasup.db", MaxConns: 20, IdleConns: 5, Timeout: 30 * time.Second},
		QR: QR{
			Wait:              30 * time.Second,
			WaitersPerSession: 200,
			WaitersTotal:      20_000,
			UnattendedAfter:   3 * time.Minute,
			FirstTTL:          60 * time.Second,
			TTL:               20 * time.Second,
		},
		WhatsApp: WhatsApp{WebsocketURL: WhatsAppWebsocketURL, RootPublicKey: whatsAppRootKey},
		Session: Session{
			ConnectDeadline: 30 * time.Second,
			PairingDeadline: 45 * time.Second,
			BackoffMin:      time.Second,
			BackoffMax:      60 * time.Second,
			Cooldown:        10 * time.Minute,
			ReadyWait:       3 * time.Second,
			KeepaliveStale:  45 * time.Second,
		},
		Send: Send{
			Timeout:        30 * time.Second,
			Queue:          100_000,
			MaxAttempts:    20,
			RetryMin:       time.Second,
			RetryMax:       5 * time.Minute,
			Window:         1,
			KeyRetention:   24 * time.Hour,
			Retention:      7 * 24 * time.Hour,
			RetentionCount: 1_000_000,
		},
		Media: Media{
			MaxSize: 100 << 20, MaxTotal: 10 << 30, FetchTimeout: time.Minute, Keep: 24 * time.Hour,
			KeepIncomingTotal: 1 << 30, KeepIncomingMaxSize: 100 << 20,
		},
		Events: Events{
			RetentionAge: 7 * 24 * time.Hour, RetentionCount: 1_000_000, RetentionSize: 1 << 30,
			MaxAge: 30 * 24 * time.Hour, MaxCount: 5_000_000, MaxSize: 5 << 30, Memory: 16 << 20,
		},
		Webhooks: Webhooks{
			Timeout: 10 * time.Second, RetryMin: 5 * time.Second, RetryMax: 15 * time.Minute, RetryFor: 24 * time.Hour,
			KeepDead: 30 * 24 * time.Hour, Requests: 128, PerWebhook: 8, Max: 1000, PerSession: 20,
		},
		Contacts:   Contacts{TTL: 24 * time.Hour, PerMinute: 60},
		Supervisor: Supervisor{Restarts: 5, Window: 5 * time.Minute},
		Boot:       Boot{Rate: 200, Jitter: 500 * time.Millisecond},
		Shutdown:   Shutdown{Timeout: 15 * time.Second},
		Log:        Log{Level: slog.LevelInfo, Format: "text"},
		Memory:     Memory{Headroom: 64 << 20},
	}
}
