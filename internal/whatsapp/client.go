package whatsapp

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/socket"
	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"

	"wasup/internal/session"
)

const (
	closeTimeout = 5 * time.Second  // of Close
	quietTimeout = time.Second      // for whatsmeow's reader to come to rest, as part of it
	storeTimeout = 10 * time.Second // of what the handlers write
)

// Client is one run: one whatsmeow client, one connection. It is the session.Client that Dialer.Open gives.
type Client struct {
	dialer  *Dialer
	run     session.Run
	wa      *whatsmeow.Client
	attempt *attempt
	route   *route   // given back when the run is taken down
	ratchet *ratchet // nil until the device is paired: such a run sends and receives nothing
	stanzas *stanzas
	// credentials are of the device, nil until it is paired: whatsmeow itself takes back a pairing that fails.
	credentials *credentials
	log         *slog.Logger
	// life is the context of everything whatsmeow does for this run. It ends after the connection does, because
	// whatsmeow's socket races with itself when its context ends first.
	life    context.Context
	end     context.CancelFunc
	sending chan struct{} // held by the one send in flight
	gone    chan struct{} // closed when Close begins
	down    chan struct{} // closed when the run is taken down
	deaf    atomic.Bool   // what is received can be kept no longer
	severed atomic.Bool   // the connection is over: what waits for an answer is about to fail
	work    sync.WaitGroup

	mu      sync.Mutex
	jid     types.JID // the device; empty until it is paired
	lid     types.JID
	name    string
	pairing bool           // accepted by us and not yet confirmed to the phone
	paired  bool           // in this run
	kept    *session.Input // the login request that came before the pairing's confirmation
	refusal *session.Input // why we refused a pairing
	ended   bool           // the connection
	spent   bool           // an input was posted after which there is none
	closed  bool
	retired bool                // the device is forgotten: what writes to its tables fails from now on
	awaited map[string]struct{} // messages of which an attempt waits for the acknowledgement
	broken  error               // of the database: the run is ending
	unwatch func() bool         // stops watching the caller's context
}

var _ session.Client = (*Client)(nil)

func newClient(ctx context.Context, d *Dialer, run session.Run, device *store.Device, way *route) *Client {
	log := d.log.With("session", run.Session, "incarnation", run.Incarnation)
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	c := &Client{
		dialer: d, run: run, route: way, log: log, life: life, end: end,
		sending: make(chan struct{}, 1), gone: make(chan struct{}), down: make(chan struct{}),
		lid: device.LID, name: device.PushName, awaited: map[string]struct{}{},
	}
	if device.ID != nil {
		c.jid = *device.ID // copied now: whatsmeow changes the device while it runs, without a lock
		c.credentials = &credentials{DeviceContainer: device.Container}
		device.Container = c.credentials
		c.ratchet = d.wrap(device, c.storeFailed)
	}
	c.attempt = &attempt{endpoint: d.endpoint, transport: way.transport, cancel: end, onEnd: c.cut}
	c.stanzas = newStanzas(&d.stanzas, c.recovered, c.stuck)
	waLog := newLogger(log, "whatsmeow")
	waLog.arrive, waLog.over = c.stanzas.arrive, c.gone
	c.wa = whatsmeow.NewClient(device, waLog)
	slim(c.wa)
	c.stanzas.active = guardHandlers(c.wa, c.stanzas.wrap)
	c.configure()
	d.closings.Add(1)
	return c
}

// configure sets every choice that whatsmeow leaves to its user.
func (c *Client) configure() {
	wa := c.wa
	// One owner of reconnects: the machine. A client has one connection, so that no event can belong to another one.
	wa.EnableAutoReconnect = false
	wa.InitialAutoReconnect = false
	wa.DisableLoginAutoReconnect = true
	wa.BackgroundEventCtx = c.life
	// A message is acknowledged after our handler has returned, so that one we could not keep comes again.
	wa.SynchronousAck = true
	// Recipients who cannot decrypt a message ask for it again, perhaps after we reconnected: a new client's memory
	// does not have it, the database does.
	wa.UseRetryMessageStore = true
	wa.SetMaxParallelRetryReceiptHandling(4)
	// A text is stored together with the key that was spent on it, until it was handled: after a crash in between WhatsApp
	// delivers the message again, and it could not be decrypted a second time.
	wa.EnableDecryptedEventBuffer = true
	// A recipient's new phone must not make sending fail; the safety number is the phone's affair, not a service's.
	wa.AutoTrustIdentity = true
	// The history of a phone can be hundreds of megabytes. The blobs are acknowledged and not downloaded.
	wa.ManualHistorySyncDownload = true
	wa.EmitAppStateEventsOnFullSync = false
	wa.PrePairCallback = c.prePair
	// Only Messenger has this token. whatsmeow calls the function on failures 413 and 414 of any server, and without one
	// the whole process would end in a panic on a goroutine of whatsmeow's.
	wa.RefreshCAT = func(context.Context) error { return errNoToken }
	wa.GetClientPayload = c.payload
	conn := c.attempt.httpClient()
	wa.SetWebsocketHTTPClient(conn)
	wa.SetPreLoginHTTPClient(conn)
	wa.SetMediaHTTPClient(c.route.media)
	// Register before connecting: events of the handshake would be lost otherwise.
	wa.AddEventHandlerWithSuccessStatus(c.handle)
}

