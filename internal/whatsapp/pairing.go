package whatsapp

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"go.mau.fi/whatsmeow"
	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/store/sqlstore"
	"go.mau.fi/whatsmeow/types"

	"wasup/internal/session"
	"wasup/internal/whatsapp/codes"
	"wasup/internal/whatsapp/registration"
	"wasup/internal/whatsapp/stanzas"
)

// pairing links a device to the session and unlinks it.
type pairing struct {
	run       *run
	account   *account
	wa        *whatsmeow.Client
	container *sqlstore.Container
	devices   Devices
	// takeOver holds the JID of a device: nobody else replaces or deletes the credentials under it until release.
	takeOver func(ctx context.Context, jid types.JID) (release func(), err error)
	// credentials guards the device's row. It is nil if the run began without a linked device: if such a pairing fails,
	// whatsmeow itself removes what it has stored.
	credentials *credentials
	// registration is nil if the run began with a linked device.
	registration *registration.Registration

	mu      sync.Mutex
	refusal *session.Input // the reason why we refused a pairing
}

// wrap returns the handler that is called with a stanza before whatsmeow's.
func (p *pairing) wrap(handle stanzas.Handler) stanzas.Handler {
	if p.registration == nil {
		return handle
	}
	return p.registration.Wrap(handle)
}

// left takes a stanza of ours that is about to leave.
func (p *pairing) left(node *waBinary.Node) {
	if p.registration == nil {
		return
	}
	defer p.run.recovered("registration")
	p.registration.Left(node)
}

// offer posts the codes of the run.
func (p *pairing) offer(in session.Input) {
	if p.registration != nil {
		p.registration.Offer(in.Codes)
	}
	p.run.post(in)
}

// showAgain posts the codes with a new secret.
func (p *pairing) showAgain(codes []string) {
	p.run.log.Info("the secret in the code on show was replaced; the code is shown again with the new one")
	p.run.post(session.Input{Kind: session.QRRefreshed, Codes: codes})
}

// accept binds the new device to the session before whatsmeow stores the device. A crash in between leaves a binding
// without a device, which the next Open clears. In the other order, a crash would leave credentials that belong to no
// session, and a phone that lists a linked device while the session asks for a second scan. Returning false refuses the
// pairing.
func (p *pairing) accept(jid types.JID, _, _ string) (accepted bool) {
	defer p.run.recovered("pairing") // accepted stays false
	ctx, cancel := context.WithTimeout(p.run.ctx, storeTimeout)
	defer cancel()
	if err := p.bind(ctx, jid); err != nil {
		p.run.log.Error("pairing refused: the device could not be bound to the session", "err", err)
		p.mu.Lock()
		defer p.mu.Unlock()
		p.refusal = &session.Input{Kind: session.StoreFailed, Detail: "the new device could not be bound to the session"}
		return false
	}
	p.account.setJID(jid)
	// The displayed code is used up from now on. Post this before the phone gets our confirmation: nobody who has seen the
	// phone link the device must get the used code again. whatsmeow reports it only afterwards.
	p.run.post(session.Input{Kind: session.Scanned})
	return true
}

func (p *pairing) bind(ctx context.Context, jid types.JID) error {
	release, err := p.takeOver(ctx, jid)
	if err != nil {
		return fmt.Errorf("waiting for the old device: %w", err)
	}
	defer release()
	// The server has just assigned this device number, so old credentials under it are no longer valid. whatsmeow would
	// keep the old keys instead of the new ones.
	if err = p.container.DeleteDevice(ctx, &store.Device{ID: &jid}); err != nil {
		return err
	}
	return p.devices.BindDevice(ctx, p.run.Session, jid.String())
}

// reasonFor returns our own reason for refusing the pairing, if there is one, instead of whatsmeow's, which only says
// that we refused.
func (p *pairing) reasonFor(in session.Input) session.Input {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.refusal != nil {
		return *p.refusal
	}
	return in
}

