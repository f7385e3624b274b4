package whatsapp

import (
	"context"
	"errors"
	"sync"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/store/sqlstore"
	"go.mau.fi/whatsmeow/types"

	"wasup/internal/session"
)

// pairing links a device to the session, and unlinks it.
type pairing struct {
	run       *run
	account   *account
	wa        *whatsmeow.Client
	container *sqlstore.Container
	devices   Devices
	// credentials are of the device, nil until it is paired: whatsmeow itself takes back a pairing that fails.
	credentials *credentials

	mu      sync.Mutex
	refusal *session.Input // why we refused a pairing
}

// accept binds the new device to the session before whatsmeow stores it. An interruption in between leaves a binding
// to nothing, which the next Open clears; the other order would leave credentials that belong to nobody, and a phone
// that shows a linked device which asks for a second scan. False refuses the pairing.
func (p *pairing) accept(jid types.JID, _, _ string) (accepted bool) {
	defer p.run.recovered("pairing") // accepted stays false
	ctx, cancel := context.WithTimeout(p.run.ctx, storeTimeout)
	defer cancel()
	// The server gave this device number to us just now, so credentials stored under it are dead. whatsmeow would
	// keep their keys instead of the new ones.
	err := p.container.DeleteDevice(ctx, &store.Device{ID: &jid})
	if err == nil {
		err = p.devices.BindDevice(ctx, p.run.Session, jid.String())
	}
	if err != nil {
		p.run.log.Error("pairing refused: the device could not be bound to the session", "err", err)
		p.mu.Lock()
		defer p.mu.Unlock()
		p.refusal = &session.Input{Kind: session.StoreFailed, Detail: "the new device could not be bound to the session"}
		return false
	}
	p.account.setJID(jid)
	// The code on show is used from now on. Said before the phone hears our confirmation, so that nobody who has seen
	// the phone link the device is given the used code again; whatsmeow says it only afterwards.
	p.run.post(session.Input{Kind: session.Scanned})
	return true
}

// reasonFor puts our own reason in the place of whatsmeow's, which only knows that we refused.
func (p *pairing) reasonFor(in session.Input) session.Input {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.refusal != nil {
		return *p.refusal
	}
	return in
}

// credentials stand between a device and its table. whatsmeow that learns of an unlinking deletes the row and empties the
// device, without a lock, while its other goroutines read it: half of one store and half of another is what they may
// find. Here it is told that it could not, and the row is ours to delete; nobody writes it again after that.
type credentials struct {
	store.DeviceContainer
	mu      sync.RWMutex
	deleted bool
}

// errOursToDelete is what whatsmeow logs then.
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

// markDeleted returns when nobody writes the device any more.
func (s *credentials) markDeleted() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deleted = true
}

// forgetDevice deletes the device's credentials and posts the input after that, so that whoever pairs the session again
// cannot load the dying device. A failing database is only logged: the device then refuses the next login, which ends here
// again.
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
	if err := p.container.DeleteDevice(ctx, &store.Device{ID: &jid}); err != nil {
		p.run.log.Error("the credentials of a logged out device were not deleted", "err", err)
	}
	bound, err := p.devices.DeviceOf(ctx, p.run.Session)
	if err == nil && bound == jid.String() {
		err = p.devices.BindDevice(ctx, p.run.Session, "")
	}
	if err != nil {
		p.run.log.Error("a logged out device was not unbound from its session", "err", err)
	}
}

// unlink is Client.Unlink: the network half of whatsmeow's Logout. A device that is not linked has nothing to tell. From
// here on the run posts nothing.
func (p *pairing) unlink(ctx context.Context) error {
	jid, _ := p.account.addresses()
	p.run.step(runInput{kind: inputUnlinkAsked})
	if jid.IsEmpty() {
		return nil
	}
	ctx, done := p.run.requestContext(ctx)
	defer done()
	err := removeCompanion(ctx, p.wa, jid)
	if err == nil || isLoggedOut(err) {
		return nil
	}
	failure := classifySend(err)
	failure.Op, failure.Session, failure.Err = "unlink device", p.run.Session, unnamed{err}
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
