package whatsapp

import (
	"context"
	"errors"
	"slices"
	"time"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
	"google.golang.org/protobuf/proto"

	"wasup/session"
)

const opSend = "send"

// Send implements session.Client.
func (c *Client) Send(ctx context.Context, message session.Outgoing) (session.Ack, error) {
	to, err := types.ParseJID(string(message.To))
	if err != nil || to.User == "" || (to.Server != types.DefaultUserServer && to.Server != types.HiddenUserServer) {
		return session.Ack{}, c.invalid("to", "to: expected digits@s.whatsapp.net or digits@lid")
	}
	if message.ID == "" {
		return session.Ack{}, c.invalid("id", "id: expected a message id")
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
	resp, err := c.transmit(ctx, to, &waE2E.Message{Conversation: proto.String(message.Content.Text)},
		whatsmeow.SendRequestExtra{ID: message.ID})
	if err != nil {
		return session.Ack{}, c.sendError(err)
	}
	at := resp.Timestamp
	if at.IsZero() {
		at = time.Now()
	}
	return session.Ack{MessageID: resp.ID, At: at}, nil
}

func (c *Client) invalid(field, message string) error {
	return &session.Error{
		Code: session.CodeInvalidRequest, Op: opSend, Session: c.run.Session, Field: field, Message: message,
	}
}

// reachable asks for the recipient's devices before whatsmeow does, which then finds them in its cache. Without this a
// message to an address with no device is encrypted for our own phone only, acknowledged, and read by nobody. An
// address whose LID is not known yet is left to whatsmeow, which resolves it first and fails where there is none.
func (c *Client) reachable(ctx context.Context, to types.JID) error {
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
		failure.Err = err
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
	failure.Op, failure.Session, failure.Err = "unlink device", c.run.Session, err
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