// connect returns once the handshake is done. ctx may end the run at any time, now or later.
func (c *Client) connect(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { c.attempt.abort(errRunEnded) })
	timer := time.AfterFunc(c.dialer.connectTimeout, func() { c.attempt.abort(errConnectTimeout) })
	err := c.wa.ConnectContext(c.life)
	timer.Stop()
	stop()
	if err = c.attempt.finish(err); err != nil {
		return connectError(c.run.Session, err)
	}
	guardFrames(c.wa, c.contain)
	c.attempt.current().admit()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.unwatch = context.AfterFunc(ctx, c.Close)
	return nil
}

// contain makes of a panic of whatsmeow's reader the end of this run; unguarded it would be the end of the process.
func (c *Client) contain(next socket.FrameHandler) socket.FrameHandler {
	return func(ctx context.Context, frame []byte) {
		whole := false
		defer func() {
			if !whole {
				c.stanzas.stop() // what comes next may build on what was not read
			}
		}()
		defer c.recovered("reader")
		next(ctx, frame)
		whole = true
	}
}

// handle receives whatsmeow's events, on several of its goroutines at once, and reports whether WhatsApp may be told that
// they arrived. It waits for nothing but the database, for what has to be kept, and never calls back into whatsmeow's
// handler list or socket.
func (c *Client) handle(evt any) bool {
	defer c.recovered("event handler")
	if kept, ours := c.receive(evt); ours {
		return kept
	}
	c.observe(evt)
	return true
}

// observe tells the machine what concerns it.
func (c *Client) observe(evt any) {
	in, ok := classify(evt, time.Now(), c.dialer.keepAliveStale)
	if !ok {
		c.note(evt)
		return
	}
	if _, failed := evt.(*events.PairError); failed {
		c.retire(c.refused(in))
		return
	}
	switch in.Kind {
	case session.SocketUp:
		in.Account = c.account()
		c.post(in)
		c.announce()
	case session.SocketLost:
		// Sends in flight wait 5 s for a reconnect that will not come, unless the end was expected.
		expectDisconnect(c.wa)
		c.post(in)
	case session.LoginReconnect:
		c.postReconnect(in)
	case session.Paired:
		c.postPaired(in)
	case session.LoggedOut, session.Banned:
		c.retire(in)
	default:
		c.post(in)
	}
}

// note logs what is of use to an operator and of none to the machine.
func (c *Client) note(evt any) {
	switch e := evt.(type) {
	case *events.QRScannedWithoutMultidevice:
		c.log.Info("the code was scanned by a phone that does not allow linked devices; it can be scanned again")
	case *events.KeepAliveTimeout:
		c.log.Debug("ping not answered", "count", e.ErrorCount)
	case *events.KeepAliveRestored:
		c.log.Debug("pings are answered again")
	case *events.PushNameSetting, *events.AppStateSyncComplete:
		c.named(evt)
	}
}

// post hands an input over, unless the run is closed or has said its last.
func (c *Client) post(in session.Input) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.postLocked(in)
}

func (c *Client) postLocked(in session.Input) {
	if c.closed || c.spent {
		return
	}
	in.Incarnation = c.run.Incarnation
	c.run.Post(in)
	// After the post: where it panics, the crash that is posted instead is the run's last word.
	c.spent = final(in.Kind)
}

// storeFailed ends a run that cannot keep what it receives: the messages that were not acknowledged come again.
// So do those whose parts whatsmeow could not store, such as a group's key: it only logs that and would acknowledge them.
func (c *Client) storeFailed(err error) {
	c.deafen()
	c.mu.Lock()
	retired, closed := c.retired, c.closed
	if c.broken == nil && !retired {
		c.broken = err
	}
	c.mu.Unlock()
	failRequests(c.wa) // nothing that is waited for comes now
	if retired || closed {
		// It is no fault of the database, and the run's last word is another one.
		c.log.Debug("nothing more is received", "err", err)
		return
	}
	c.log.Warn("the database fails, so nothing more is received", "err", err)
	c.post(session.Input{Kind: session.StoreFailed, Detail: "what was received could not be stored"})
}

