package whatsapp

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.mau.fi/util/dbutil"
	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/types"

	"wasup/internal/session"
	"wasup/internal/whatsapp/codes"
	"wasup/internal/whatsapp/inbound"
	"wasup/internal/whatsapp/numbers"
	"wasup/internal/whatsapp/routes"
	"wasup/internal/whatsapp/timers"
)

// Defaults of Config.
const (
	DefaultKeepAliveStale = 45 * time.Second
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
	// DetachDevice unbinds the session's device and marks it as one to unlink. It does nothing if no device is bound.
	DetachDevice(ctx context.Context, id session.ID) error
	// ToUnlink lists the marked devices in the order in which their attempts are due. BindDevice removes the mark of its
	// device.
	ToUnlink(ctx context.Context) ([]session.Detached, error)
	// MarkedToUnlink reports whether a device is still marked.
	MarkedToUnlink(ctx context.Context, device string) (bool, error)
	// UnlinkFailed stores the number of attempts to unlink a device, and when the next one is due.
	UnlinkFailed(ctx context.Context, device string, attempts int, next time.Time) error
	// UnlinkOver removes the mark of a device, and reports whether there was one.
	UnlinkOver(ctx context.Context, device string) (marked bool, err error)
}

// Config configures a Dialer. DB and Devices are required.
type Config struct {
	WebsocketURL  string           // ws:// or wss://; default WhatsApp's own
	RootPublicKey [32]byte         // that signs the server's certificates; zero means WhatsApp's own. One value a process.
	DB            *dbutil.Database // holds whatsmeow's tables beside the caller's; its owner closes it after Stop
	Read          *dbutil.Database // reads what is committed to DB; default DB
	// Commit runs work in a transaction of DB, which the work's context carries, and returns once it is on the disk. It
	// may run several works in one transaction, and a work more than once. Default: one transaction for each work.
	Commit  func(ctx context.Context, work func(ctx context.Context) error) error
	Devices Devices
	Journal inbound.EventLog // stores received events before they are acknowledged to WhatsApp; nil: they are not stored
	Sent    inbound.Sent     // finds the session's sent messages, for the options of its polls; nil: not known
	Revoked inbound.Revoked  // knows what the session has deleted for everyone; nil: not known
	Aliases numbers.Aliases  // remembers numbers that WhatsApp writes otherwise; nil: WhatsApp is asked each time
	Timers  timers.Table     // stores the disappearing timers of chats; nil: messages are sent without them
	// Claim is told the account of each login, before the session is READY. If it fails, the run ends and the session waits
	// for the database. nil: nobody is told.
	Claim          func(ctx context.Context, id session.ID, account session.Account) error
	KeepAliveStale time.Duration // a run ends if pings stay unanswered for longer; default 45 s
	ConnectTimeout time.Duration // limit for dial and handshake together; default 20 s
	UnlinkPause    time.Duration // between the first two attempts to unlink a detached device, then doubled up to 360 times as much; default 5 s
	UnlinkFor      time.Duration // after it a detached device is given up; default 7 days
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

// Dialer opens client runs, between Start and Stop. It is the session.Dialer of the process.
type Dialer struct {
	config         Config
	endpoint       routes.Endpoint
	routes         *routes.Routes
	devices        Devices
	files          Files
	uploads        *uploads
	journal        inbound.EventLog
	sent           inbound.Sent
	claim          func(ctx context.Context, id session.ID, account session.Account) error
	keepAliveStale time.Duration
	connectTimeout time.Duration
	log            *slog.Logger
	unlinker       *unlinker
	acceptance     acceptance
	stanzasWaiting atomic.Int64 // stanzas of all runs that wait to be handled
	failures       failures

	life     context.Context // of the runs
	end      context.CancelFunc
	closings sync.WaitGroup // runs that are not taken down yet, and calls that are not over
	stop     sync.Once
	ended    chan struct{} // closed when nothing of the dialer runs any more

	mu      sync.Mutex
	tables  *tables // from Start on
	stopped bool
	runs    map[*Client]struct{} // that are connected
}

var _ session.Dialer = (*Dialer)(nil)

// New makes a Dialer that has not started. It checks the configuration and sets whatsmeow's process-wide variables. A
// second Dialer in a process needs the same RootPublicKey and DeviceName. Errors are *session.Error.
func New(cfg Config) (*Dialer, error) {
	const op = "new dialer"
	target, err := routes.ParseEndpoint(cfg.WebsocketURL)
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
	life, end := context.WithCancel(context.Background())
	d := &Dialer{
		config: cfg, endpoint: target,
		routes:  routes.New(routes.Config{Endpoint: target, ProxyOf: cfg.Devices.ProxyOf, Template: cfg.Proxy, PoolSize: cfg.ProxyPoolSize}),
		devices: cfg.Devices, journal: cfg.Journal, sent: cfg.Sent, claim: cfg.Claim, files: cfg.Files, uploads: sent,
		keepAliveStale: cfg.KeepAliveStale, connectTimeout: cfg.ConnectTimeout, log: cfg.Log,
		life: life, end: end, ended: make(chan struct{}), runs: make(map[*Client]struct{}),
	}
	d.unlinker = newUnlinker(d)
	// Twice the pauses of the supervisor's circuit breaker: where a session can find out whether a version is accepted, it does.
	d.acceptance.pause = session.Backoff{First: 2 * cfg.UnlinkPause, Longest: unlinkGrowth * cfg.UnlinkPause}
	d.acceptance.accepted = d.unlinker.look
	return d, nil
}

// Start creates or upgrades whatsmeow's tables. Runs can be opened afterwards. It is called once. Errors are
// CodeShuttingDown after Stop, and those of the database.
func (d *Dialer) Start(ctx context.Context) error {
	const op = "start dialer"
	d.mu.Lock()
	if d.stopped {
		d.mu.Unlock()
		return shuttingDown(op, "")
	}
	d.closings.Add(1)
	d.mu.Unlock()
	defer d.closings.Done()
	ctx, leave := d.within(ctx)
	defer leave()
	opened, err := openTables(ctx, &d.config)
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.tables = opened
	if d.stopped { // and closes them
		return shuttingDown(op, "")
	}
	d.closings.Add(1)
	go d.unlinker.work(opened)
	d.closings.Go(func() { watchClock(d.life, wallClock, d.suspectLinks) })
	return nil
}

// begin counts a call, so that Stop waits for it. The call ends with closings.Done.
func (d *Dialer) begin(op string, id session.ID) (*tables, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.stopped:
		return nil, shuttingDown(op, id)
	case d.tables == nil:
		return nil, &session.Error{Code: session.CodeInternal, Op: op, Session: id, Message: "the dialer has not started"}
	}
	d.closings.Add(1)
	return d.tables, nil
}

