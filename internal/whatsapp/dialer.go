package whatsapp

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.mau.fi/util/dbutil"
	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/store/sqlstore"
	"go.mau.fi/whatsmeow/store/sqlstore/upgrades"
	"go.mau.fi/whatsmeow/types"

	"wasup/internal/session"
	"wasup/internal/whatsapp/ratchet"
)

// Defaults of Config.
const (
	DefaultKeepAliveStale = 3 * time.Minute
	DefaultConnectTimeout = 20 * time.Second
	DefaultDeviceName     = "wasup"
)

// upgradeTimeout bounds the creation and the upgrade of whatsmeow's tables.
const upgradeTimeout = 2 * time.Minute

// Devices knows which stored device belongs to which session.
type Devices interface {
	// DeviceOf gives the JID of the session's device, or "" where none is bound.
	DeviceOf(ctx context.Context, id session.ID) (string, error)
	// BindDevice binds the device with this JID to the session; "" unbinds.
	BindDevice(ctx context.Context, id session.ID, jid string) error
	// ProxyOf gives the URL of the session's own proxy, credentials included, or "" where it has none.
	ProxyOf(ctx context.Context, id session.ID) (string, error)
}

// Config is what a Dialer needs. DB and Devices are required.
type Config struct {
	WebsocketURL  string           // ws:// or wss://; default WhatsApp's own
	RootPublicKey [32]byte         // of the server's certificates; zero is WhatsApp's own. One value a process.
	DB            *dbutil.Database // holds whatsmeow's tables beside the caller's; its owner closes it after Close
	Read          *dbutil.Database // the same as what has been committed to it, for those who only read; default DB
	// Commit runs work in a transaction of DB, which its context carries, and returns once that is on the disk. It may run
	// several works in one transaction, and a work more than once. Default: a transaction for each.
	Commit         func(ctx context.Context, work func(ctx context.Context) error) error
	Devices        Devices
	Journal        EventLog      // keeps what is received before WhatsApp is told that it arrived; nil: nobody wants it
	Sent           Sent          // tells what could be chosen in a poll that the session sent; nil: nobody knows
	KeepAliveStale time.Duration // unanswered pings for longer than this end the run; default 3 minutes
	ConnectTimeout time.Duration // of dial and handshake together; default 20 s
	// Proxy is the URL of the proxy of sessions that have none of their own: http, https or socks5, with credentials if
	// need be. {id} stands for the session's id and {n} for its place in a pool, a number from 0 to ProxyPoolSize-1 that
	// follows from the id. Default "": such sessions connect as the process' environment says, and straight to loopback.
	Proxy         string
	ProxyPoolSize int
	// Files keeps the files of outgoing messages; nil: messages with a file are refused.
	Files      Files
	DeviceName string       // what the phone shows among the linked devices; default "wasup". One value a process.
	Log        *slog.Logger // nil discards
}

// Dialer opens client runs. It is the session.Dialer of the process.
type Dialer struct {
	endpoint       endpoint
	routes         *routes
	db             *dbutil.Database // as the container sees it
	container      *sqlstore.Container
	ratchets       *ratchet.Shared
	devices        Devices
	files          Files
	uploads        *uploads
	journal        EventLog
	sent           Sent
	keepAliveStale time.Duration
	connectTimeout time.Duration
	log            *slog.Logger
	closings       sync.WaitGroup // runs that have not been taken down yet
	stanzasWaiting atomic.Int64   // to be handled
}

var _ session.Dialer = (*Dialer)(nil)

// New checks the configuration, sets what whatsmeow keeps process-wide and creates or upgrades whatsmeow's tables. A
// second Dialer of a process needs the same RootPublicKey and DeviceName.
func New(cfg Config) (*Dialer, error) {
	const op = "new dialer"
	target, err := parseEndpoint(cfg.WebsocketURL)
	if err != nil {
		return nil, &session.Error{Code: session.CodeInvalidRequest, Op: op, Field: "WebsocketURL", Message: err.Error()}
	}
	if err = cfg.complete(); err != nil {
		return nil, err
	}
	if err = claimProcess(cfg.RootPublicKey, cfg.DeviceName); err != nil {
		return nil, &session.Error{Code: session.CodeInvalidRequest, Op: op, Message: err.Error(), Err: err}
	}
	sent, err := newUploads()
	if err != nil {
		return nil, &session.Error{Code: session.CodeInternal, Op: op, Err: err}
	}
	db, container, err := upgradedTables(context.Background(), cfg.DB, cfg.Log)
	if err != nil {
		return nil, err
	}
	reading := sqlstore.NewWithWrappedDB(cfg.Read.Child("whatsmeow_version", upgrades.Table, nil), newLogger(cfg.Log, "store"))
	ratchets := ratchet.New(context.Background(), ratchet.Config{
		DB: cfg.DB, Read: cfg.Read, Commit: cfg.Commit, Writing: container, Reading: reading, Format: sessionRecords(), Log: cfg.Log,
	})
	return &Dialer{
		endpoint: target,
		routes:   &routes{devices: cfg.Devices, template: cfg.Proxy, poolSize: cfg.ProxyPoolSize, endpoint: target, direct: newDirect(target)},
		db:       db, container: container, ratchets: ratchets, devices: cfg.Devices, journal: cfg.Journal, sent: cfg.Sent,
		files: cfg.Files, uploads: sent,
		keepAliveStale: cfg.KeepAliveStale, connectTimeout: cfg.ConnectTimeout, log: cfg.Log,
	}, nil
}