// recovered is deferred by everything of ours that runs on a goroutine nobody else guards. whatsmeow would swallow a
// handler's panic, so it is posted: a bug is the supervisor's business.
func (c *Client) recovered(where string) {
	cause := recover()
	if cause == nil {
		return
	}
	defer func() {
		if again := recover(); again != nil {
			c.log.Error("posting a crash panicked", "where", where, "err", fmt.Sprint(again))
		}
	}()
	c.post(session.Input{
		Kind: session.Crashed, Detail: crashLine(where, cause), Stack: string(debug.Stack()),
	})
}

// stuck is told of a stanza whose handling does not end. All that came after it waits, so the run is given up.
func (c *Client) stuck(tag string) {
	c.post(session.Input{Kind: session.Crashed, Detail: "handling of a stanza: " + tag + " has not ended in " + stuckAfter.String()})
}

// crashLine is one line of bounded length without numbers of people.
func crashLine(where string, cause any) string {
	const limit = 200
	reason, _, _ := strings.Cut(mask(fmt.Sprint(cause)), "\n")
	if len(reason) > limit {
		reason = strings.ToValidUTF8(reason[:limit], "") + "…"
	}
	return where + ": " + reason
}

// spawn runs work on a goroutine that Close waits for. After Close began nothing is spawned.
func (c *Client) spawn(where string, work func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return
	}
	c.work.Go(func() {
		defer c.recovered(where)
		work()
	})
}

// cut is called on the reader's goroutine at the end of the connection.
func (c *Client) cut() {
	defer c.recovered("end of the connection")
	c.severed.Store(true)
	c.stanzas.stop()
	failRequests(c.wa)
	c.linkEnded()
}

// linkEnded is called when whatsmeow is about to learn that the connection is over. It tells everybody but one: an end
// after a pairing is expected, so whatsmeow emits nothing, and without the login request (515) nothing would follow.
func (c *Client) linkEnded() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = true
	if c.paired {
		c.postLocked(afterPairing)
	}
}

var afterPairing = session.Input{Kind: session.SocketLost, Detail: "the connection ended after the pairing, without a login request"}

// postReconnect keeps the login request back while a pairing is being confirmed: whatsmeow handles the two on different
// goroutines, and the request can overtake the pairing that it belongs to.
func (c *Client) postReconnect(in session.Input) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pairing {
		c.kept = &in
		return
	}
	c.postLocked(in)
}

func (c *Client) postPaired(in session.Input) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pairing, c.paired = false, true
	c.postLocked(in)
	switch {
	case c.kept != nil:
		c.postLocked(*c.kept)
	case c.ended:
		c.postLocked(afterPairing)
	}
}

func (c *Client) account() session.Account {
	c.mu.Lock()
	defer c.mu.Unlock()
	account := session.Account{PushName: c.name}
	if !c.jid.IsEmpty() {
		account.JID = c.jid.String()
	}
	if !c.lid.IsEmpty() {
		account.LID = c.lid.String()
	}
	return account
}

// Close implements session.Client. It waits up to 5 s for the run to be taken down; what then remains ends by itself.
func (c *Client) Close() {
	c.mu.Lock()
	first := !c.closed
	c.closed = true
	unwatch := c.unwatch
	c.mu.Unlock()
	if first {
		close(c.gone)
		if unwatch != nil {
			unwatch()
		}
		go c.takeDown()
	}
	timer := time.NewTimer(closeTimeout)
	defer timer.Stop()
	select {
	case <-c.down:
	case <-timer.C:
		c.log.Warn("the client is slow to close")
	}
}

// takeDown ends the connection first and the context after it; see life.
func (c *Client) takeDown() {
	defer c.dialer.closings.Done()
	defer close(c.down)
	defer c.dialer.routes.release(c.route)
	defer c.recovered("close")
	// What whatsmeow still hands over is not kept any more, and so comes again. The handler stays: without one whatsmeow
	// takes everything for handled, and a message that it marks so is not decrypted again.
	c.deaf.Store(true)
	c.stanzas.stop()
	if l := c.attempt.current(); l != nil {
		c.disconnect(l)
	}
	c.end()
	c.work.Wait()
	if c.ratchet != nil {
		c.ratchet.close()
	}
}

func (c *Client) disconnect(l *link) {
	defer func() { _ = l.finish() }()
	if !l.hold(quietTimeout) {
		expectDisconnect(c.wa)
		return
	}
	// Disconnect writes a close frame, for which the WebSocket library allows 5 s: a peer that does not read must not
	// hold us up that long.
	timer := time.AfterFunc(quietTimeout, func() { _ = l.finish() })
	defer timer.Stop()
	failRequests(c.wa)
	c.wa.Disconnect()
}
