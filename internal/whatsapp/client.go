package whatsapp

import (
	"context"
	"errors"
	"os"
	"time"

	"go.mau.fi/whatsmeow"
	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/proto/waWa6"
	"go.mau.fi/whatsmeow/socket"
	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/types/events"

	"wasup/internal/message"
	"wasup/internal/session"
	"wasup/internal/whatsapp/codes"
	"wasup/internal/whatsapp/inbound"
	"wasup/internal/whatsapp/numbers"
	"wasup/internal/whatsapp/outbound"
	"wasup/internal/whatsapp/registration"
	"wasup/internal/whatsapp/routes"
	"wasup/internal/whatsapp/secrets"
	"wasup/internal/whatsapp/stanzas"
	"wasup/internal/whatsapp/timers"
	"wasup/internal/whatsapp/walog"
)

// storeTimeout bounds each database operation of the handlers.
const storeTimeout = 10 * time.Second

// Client is one run: one whatsmeow client on one connection. Dialer.Open returns it as a session.Client. It puts the
// parts of a run together and passes whatsmeow's events to them. Each part owns its state.
type Client struct {
	run        *run
	account    *account
	wa         *whatsmeow.Client
	conn       *attempt
	route      *routes.Route // released when the run is taken down
	stanzas    *stanzas.Queue
	pairing    *pairing
	receiving  *receiving
	messaging  *messaging
	sending    *sending
	teardown   *teardown
	liveness   *liveness
	acceptance *acceptance                                                             // of the client's version, by the logins of all runs
	claim      func(ctx context.Context, id session.ID, account session.Account) error // nil: nobody is told

	connectTimeout time.Duration
}

var (
	_ session.Client = (*Client)(nil)
	_ message.Client = (*Client)(nil)
)

// newClient makes a run that calls leave when it is taken down.
func newClient(ctx context.Context, d *Dialer, t *tables, of session.Run, device *store.Device, way *routes.Route, leave func()) *Client {
	r, own := newRun(ctx, of, device.ID != nil, d.log), newAccount(device)
	c := &Client{run: r, account: own, route: way, acceptance: &d.acceptance, claim: d.claim, connectTimeout: d.connectTimeout}
	c.conn = &attempt{endpoint: d.endpoint, transport: way.Transport, cancel: r.end, onEnd: c.connectionEnded}
	c.stanzas = stanzas.New(&d.stanzasWaiting, r.recovered, r.stuck)
	wa := whatsmeow.NewClient(device, c.logger())
	lids := t.container.LIDMap
	c.wa = wa
	c.liveness = &liveness{run: r, stale: d.keepAliveStale, ping: pinger(wa)}
	c.pairing = &pairing{run: r, account: own, wa: wa, container: t.container, devices: d.devices, takeOver: d.unlinker.takeOver}
	c.messaging = &messaging{run: r, wa: wa, members: members{wa, lids}, book: numbers.Book{
		LIDs: lids, Aliases: d.config.Aliases, Ask: func(ctx context.Context, users []string) (map[string]message.Address, error) {
			ctx, done := requestContext(ctx)
			defer done()
			answers, err := numbers.Ask(ctx, wa, users)
			return numbers.Addresses(answers), err
		},
	}}
	kept := &timers.Keeper{Session: r.Session, Own: own.addresses, LIDs: lids, Table: d.config.Timers}
	c.receiving = &receiving{
		run: r, wa: wa, conn: c.conn, stop: c.stanzas.Stop, journal: d.journal, failures: &d.failures, timers: kept,
		admins: &admins{run: r, wa: wa},
	}
	c.receiving.translator = func() *inbound.Translator { return c.translator(d, t) }
	c.sending = &sending{
		run: r, account: own, wa: wa, messaging: c.messaging, lids: lids, files: d.files, uploads: d.uploads,
		turn: make(chan struct{}, 1), backlog: &backlog{run: r}, timers: kept, translator: c.receiving.translator,
	}
	c.sending.composer = func() *outbound.Composer { return c.composer(d) }
	c.receiving.sending = c.sending
	c.teardown = &teardown{
		run: r, wa: wa, conn: c.conn, stanzas: c.stanzas, closings: &d.closings, done: make(chan struct{}),
		releaseRoute: func() { d.routes.Release(way) }, leave: leave, backlog: c.sending.backlog,
	}
	if device.ID == nil {
		c.pairing.registration = registration.New(device, c.pairing.showAgain)
	} else {
		c.pairing.credentials = &credentials{DeviceContainer: device.Container}
		device.Container = c.pairing.credentials
		c.sending.ratchet = t.ratchets.Wrap(device, c.receiving.tolerates, c.receiving.storeFailed)
		c.teardown.ratchet = c.sending.ratchet
		device.MsgSecrets = secrets.Wrap(device.MsgSecrets, device.IdentityKey, own.addresses)
	}
	c.configure()
	d.closings.Add(1)
	return c
}

