package whatsapp

import (
	"context"
	"errors"
	"slices"
	"time"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"

	"wasup/internal/session"
)

const opSend = "send"

// Send implements session.Client. It checks the message, uploads its file if it has one, and waits for the server.
func (c *Client) Send(ctx context.Context, message session.Outgoing) (session.Ack, error) {
	if err := message.Check(); err != nil {
		return session.Ack{}, c.refusedMessage(err)
	}
	to, err := types.ParseJID(string(message.To))
	if err != nil {
		return session.Ack{}, c.invalidIn(opSend, "to", "expected digits@s.whatsapp.net, digits@lid or …@g.us")
	}
	chat, err := c.chat(ctx, opSend, message.To)
	if err != nil {
		return session.Ack{}, err
	}
	defer c.await(message.ID)()
	if err := c.broke(); err != nil {
		return session.Ack{}, err
	}
	ack, err := c.carry(ctx, to, chat, message)
	if code := session.CodeOf(err); code == session.CodeDisconnected || code == session.CodeAckOverdue {
		// The database fails, so that the run receives no more and what it writes does not leave: that is no attempt of
		// which WhatsApp said nothing, and the message is not at fault.
		if broken := c.broke(); broken != nil {
			err = broken
		}
	}
	return ack, err
}

// carry makes the attempt.
func (c *Client) carry(ctx context.Context, to, chat types.JID, message session.Outgoing) (session.Ack, error) {
	// Before the turn is taken: an upload may take minutes.
	content, err := c.compose(ctx, chat, message)
	if err != nil {
		return session.Ack{}, err
	}
	// One at a time, as whatsmeow has it; its own lock cannot be waited for with a context.
	select {
	case c.sending <- struct{}{}:
		defer func() { <-c.sending }()
	case <-ctx.Done():
		return session.Ack{}, c.sendError(ctx.Err())
	case <-c.gone:
		return session.Ack{}, c.sendError(whatsmeow.ErrNotConnected)
	}
	if err = c.reachable(ctx, to); err != nil {
		return session.Ack{}, c.sendError(err)
	}
	resp, err := c.transmit(ctx, to, content, whatsmeow.SendRequestExtra{ID: message.ID})
	if errors.Is(err, whatsmeow.ErrNoSession) && c.over() {
		err = whatsmeow.ErrNotConnected // whatsmeow asked for the recipient's keys, and does not say why none came
	}
	if err != nil {
		return session.Ack{}, c.sendError(err)
	}
	at := resp.Timestamp
	if at.IsZero() {
		at = time.Now()
	}
	return session.Ack{MessageID: resp.ID, At: at}, nil
}

// over reports whether the connection has ended, or is about to.
func (c *Client) over() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.severed.Load() || c.closed || c.broken != nil
}

// await lets a receipt of the message end its attempt, until the function that it returns is called.
func (c *Client) await(id string) (done func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.awaited[id] = struct{}{}
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.awaited, id)
	}
}

// arrived tells the attempts of what a receipt names. One that is kept is as good as WhatsApp's acknowledgement, which may
// have been lost: the messages behind need not wait for a time limit and a new connection.
func (c *Client) arrived(evt any) {
	receipt, is := evt.(*events.Receipt)
	if !is {
		return
	}
	for _, id := range receipt.MessageIDs {
		c.mu.Lock()
		_, awaited := c.awaited[id] // the ids are somebody else's word, and requests have some, too
		c.mu.Unlock()
		if awaited {
			acknowledge(c.life, c.wa, id, receipt.Timestamp)
		}
	}
}

// broke is why nothing that this run sends is answered any more, or nil.
func (c *Client) broke() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.broken == nil {
		return nil
	}
	return storeError(opSend, c.run.Session, c.broken)
}

// refusedMessage adds to a refused message whose it was.
func (c *Client) refusedMessage(err error) error {
	var known *session.Error
	if errors.As(err, &known) {
		known.Op, known.Session = opSend, c.run.Session
	}
	return err
}

// reachable asks for the recipient's devices before whatsmeow does, which then finds them in its cache. Without this a
// message to an address with no device is encrypted for our own phone only, acknowledged, and read by nobody. An
// address whose LID is not known yet is left to whatsmeow, which resolves it first and fails where there is none.
func (c *Client) reachable(ctx context.Context, to types.JID) error {
	if to.Server == types.GroupServer {
		return nil // whatsmeow asks for its members, who need no device
	}
	lid := to
	if to.Server == types.DefaultUserServer {
		var err error
		if lid, err = c.dialer.container.LIDMap.GetLIDForPN(ctx, to); err != nil {
			return storeError(opSend, c.run.Session, err)
		}
		if lid.IsEmpty() {
			return nil
		}
	}
	wanted := []types.JID{lid}
	c.mu.Lock()
	if own := c.lid.ToNonAD(); !own.IsEmpty() && own != lid {
		wanted = append(wanted, own)
	}
	c.mu.Unlock()
	devices, err := c.wa.GetUserDevices(ctx, wanted)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(devices, func(device types.JID) bool { return device.User == lid.User }) {
		return errNoDevices
	}
	return nil
}

var errNoDevices = errors.New("the recipient has no device")

// sendError gives a failed send its code.
func (c *Client) sendError(err error) error {
	failure := classifySend(err)
	failure.Op, failure.Session = opSend, c.run.Session
	if failure.Err == nil {
		failure.Err = unnamed{err}
	}
	if failure.Code == session.CodeRestricted {
		c.post(session.Input{Kind: session.SendRestricted, Code: failure.Status, Detail: failure.Message})
	}
	return failure
}

// Unlink implements session.Client: the network half of whatsmeow's Logout. A device that is not linked has nothing to
// tell. From here on the run posts nothing: its end is wanted.
func (c *Client) Unlink(ctx context.Context) error {
	c.mu.Lock()
	jid := c.jid
	c.spent = true
	c.mu.Unlock()
	if jid.IsEmpty() {
		return nil
	}
	err := removeCompanion(ctx, c.wa, jid)
	if err == nil || isLoggedOut(err) {
		return nil
	}
	failure := classifySend(err)
	failure.Op, failure.Session, failure.Err = "unlink device", c.run.Session, unnamed{err}
	if failure.Code == session.CodeSendFailed {
		failure.Message = "WhatsApp did not accept the logout"
	}
	return failure
}

// isLoggedOut recognizes the answer of a server that removes the device before it confirms.
func isLoggedOut(err error) bool {
	var disconnected *whatsmeow.DisconnectedError
	if !errors.As(err, &disconnected) || disconnected.Node == nil || disconnected.Node.Tag != "stream:error" {
		return false
	}
	conflict := disconnected.Node.GetChildByTag("conflict")
	return conflict.AttrGetter().OptionalString("type") == "device_removed"
}
