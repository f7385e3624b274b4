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

// Devices stores which device and which proxy a session has.
type Devices interface {
	// DeviceOf returns the JID of the session's device, or "" if none is bound.
	DeviceOf(ctx context.Context, id session.ID) (string, error)
	// BindDevice binds the device with this JID to the session; "" unbinds it.
	BindDevice(ctx context.Context, id session.ID, jid string) error
	// ProxyOf returns the URL of the session's own proxy with its credentials, or "" if it has none.
	ProxyOf(ctx context.Context, id session.ID) (string, error)
}

// Config configures a Dialer. DB and Devices are required.
type Config struct {
	WebsocketURL  string           // ws:// or wss://; default WhatsApp's own
	RootPublicKey [32]byte         // that signs the server's certificates; zero means WhatsApp's own. One value a process.
	DB            *dbutil.Database // holds whatsmeow's tables beside the caller's; its owner closes it after Dialer.Close
	Read          *dbutil.Database // reads what is committed to DB; default DB
	// Commit runs work in a transaction of DB, which the work's context carries, and returns once it is on the disk. It
	// may run several works in one transaction, and a work more than once. Default: one transaction for each work.
	Commit         func(ctx context.Context, work func(ctx context.Context) error) error
	Devices        Devices
	Journal        EventLog      // stores received events before they are acknowledged to WhatsApp; nil: they are not stored
	Sent           Sent          // finds the session's sent messages, for the options of its polls; nil: not known
	KeepAliveStale time.Duration // a run ends if pings stay unanswered for longer; default 3 minutes
	ConnectTimeout time.Duration // limit for dial and handshake together; default 20 s
	// Proxy is the URL of the proxy for sessions that have none of their own: http, https or socks5, with credentials if
	// needed. {id} is replaced by the session's id, {n} by its number in a pool, from 0 to ProxyPoolSize-1, which is
	// derived from the id. Default "": such sessions use the proxy of the process' environment, and none for loopback
	// addresses.
	Proxy         string
	ProxyPoolSize int
	// Files stores the files of outgoing messages; nil: messages with a file are refused.
	Files      Files
	DeviceName string       // the name in the phone's list of linked devices; default "wasup". One value a process.
	Log        *slog.Logger // nil discards
}

// Dialer opens client runs. It is the session.Dialer of the process.
type Dialer struct {
	endpoint       endpoint
	routes         *routes
	db             *dbutil.Database // the database as the container uses it
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
	stanzasWaiting atomic.Int64   // stanzas of all runs that wait to be handled
}

var _ session.Dialer = (*Dialer)(nil)

// New makes the Dialer. It checks the configuration, sets whatsmeow's process-wide variables, and creates or upgrades
// whatsmeow's tables. A second Dialer in a process needs the same RootPublicKey and DeviceName. Errors are
// *session.Error.
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

// complete sets the defaults. The error names the first invalid field.
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

// StanzasWaiting returns how many received stanzas of all runs are not handled yet.
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

// device loads the session's device. It makes a new device only if the database answers that there is none. If it took
// a database failure for that answer, a session that is linked would show a QR.
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
	// The session is bound, but its credentials do not exist: a pairing did not finish, or whatsmeow deleted them after a
	// logout just before the process ended.
	d.log.Info("the session's device is gone, unbinding it", "session", id)
	if err = d.devices.BindDevice(ctx, id, ""); err != nil {
		return nil, storeError(op, id, err)
	}
	return d.container.NewDevice(), nil
}

// Forget implements session.Dialer. It deletes the credentials first: an interruption then leaves a binding without a
// device, which the next Open clears, and never credentials without a session.
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

// Close waits until the runs that were closed are taken down, or until ctx ends. It closes neither runs nor the
// database.
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