// logger returns whatsmeow's logger.
func (c *Client) logger() *walog.Logger {
	return walog.New("whatsmeow", walog.Output{
		Log: c.run.log, Arrive: c.arriving, Leave: c.leaving, Closing: c.run.closing, Expected: errOursToDelete,
	})
}

// translator returns what translates the next event. It is made when it is needed: most clients are idle.
func (c *Client) translator(d *Dialer, t *tables) *inbound.Translator {
	return &inbound.Translator{
		Session: c.run.Session, Own: c.account.addresses, Client: c.wa, Decrypt: decryptSecret(c.wa), Journal: d.journal, Sent: d.sent, Revoked: d.config.Revoked,
		Others: numbers.Pairs{Read: t.read}.Counterparts, IsAdmin: c.receiving.admins.is, Timer: c.receiving.timers.Of,
		Timeout: storeTimeout, Log: c.run.log, Lines: &c.receiving.lines,
	}
}

// composer returns what composes the next message.
func (c *Client) composer(d *Dialer) *outbound.Composer {
	return &outbound.Composer{
		Session: c.run.Session, Own: c.account.addresses, Client: c.wa, Sent: d.sent, Seen: c.sending.translator().Seen,
		Chat: c.messaging.chatWith, People: c.messaging.people, Member: c.messaging.members.address, Timer: c.sending.timerOf,
		Announcements: c.sending.announcements, Upload: c.sending.upload,
		Foreign: c.isForeign,
	}
}

// errNoToken answers whatsmeow when it asks for an authentication token.
var errNoToken = errors.New("WhatsApp has no authentication token to refresh")