// within returns a context that also ends with the dialer.
func (d *Dialer) within(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	unhook := context.AfterFunc(d.life, cancel)
	return ctx, func() { unhook(); cancel() }
}

func shuttingDown(op string, id session.ID) error {
	return &session.Error{Code: session.CodeShuttingDown, Op: op, Session: id}
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
		return invalid("KeepAliveStale", "a positive duration, or 0 for 45s")
	case c.ConnectTimeout < 0:
		return invalid("ConnectTimeout", "a positive duration, or 0 for 20s")
	}
	if field, message := routes.CheckTemplate(c.Proxy, c.ProxyPoolSize); field != "" {
		return invalid(field, strings.TrimPrefix(message, "expected "))
	}
	if c.Read == nil {
		c.Read = c.DB
	}
	if c.Commit == nil {
		c.Commit = func(ctx context.Context, work func(ctx context.Context) error) error {
			return c.DB.DoTxn(ctx, nil, work)
		}
	}
	if c.KeepAliveStale == 0 {
		c.KeepAliveStale = DefaultKeepAliveStale
	}
	if c.ConnectTimeout == 0 {
		c.ConnectTimeout = DefaultConnectTimeout
	}
	if c.UnlinkPause <= 0 {
		c.UnlinkPause = DefaultUnlinkPause
	}
	if c.UnlinkFor <= 0 {
		c.UnlinkFor = DefaultUnlinkFor
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
	t, err := d.begin("open run", run.Session)
	if err != nil {
		return nil, err
	}
	defer d.closings.Done()
	ctx, leave := d.within(ctx) // the run leaves when it is taken down
	device, err := d.device(ctx, t, run.Session)
	if err != nil {
		leave()
		return nil, err
	}
	way, err := d.routes.Of(ctx, run.Session)
	if err != nil {
		leave()
		return nil, err
	}
	var c *Client
	c = newClient(ctx, d, t, run, device, way, func() { d.removeRun(c); leave() })
	if err = c.connect(ctx); err != nil {
		c.Close()
		return nil, err
	}
	d.addRun(c)
	return c, nil
}

