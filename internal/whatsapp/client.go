package whatsapp

import (
	"context"
	"os"
	"time"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/proto/waWa6"
	"go.mau.fi/whatsmeow/socket"
	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/types/events"

	"wasup/internal/message"
	"wasup/internal/session"
	"wasup/internal/whatsapp/stanzas"
)

// storeTimeout bounds what the handlers write.
const storeTimeout = 10 * time.Second

// Client is one run: one whatsmeow client, one connection. It is the session.Client that Dialer.Open gives. It puts the
// parts of a run together and hands whatsmeow's events to them; each part owns its state.
type Client struct {
	run       *run
	account   *account
	wa        *whatsmeow.Client
	conn      *attempt
	route     *route // given back when the run is taken down
	stanzas   *stanzas.Queue
	pairing   *pairing
	receiving *receiving
	messaging *messaging
	sending   *sending
	teardown  *teardown

	keepAliveStale time.Duration
	connectTimeout time.Duration
}

var (
	_ session.Client = (*Client)(nil)
	_ message.Client = (*Client)(nil)
)

// newClient makes a run that calls leave when it is taken down.
func newClient(ctx context.Context, d *Dialer, t *tables, of session.Run, device *store.Device, way *route, leave func()) *Client {
	r, own := newRun(ctx, of, device.ID != nil, d.log), newAccount(device)
	c := &Client{run: r, account: own, route: way, keepAliveStale: d.keepAliveStale, connectTimeout: d.connectTimeout}
	c.conn = &attempt{endpoint: d.endpoint, transport: way.transport, cancel: r.end, onEnd: c.connectionEnded}
	c.stanzas = stanzas.New(&d.stanzasWaiting, r.recovered, r.stuck)
	waLog := newLogger(r.log, "whatsmeow")
	waLog.arrive, waLog.closing = c.stanzas.Arrive, r.closing
	wa := whatsmeow.NewClient(device, waLog)
	lids := t.container.LIDMap
	c.wa = wa
	c.pairing = &pairing{run: r, account: own, wa: wa, container: t.container, devices: d.devices}
	c.messaging = &messaging{run: r, wa: wa, lids: lids}
	c.sending = &sending{
		run: r, account: own, wa: wa, messaging: c.messaging, lids: lids, files: d.files, uploads: d.uploads,
		turn: make(chan struct{}, 1), awaited: map[string]struct{}{},
	}
	c.receiving = &receiving{run: r, account: own, wa: wa, conn: c.conn, log: r.log, sending: c.sending, journal: d.journal, sent: d.sent}
	c.teardown = &teardown{
		run: r, wa: wa, conn: c.conn, stanzas: c.stanzas, closings: &d.closings, done: make(chan struct{}),
		releaseRoute: func() { d.routes.releaseRoute(way) }, leave: leave,
	}
	if device.ID != nil {
		c.pairing.credentials = &credentials{DeviceContainer: device.Container}
		device.Container = c.pairing.credentials
		c.sending.ratchet = t.ratchets.Wrap(device, c.receiving.storeFailed)
		c.teardown.ratchet = c.sending.ratchet
	}
	c.configure()
	d.closings.Add(1)
	return c
}

// configure sets every choice that whatsmeow leaves to its user.
func (c *Client) configure() {
	wa := c.wa
	slim(wa)
	c.stanzas.SetActive(guardHandlers(wa, c.stanzas.Wrap))
	// One owner of reconnects: the machine. A client has one connection, so that no event can belong to another one.
	wa.EnableAutoReconnect = false
	wa.InitialAutoReconnect = false
	wa.DisableLoginAutoReconnect = true
	wa.BackgroundEventCtx = c.run.ctx
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
	wa.PrePairCallback = c.pairing.accept
	// Only Messenger has this token. whatsmeow calls the function on failures 413 and 414 of any server, and without one
	// the whole process would end in a panic on a goroutine of whatsmeow's.
	wa.RefreshCAT = func(context.Context) error { return errNoToken }
	wa.GetClientPayload = func() *waWa6.ClientPayload { return loginPayload(wa.Store) }
	conn := c.conn.httpClient()
	wa.SetWebsocketHTTPClient(conn)
	wa.SetPreLoginHTTPClient(conn)
	wa.SetMediaHTTPClient(c.route.media)
	// Register before connecting: events of the handshake would be lost otherwise.
	wa.AddEventHandlerWithSuccessStatus(c.handle)
}