// configure sets all options of whatsmeow's client.
func (c *Client) configure() {
	wa := c.wa
	slim(wa)
	c.stanzas.SetActive(guardHandlers(wa, func(tag string, handle stanzas.Handler) stanzas.Handler {
		return c.stanzas.Wrap(c.receiving.counted(tag, c.pairing.wrap(c.sending.followDevices(tag, failFirst(wa, tag, handle)))))
	}))
	// Only the session's machine reconnects. Each client has one connection, so no event can belong to another connection.
	wa.EnableAutoReconnect = false
	wa.InitialAutoReconnect = false
	wa.DisableLoginAutoReconnect = true
	wa.BackgroundEventCtx = c.run.ctx
	// whatsmeow acknowledges a message after our handler has returned, so a message that we could not store comes again.
	wa.SynchronousAck = true
	// A recipient that cannot decrypt a message asks for it again, perhaps after we have reconnected. The memory of a new
	// client does not have the message; the database does.
	wa.UseRetryMessageStore = true
	wa.SetMaxParallelRetryReceiptHandling(4)
	wa.PreRetryCallback = c.sending.expectRetry
	// Store a decrypted text together with the change of its key until the text is handled. After a crash in between,
	// WhatsApp delivers the message again, but it cannot be decrypted a second time.
	wa.EnableDecryptedEventBuffer = true
	// As the official clients do it: the token lets a recipient report a message to WhatsApp.
	wa.SendReportingTokens = true
	// A recipient's new phone must not make a send fail. Checking safety numbers is up to the phone's user, not to a
	// service.
	wa.AutoTrustIdentity = true
	// The history of a phone can be hundreds of megabytes. It is acknowledged but not downloaded.
	wa.ManualHistorySyncDownload = true
	wa.EmitAppStateEventsOnFullSync = false
	wa.PrePairCallback = c.pairing.accept
	// Only Messenger has this token. But whatsmeow calls the function on failures 413 and 414 of any server, and a nil
	// function would panic on one of whatsmeow's goroutines and end the process.
	wa.RefreshCAT = func(context.Context) error { return errNoToken }
	wa.GetClientPayload = func() *waWa6.ClientPayload { return loginPayload(wa.Store) }
	conn := c.conn.httpClient()
	wa.SetWebsocketHTTPClient(conn)
	wa.SetPreLoginHTTPClient(conn)
	wa.SetMediaHTTPClient(c.route.Media)
	// Register before connecting: otherwise the events of the handshake would be lost.
	wa.AddEventHandlerWithSuccessStatus(c.handle)
}

// connect opens the connection and returns after the handshake. The end of ctx ends the run at any time, also later.
func (c *Client) connect(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { c.conn.abort(codes.ErrRunEnded) })
	timer := time.AfterFunc(c.connectTimeout, func() { c.conn.abort(codes.ErrConnectTimeout) })
	err := c.wa.ConnectContext(c.run.ctx)
	timer.Stop()
	stop()
	if err = c.conn.finish(err); err != nil {
		return codes.ConnectError(c.run.Session, err)
	}
	guardFrames(c.wa, c.guardReader)
	rewriteFrames(c.wa, c.sending.marking.rewrite)
	c.conn.current().AdmitFrames()
	c.teardown.watch(ctx)
	return nil
}

// guardReader turns a panic of whatsmeow's reader into the end of this run. Without it, the process would end.
func (c *Client) guardReader(next socket.FrameHandler) socket.FrameHandler {
	return func(ctx context.Context, frame []byte) {
		whole := false
		defer func() {
			if !whole {
				c.stanzas.Stop() // later stanzas may depend on the frame that was not read
			}
		}()
		defer c.run.recovered("reader")
		next(ctx, frame)
		whole = true
	}
}

// arriving gets each stanza of WhatsApp's, on whatsmeow's reader, before whatsmeow handles or queues it.
func (c *Client) arriving(node *waBinary.Node) {
	c.sending.flight.arrived(node)
	c.stanzas.Arrive(node.Tag)
}

// leaving gets each stanza of ours just before its bytes leave.
func (c *Client) leaving(node *waBinary.Node) {
	c.sending.flight.left(node)
	c.pairing.left(node)
}

// connectionEnded handles the end of the connection. whatsmeow's reader calls it just before whatsmeow learns of the
// end.
func (c *Client) connectionEnded() {
	defer c.run.recovered("end of the connection")
	c.stanzas.Stop()
	c.run.step(runInput{kind: inputConnectionEnded})
	failRequests(c.wa)
}

// handle receives whatsmeow's events, on several goroutines at once. It returns false for an event that must not be
// acknowledged to WhatsApp. It waits only for the database, to store what has to be kept. It never calls back into
// whatsmeow's handler list or socket.
func (c *Client) handle(evt any) bool {
	defer c.run.recovered("event handler")
	if kept, ours := c.receiving.receive(evt); ours {
		return kept
	}
	c.observe(evt)
	return true
}