// complete fills the defaults in and names the first field that cannot be.
func (c *Config) complete() error {
	invalid := func(field, expected string) error {
		return &session.Error{
			Code: session.CodeInvalidRequest, Op: "new dialer", Field: field,
			Message: fmt.Sprintf("%s: expected %s", field, expected),
		}
	}
	switch {
	case c.DB == nil:
		return invalid("DB", "a database")
	case c.Devices == nil:
		return invalid("Devices", "the sessions' devices")
	case c.KeepAliveStale < 0:
		return invalid("KeepAliveStale", "a positive duration, or 0 for 3m")
	case c.ConnectTimeout < 0:
		return invalid("ConnectTimeout", "a positive duration, or 0 for 20s")
	}
	if field, message := checkTemplate(c.Proxy, c.ProxyPoolSize); field != "" {
		return invalid(field, strings.TrimPrefix(message, "expected "))
	}
	if c.Read == nil {
		c.Read = c.DB
	}
	if c.KeepAliveStale == 0 {
		c.KeepAliveStale = DefaultKeepAliveStale
	}
	if c.ConnectTimeout == 0 {
		c.ConnectTimeout = DefaultConnectTimeout
	}
	if c.DeviceName == "" {
		c.DeviceName = DefaultDeviceName
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return nil
}

// StanzasWaiting is how many stanzas of all runs were received and are not handled yet.
func (d *Dialer) StanzasWaiting() int { return int(d.stanzasWaiting.Load()) }

// Open implements session.Dialer.
func (d *Dialer) Open(ctx context.Context, run session.Run) (session.Client, error) {
	device, err := d.device(ctx, run.Session)
	if err != nil {
		return nil, err
	}
	way, err := d.routes.of(ctx, run.Session)
	if err != nil {
		return nil, err
	}
	c := newClient(ctx, d, run, device, way)
	if err = c.connect(ctx); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// device loads the session's device. Only a database that answers "there is none" makes a new one: a failing database
// taken for that would show a QR to somebody who is linked.
func (d *Dialer) device(ctx context.Context, id session.ID) (*store.Device, error) {
	const op = "load device"
	bound, err := d.devices.DeviceOf(ctx, id)
	if err != nil {
		return nil, storeError(op, id, err)
	}
	if bound == "" {
		return d.container.NewDevice(), nil
	}
	jid, err := types.ParseJID(bound)
	if err != nil {
		return nil, &session.Error{
			Code: session.CodeInternal, Op: op, Session: id,
			Message: "the stored device of the session has no valid JID", Err: err,
		}
	}
	device, err := d.container.GetDevice(ctx, jid)
	if err != nil {
		return nil, storeError(op, id, err)
	}
	if device != nil {
		device.PreKeys = batchedPreKeys{device.PreKeys, d.db}
		return device, nil
	}
	// The session was bound and the credentials are gone: a pairing that did not finish, or a logout that whatsmeow
	// carried out just before the process ended.
	d.log.Info("the session's device is gone, unbinding it", "session", id)
	if err = d.devices.BindDevice(ctx, id, ""); err != nil {
		return nil, storeError(op, id, err)
	}
	return d.container.NewDevice(), nil
}

// Forget implements session.Dialer. The credentials go first: an interruption leaves a binding to nothing, which the
// next Open clears, and never credentials without a session.
func (d *Dialer) Forget(ctx context.Context, id session.ID) error {
	const op = "forget device"
	bound, err := d.devices.DeviceOf(ctx, id)
	if err != nil {
		return storeError(op, id, err)
	}
	if bound == "" {
		return nil
	}
	if jid, parseErr := types.ParseJID(bound); parseErr == nil {
		if err = d.container.DeleteDevice(ctx, &store.Device{ID: &jid}); err != nil {
			return storeError(op, id, err)
		}
	}
	if err = d.devices.BindDevice(ctx, id, ""); err != nil {
		return storeError(op, id, err)
	}
	return nil
}

// Close waits until the runs that were opened and closed are taken down, or ctx ends. It closes none by itself, and
// not the database.
func (d *Dialer) Close(ctx context.Context) error {
	done := make(chan struct{})
	go func() {
		d.closings.Wait()
		d.ratchets.Close()
		close(done)
	}()
	select {
	case <-done:
		d.routes.direct.end()
		return nil
	case <-ctx.Done():
		return fmt.Errorf("waiting for client runs to end: %w", ctx.Err())
	}
}