// connect returns once the handshake is done. ctx may end the run at any time, now or later.
func (c *Client) connect(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { c.conn.abort(errRunEnded) })
	timer := time.AfterFunc(c.connectTimeout, func() { c.conn.abort(errConnectTimeout) })
	err := c.wa.ConnectContext(c.run.ctx)
	timer.Stop()
	stop()
	if err = c.conn.finish(err); err != nil {
		return connectError(c.run.Session, err)
	}
	guardFrames(c.wa, c.guardReader)
	c.conn.current().AdmitFrames()
	c.teardown.watch(ctx)
	return nil
}

// guardReader makes of a panic of whatsmeow's reader the end of this run; unguarded it would be the end of the process.
func (c *Client) guardReader(next socket.FrameHandler) socket.FrameHandler {
	return func(ctx context.Context, frame []byte) {
		whole := false
		defer func() {
			if !whole {
				c.stanzas.Stop() // what comes next may build on what was not read
			}
		}()
		defer c.run.recovered("reader")
		next(ctx, frame)
		whole = true
	}
}

// connectionEnded is called on whatsmeow's reader when the connection is over and whatsmeow is about to learn of it.
func (c *Client) connectionEnded() {
	defer c.run.recovered("end of the connection")
	c.stanzas.Stop()
	c.run.step(runInput{kind: inputConnectionEnded})
	failRequests(c.wa)
}

// handle receives whatsmeow's events, on several of its goroutines at once, and reports whether WhatsApp may be told that
// they arrived. It waits for nothing but the database, for what has to be kept, and never calls back into whatsmeow's
// handler list or socket.
func (c *Client) handle(evt any) bool {
	defer c.run.recovered("event handler")
	if kept, ours := c.receiving.receive(evt); ours {
		return kept
	}
	c.observe(evt)
	return true
}

// observe tells the machine of the session what concerns it.
func (c *Client) observe(evt any) {
	in, ok := classify(evt, time.Now(), c.keepAliveStale)
	if !ok {
		c.note(evt)
		return
	}
	if _, failed := evt.(*events.PairError); failed {
		c.pairing.forgetDevice(c.pairing.reasonFor(in))
		return
	}
	switch in.Kind {
	case session.SocketUp:
		in.Account = c.account.public()
		c.run.post(in)
		c.announce()
	case session.SocketLost:
		// Sends in flight wait 5 s for a reconnect that will not come, unless the end was expected.
		expectDisconnect(c.wa)
		c.run.post(in)
	case session.LoggedOut, session.Banned:
		c.pairing.forgetDevice(in)
	default:
		c.run.post(in)
	}
}

// note logs what is of use to an operator and of none to the machine.
func (c *Client) note(evt any) {
	switch e := evt.(type) {
	case *events.QRScannedWithoutMultidevice:
		c.run.log.Info("the code was scanned by a phone that does not allow linked devices; it can be scanned again")
	case *events.KeepAliveTimeout:
		c.run.log.Debug("ping not answered", "count", e.ErrorCount)
	case *events.KeepAliveRestored:
		c.run.log.Debug("pings are answered again")
	case *events.PushNameSetting, *events.AppStateSyncComplete:
		c.named(evt)
	}
}

// Send implements session.Client.
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

// Close implements session.Client. It waits up to 5 s for the run to be taken down; what then remains ends by itself.
func (c *Client) Close() { c.teardown.close() }