// observe passes the events that concern the session's machine on to it.
func (c *Client) observe(evt any) {
	in, ok := classify(evt, time.Now())
	if !ok {
		c.note(evt)
		return
	}
	c.acceptance.note(in.Kind)
	if _, failed := evt.(*events.PairError); failed {
		c.pairing.forgetDevice(c.pairing.reasonFor(in))
		return
	}
	switch in.Kind {
	case session.QRIssued:
		c.pairing.offer(in)
	case session.SocketUp:
		in.Account = c.account.public()
		if !c.claimed(in.Account) {
			return
		}
		c.sending.backlog.begin()
		c.run.post(in)
		c.announce()
	case session.SocketLost:
		// Otherwise sends in flight would wait 5 s for a reconnect that does not come.
		expectDisconnect(c.wa)
		c.run.post(in)
	case session.LoggedOut, session.Banned:
		c.pairing.forgetDevice(in)
	default:
		c.run.post(in)
	}
}

// claimed reports the account of the login before the session is READY: messages that were accepted for another account
// must not leave from this one.
func (c *Client) claimed(account session.Account) bool {
	if c.claim == nil {
		return true
	}
	ctx, cancel := context.WithTimeout(c.run.ctx, storeTimeout)
	defer cancel()
	err := c.claim(ctx, c.run.Session, account)
	if err != nil {
		c.run.log.Error("the login is given up: the account could not be compared with the one before", "code", session.CodeOf(err), "err", err)
		c.run.post(session.Input{Kind: session.StoreFailed, Detail: "the account could not be compared with the one before"})
	}
	return err == nil
}

// note handles the events that are no inputs of the machine. It logs what matters to an operator.
func (c *Client) note(evt any) {
	switch e := evt.(type) {
	case *events.QRScannedWithoutMultidevice:
		c.run.log.Info("the code was scanned by a phone that does not allow linked devices; it can be scanned again")
	case *events.KeepAliveTimeout:
		c.run.log.Debug("ping not answered", "count", e.ErrorCount)
		c.liveness.unanswered(e)
	case *events.KeepAliveRestored:
		c.run.log.Debug("pings are answered again")
	case *events.PushNameSetting, *events.AppStateSyncComplete:
		c.named(evt)
	case *events.OfflineSyncCompleted:
		c.sending.backlog.end()
	}
}

// Send implements message.Client.
func (c *Client) Send(ctx context.Context, msg message.Outgoing) (message.Ack, error) {
	return c.sending.send(ctx, msg)
}

// PairPhone implements session.Client.
func (c *Client) PairPhone(ctx context.Context, phone string) (string, error) {
	return c.pairing.askCode(ctx, phone)
}

// AnswerPasskey implements session.Client.
func (c *Client) AnswerPasskey(ctx context.Context, answer []byte) error {
	return c.pairing.answerPasskey(ctx, answer)
}

// ConfirmPasskey implements session.Client.
func (c *Client) ConfirmPasskey(ctx context.Context) error { return c.pairing.confirmPasskey(ctx) }

// Unlink implements session.Client.
func (c *Client) Unlink(ctx context.Context) error { return c.pairing.unlink(ctx) }

// MarkRead implements message.Client.
func (c *Client) MarkRead(ctx context.Context, mark message.ReadMark) error {
	return c.messaging.markRead(ctx, mark)
}

// SetChatState implements message.Client.
func (c *Client) SetChatState(ctx context.Context, chat message.Recipient, state message.ChatState) error {
	return c.messaging.setChatState(ctx, chat, state)
}

// CheckContacts implements message.Client.
func (c *Client) CheckContacts(ctx context.Context, phones []string) ([]message.Contact, error) {
	return c.messaging.checkContacts(ctx, phones)
}

// FetchMedia implements message.Client.
func (c *Client) FetchMedia(ctx context.Context, file message.Remote, to *os.File) error {
	return c.messaging.fetchMedia(ctx, file, to)
}

// Close implements session.Client. It waits up to 5 s until the run is taken down. What takes longer ends on its own.
func (c *Client) Close() { c.teardown.close() }