// credentials wraps the table of a device. When whatsmeow learns that the device was unlinked, it deletes the row and
// empties the device without a lock, while its other goroutines read the device and may see it half emptied. So this
// type refuses to delete the row, which makes whatsmeow leave the device as it is. The run deletes the row itself;
// nothing writes it afterwards.
type credentials struct {
	store.DeviceContainer
	mu      sync.RWMutex
	deleted bool
}

// errOursToDelete is the error that whatsmeow then logs.
var errOursToDelete = errors.New("the session deletes its credentials itself")

func (s *credentials) DeleteDevice(context.Context, *store.Device) error {
	s.markDeleted()
	return errOursToDelete
}

func (s *credentials) PutDevice(ctx context.Context, device *store.Device) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.deleted {
		return store.ErrDeviceDeleted
	}
	return s.DeviceContainer.PutDevice(ctx, device)
}

// markDeleted refuses all further writes of the device. It returns when no write is in progress.
func (s *credentials) markDeleted() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deleted = true
}

// forgetDevice deletes the device's credentials and posts the input afterwards, so that a new pairing of the session
// cannot load the old device. A database failure is only logged: WhatsApp then refuses the device's next login, which
// leads here again.
func (p *pairing) forgetDevice(in session.Input) {
	jid, _ := p.account.addresses()
	p.run.step(runInput{kind: inputDeviceRemoved})
	if p.credentials != nil {
		p.credentials.markDeleted()
	}
	p.run.spawn("forgetting the device", func() {
		if !jid.IsEmpty() {
			p.deleteDevice(jid)
		}
		p.run.step(runInput{kind: inputDeviceForgotten, post: in})
	})
}

func (p *pairing) deleteDevice(jid types.JID) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(p.run.ctx), storeTimeout)
	defer cancel()
	bound, err := p.devices.DeviceOf(ctx, p.run.Session)
	if err == nil && bound == jid.String() {
		err = p.unbind(ctx, jid)
	}
	if err != nil {
		p.run.log.Error("a logged out device could not be deleted and unbound from its session", "err", err)
	}
}

// unbind deletes the credentials of the session's device and unbinds it. If the device is not the session's any more, the
// credentials under its JID belong to another one: WhatsApp has given the number again.
func (p *pairing) unbind(ctx context.Context, jid types.JID) error {
	release, err := p.takeOver(ctx, jid)
	if err != nil {
		return err
	}
	defer release()
	bound, err := p.devices.DeviceOf(ctx, p.run.Session)
	if err != nil || bound != jid.String() {
		return err
	}
	return errors.Join(p.container.DeleteDevice(ctx, &store.Device{ID: &jid}), p.devices.BindDevice(ctx, p.run.Session, ""))
}

// unlink is Client.Unlink: the network half of whatsmeow's Logout. It does nothing at WhatsApp if no device is linked.
// From now on the run posts nothing.
func (p *pairing) unlink(ctx context.Context) error {
	jid, _ := p.account.addresses()
	p.run.step(runInput{kind: inputUnlinkAsked})
	if jid.IsEmpty() {
		return nil
	}
	ctx, done := requestContext(ctx)
	defer done()
	err := removeCompanion(ctx, p.wa, jid)
	if err == nil || isLoggedOut(err) {
		return nil
	}
	failure := codes.RequestError("unlink device", p.run.Session, err)
	if failure.Code == session.CodeSendFailed {
		failure.Message = "WhatsApp did not accept the logout"
	}
	return failure
}

// isLoggedOut reports whether the server has removed the device before it confirmed the request.
func isLoggedOut(err error) bool {
	var disconnected *whatsmeow.DisconnectedError
	if !errors.As(err, &disconnected) || disconnected.Node == nil || disconnected.Node.Tag != "stream:error" {
		return false
	}
	conflict := disconnected.Node.GetChildByTag("conflict")
	return conflict.AttrGetter().OptionalString("type") == "device_removed"
}
