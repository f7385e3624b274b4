// Package configs owns everything an operator can tell wasup: which keys
// exist, their defaults, where a value may come from (flags over environment
// over file over default) and what is refused. It reads no other package of
// the program, and only cmd may import it: every other package takes plain
// values, so that none of them depends on where a value came from.
package configs

import (
	"log/slog"
	"time"
)

// Config is one complete configuration. It holds plain comparable values, so
// two of them can be compared with ==. Units are in the names of the types:
// durations are time.Duration, sizes are bytes.
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

// HTTP is the API's listener.
type HTTP struct {
	Listen    string // host:port, loopback
	BodyLimit int    // bytes
}

// Store is where devices and sessions are kept.
type Store struct {
	DSN       string        // sqlite:PATH or a PostgreSQL URL
	MaxConns  int           // PostgreSQL only, and so are the next ones
	IdleConns int           //
	Timeout   time.Duration // of one statement
}

// QR is how long a QR is valid and who may wait for one.
type QR struct {
	Wait              time.Duration
	WaitersPerSession int
	WaitersTotal      int
	UnattendedAfter   time.Duration
	FirstTTL          time.Duration
	TTL               time.Duration
}

// WhatsApp is the server that sessions connect to.
type WhatsApp struct {
	WebsocketURL  string
	RootPublicKey [32]byte // signs the certificate chain of the server
	Proxy         string   // of sessions without one of their own; {id} and {n} are filled in; "" is none
	ProxyPoolSize int      // {n} is below it
}

// Session holds the deadlines and the retry policy of one session.
type Session struct {
	ConnectDeadline time.Duration
	PairingDeadline time.Duration
	BackoffMin      time.Duration
	BackoffMax      time.Duration
	MaxAttempts     int // 0 is unlimited
	Cooldown        time.Duration
	KeepaliveStale  time.Duration
	Connecting      int // sessions that connect at the same time; 0 is two for each processor
}

// Send is the policy for outgoing messages.
type Send struct {
	Timeout        time.Duration
	Queue          int           // unfinished messages of one session
	MaxAttempts    int           // 0 is unlimited
	RetryMin       time.Duration // pause before the second retry of a message
	RetryMax       time.Duration
	Window         int
	Rate           float64 // messages a second of one session; 0 is unlimited
	Jitter         time.Duration
	DailyCap       int           // 0 is unlimited
	KeyRetention   time.Duration // of Idempotency-Keys
	Retention      time.Duration // of settled messages
	RetentionCount int           // 0 is unlimited
}

// Media is where the files of messages are kept, for how long, and where those of outgoing ones may come from.
type Media struct {
	Dir          string // "" is beside the database
	MaxSize      int    // bytes
	FetchTimeout time.Duration
	AllowPrivate bool
	Keep         time.Duration // of files that no message uses

	KeepIncoming        time.Duration // of files of incoming messages; 0 keeps none
	KeepIncomingTotal   int           // bytes of all of them
	KeepIncomingMaxSize int           // bytes of one
	KeepIncomingKinds   string        // names of kinds, with commas: see Listed; "" is all
}

// Contacts is how phone numbers are looked up.
type Contacts struct {
	TTL       time.Duration // an answer holds for so long
	PerMinute int           // numbers of one session that WhatsApp is asked about
}

// Events is how much of the durable log is kept.
type Events struct {
	RetentionAge   time.Duration // 0: no limit
	RetentionCount int           // of all sessions together; 0: no limit
	MaxAge         time.Duration // of what a webhook waits for; 0: no limit
	MaxCount       int           // likewise
}

// Webhooks is how events are delivered.
type Webhooks struct {
	AllowPrivate bool
	Timeout      time.Duration // of one attempt
	RetryMin     time.Duration
	RetryMax     time.Duration
	RetryFor     time.Duration
	KeepDead     time.Duration
	Requests     int
	PerWebhook   int
	Max          int // webhooks
	PerSession   int // webhooks of one session
}

// Supervisor is the restart intensity of each child.
type Supervisor struct {
	Restarts int
	Window   time.Duration
}

// Boot paces the sessions that come back when the process starts.
type Boot struct {
	Rate   float64 // sessions a second
	Jitter time.Duration
}

// Shutdown bounds the drain.
type Shutdown struct {
	Timeout time.Duration
}

// Log is what is logged and how.
type Log struct {
	Level  slog.Level
	Format string // text or json
}

// Memory is what the process may take beside what it needs.
type Memory struct {
	Headroom int // bytes of garbage before it is collected
}

// Metrics is what the Prometheus exposition holds.
type Metrics struct {
	PerSession bool
}

// The addresses of WhatsApp itself. They are written out here because this
// package may not import whatsmeow; a test of the adapter compares them.
const (
	// WhatsAppWebsocketURL is socket.URL of go.mau.fi/whatsmeow.
	WhatsAppWebsocketURL = "wss://web.whatsapp.com/ws/chat"
	// WhatsAppRootPublicKey is WACertPubKey (handshake.go) of
	// go.mau.fi/whatsmeow in hex: the key that signs the certificate which the
	// server shows in the Noise handshake.
	WhatsAppRootPublicKey = "142375574d0a587166aae71ebe516437c4a28b73e3695c6ce1f7f9545da8ee6b"
)

// whatsAppRootKey is WhatsAppRootPublicKey as bytes, so that Default cannot fail.
var whatsAppRootKey = [32]byte{
	0x14, 0x23, 0x75, 0x57, 0x4d, 0x0a, 0x58, 0x71, 0x66, 0xaa, 0xe7, 0x1e, 0xbe, 0x51, 0x64, 0x37,
	0xc4, 0xa2, 0x8b, 0x73, 0xe3, 0x69, 0x5c, 0x6c, 0xe1, 0xf7, 0xf9, 0x54, 0x5d, 0xa8, 0xee, 0x6b,
}

// Default returns the configuration of a wasup that was told nothing. It is
// valid.
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
			KeepaliveStale:  3 * time.Minute,
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
			MaxSize: 100 << 20, FetchTimeout: time.Minute, Keep: 24 * time.Hour,
			KeepIncomingTotal: 1 << 30, KeepIncomingMaxSize: 100 << 20,
		},
		Events: Events{
			RetentionAge: 7 * 24 * time.Hour, RetentionCount: 1_000_000, MaxAge: 30 * 24 * time.Hour, MaxCount: 5_000_000,
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
