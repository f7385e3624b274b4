package sandbox

import (
	"errors"
	"fmt"
	"sync"
	"time"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"

	"wasup/internal/sandbox/faults"
	"wasup/internal/sandbox/observe"
	"wasup/internal/sandbox/signal"
	"wasup/internal/sandbox/stanza"
)

// ErrCodeRetired means that the server has retired the secret in the code: the client has to show the code again with a
// new one. The phone only says that the device could not be linked, and the client is told nothing of the scan.
var ErrCodeRetired = errors.New("the server has retired the secret in this code")

// notifyRetired is the type of the notification that retires the secret of the codes on show, and its usual child.
const notifyRetired = "companion_reg_refresh"

// retirement holds what the server has retired of one client.
type retirement struct {
	mu      sync.Mutex
	secrets map[string]bool
	waiting map[string]bool // ids of notifications that the client has not acknowledged
}

func (r *retirement) includes(secret []byte) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.secrets[string(secret)]
}

// add retires a secret and counts a notification with this id as not acknowledged. A nil secret retires none.
func (r *retirement) add(secret []byte, id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.secrets == nil {
		r.secrets, r.waiting = make(map[string]bool), make(map[string]bool)
	}
	if secret != nil {
		r.secrets[string(secret)] = true
	}
	r.waiting[id] = true
}

// acknowledge reports whether id is that of a notification that was not acknowledged yet.
func (r *retirement) acknowledge(id string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	was := r.waiting[id]
	delete(r.waiting, id)
	return was
}

// RetireCode retires the secret in the content of a pairing QR and tells the client that shows it. From then on, a scan
// of a code with this secret is refused. variant is faults.VariantRefresh, faults.VariantRotate or "". Errors:
// ErrBadCode, ErrBadVariant, ErrRefUnknown, ErrRefExpired.
func (s *Server) RetireCode(code, variant string) error {
	if variant != "" && variant != faults.VariantRefresh && variant != faults.VariantRotate {
		return ErrBadVariant
	}
	c, state, link, err := s.pairing.find(code)
	if err != nil {
		return err
	}
	s.pairing.retire(c, state, link.ADVSecret, variant)
	return nil
}

// ErrBadVariant means that RetireCode was called with an unknown variant.
var ErrBadVariant = errors.New("expected " + faults.VariantRefresh + " or " + faults.VariantRotate)

// find returns the client that shows a code.
func (p *pairing) find(code string) (*conn, *linking, signal.LinkCode, error) {
	link, err := signal.ParseLinkCode(code)
	if err != nil {
		return nil, nil, link, fmt.Errorf("%w: %w", ErrBadCode, err)
	}
	offer := p.offered(link.Ref)
	if offer == nil {
		return nil, nil, link, ErrRefUnknown
	}
	if time.Now().After(offer.expiry) {
		return nil, nil, link, ErrRefExpired
	}
	state := offer.conn.link.Load()
	switch {
	case state == nil:
		return nil, nil, link, ErrRefUnknown
	case link.NoisePublic != state.reg.Noise:
		return nil, nil, link, fmt.Errorf("%w: the noise key is not the client's", ErrBadCode)
	case link.IdentityPublic != state.reg.Identity:
		return nil, nil, link, fmt.Errorf("%w: the identity key is not the client's", ErrBadCode)
	}
	return offer.conn, state, link, nil
}

// retire retires a secret of a client and notifies the client.
func (p *pairing) retire(c *conn, state *linking, secret []byte, variant string) {
	child := notifyRetired
	if variant == faults.VariantRotate {
		child = "pair-device-rotate-qr"
	}
	id := stanza.NewID()
	state.retired.add(secret, id)
	p.net.Observer.Emit(observe.Event{Kind: observe.EventCodeRetired, Conn: c.id, Detail: child})
	c.Send(waBinary.Node{
		Tag:     "notification",
		Attrs:   waBinary.Attrs{"from": types.ServerJID, "type": notifyRetired, "id": id, "t": stanza.Now()},
		Content: []waBinary.Node{{Tag: child}},
	})
}

// refuseRetired returns ErrCodeRetired if the secret of a scanned code is retired, or if a fault retires it now.
func (p *linker) refuseRetired(c *conn, state *linking, secret []byte) error {
	if state.retired.includes(secret) {
		return ErrCodeRetired
	}
	if fault, ok := p.phone.Net.Faults.Strike(faults.RetireCode, p.phone.Account); ok {
		p.pairing.retire(c, state, secret, fault.Variant)
		return ErrCodeRetired
	}
	return nil
}

// retireEntered lets a fault retire the codes on show while a client finishes a pairing by an entered code. That pairing
// has a secret of its own, which stays.
func (p *linker) retireEntered(c *conn, state *linking) {
	if fault, ok := p.phone.Net.Faults.Strike(faults.RetireCode, p.phone.Account); ok {
		p.pairing.retire(c, state, nil, fault.Variant)
	}
}