// addRun adds a connected run, unless it is already being taken down.
func (d *Dialer) addRun(c *Client) {
	d.mu.Lock()
	defer d.mu.Unlock()
	select {
	case <-c.teardown.done:
	default:
		d.runs[c] = struct{}{}
	}
}

func (d *Dialer) removeRun(c *Client) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.runs, c)
}

// suspectLinks makes every run check its link: the machine has slept, and the links may not have survived it.
func (d *Dialer) suspectLinks(slept time.Duration) {
	d.mu.Lock()
	runs := slices.Collect(maps.Keys(d.runs))
	d.mu.Unlock()
	d.log.Info("the clock has jumped, as after a sleep of the machine: the links are checked", "by", slept.Round(time.Second), "links", len(runs))
	for _, c := range runs {
		c.liveness.suspect()
	}
}

// device loads the session's device. It makes a new device only if the database answers that there is none. If it took
// a database failure for that answer, a session that is linked would show a QR.
func (d *Dialer) device(ctx context.Context, t *tables, id session.ID) (*store.Device, error) {
	const op = "load device"
	bound, err := d.devices.DeviceOf(ctx, id)
	if err != nil {
		return nil, codes.StoreError(op, id, err)
	}
	if bound == "" {
		return t.container.NewDevice(), nil
	}
	jid, err := types.ParseJID(bound)
	if err != nil {
		return nil, &session.Error{
			Code: session.CodeInternal, Op: op, Session: id,
			Message: "the stored device of the session has no valid JID", Err: err,
		}
	}
	device, err := t.container.GetDevice(ctx, jid)
	if err != nil {
		return nil, codes.StoreError(op, id, err)
	}
	if device != nil {
		device.PreKeys = batchedPreKeys{device.PreKeys, t.db}
		return device, nil
	}
	// The session is bound, but its credentials do not exist: a pairing did not finish, or whatsmeow deleted them after a
	// logout just before the process ended.
	d.log.Info("the session's device is gone, unbinding it", "session", id)
	if err = d.devices.BindDevice(ctx, id, ""); err != nil {
		return nil, codes.StoreError(op, id, err)
	}
	return t.container.NewDevice(), nil
}

// Forget implements session.Dialer. It deletes the credentials first: an interruption then leaves a binding without a
// device, which the next Open clears, and never credentials without a session.
func (d *Dialer) Forget(ctx context.Context, id session.ID) error {
	const op = "forget device"
	t, err := d.begin(op, id)
	if err != nil {
		return err
	}
	defer d.closings.Done()
	bound, err := d.devices.DeviceOf(ctx, id)
	if err != nil {
		return codes.StoreError(op, id, err)
	}
	if bound == "" {
		return nil
	}
	if jid, parseErr := types.ParseJID(bound); parseErr == nil {
		if err = t.container.DeleteDevice(ctx, &store.Device{ID: &jid}); err != nil {
			return codes.StoreError(op, id, err)
		}
	}
	if err = d.devices.BindDevice(ctx, id, ""); err != nil {
		return codes.StoreError(op, id, err)
	}
	return nil
}

// Stop ends the runs and returns when nothing of them is left, or when ctx ends. It does not close the database. It is
// idempotent and legal before Start; a later call waits on.
func (d *Dialer) Stop(ctx context.Context) error {
	d.mu.Lock()
	d.stopped = true
	d.mu.Unlock()
	d.stop.Do(func() {
		d.end()
		go d.finish()
	})
	select {
	case <-d.ended:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("waiting for client runs to end: %w", ctx.Err())
	}
}

// finish waits for the runs. Nothing is counted in any more, so that waiting cannot race with counting.
func (d *Dialer) finish() {
	defer close(d.ended)
	d.closings.Wait()
	d.mu.Lock()
	t := d.tables
	d.mu.Unlock()
	if t != nil {
		t.ratchets.Close()
	}
	d.routes.Close()
}
