package sandbox

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/proto"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/proto/waAdv"
	"go.mau.fi/whatsmeow/types"

	"wasup/internal/sandbox/accounts"
	"wasup/internal/sandbox/faults"
	"wasup/internal/sandbox/observe"
	"wasup/internal/sandbox/phones"
	"wasup/internal/sandbox/signal"
	"wasup/internal/sandbox/stanza"
)

// Errors of Scan.
var (
	// ErrBadCode means that the code is not a pairing code, or its keys are not those of the client that shows it.
	ErrBadCode = errors.New("not a valid pairing code")
	// ErrRefUnknown means that no client on this server currently shows the code.
	ErrRefUnknown = errors.New("no client shows this pairing code")
	// ErrRefExpired means that the code is too old.
	ErrRefExpired = errors.New("the pairing code has expired")
	// ErrPairBusy means that another phone is pairing with the same client.
	ErrPairBusy = errors.New("the client is being paired already")
	// ErrPairRefused means that the client did not accept the phone's confirmation. The error contains the client's
	// reason (hmac-mismatch, signature-mismatch).
	ErrPairRefused = errors.New("the client refused the pairing")
	// ErrClientGone means that the client's connection has ended meanwhile.
	ErrClientGone = errors.New("the client went away")
	// ErrTooManyDevices means that the account has no device id left.
	ErrTooManyDevices = errors.New("the account has too many linked devices")
)

// linking is the state of a connection whose client is pairing.
type linking struct {
	reg    *accounts.Registration
	offers []*linkOffer
	// busy holds one token while a phone is pairing.
	busy chan struct{}
	// steps lets a phone wait for the next stanza of the client.
	steps steps
	// code is the client's request to pair by a code.
	code atomic.Pointer[codeOffer]
	// passkeyOptions is the pending passkey request, passkeyRef the ref that its answer must contain.
	passkeyOptions atomic.Pointer[[]byte]
	passkeyRef     atomic.Pointer[string]
	retired        retirement
}

// occupy reserves the client for one pairing. The returned function releases it. Errors: ErrPairBusy.
func (l *linking) occupy() (func(), error) {
	select {
	case l.busy <- struct{}{}:
		return func() { <-l.busy }, nil
	default:
		return nil, ErrPairBusy
	}
}

// linkOffer is one pairing ref.
type linkOffer struct {
	ref    string
	conn   *conn
	expiry time.Time
}

// refBytes gives refs the same length as WhatsApp's, so that QR codes are as dense as real ones.
const refBytes = 90

// offer sends the pair-device stanza with its refs and closes the connection when all refs have expired. Faults may
// withhold or delay it.
func (p *pairing) offer(c *conn, reg *accounts.Registration) {
	link := &linking{reg: reg, busy: make(chan struct{}, 1)}
	if _, ok := p.net.Faults.Strike(faults.WithholdQR, nil); ok {
		c.link.Store(link)
		return
	}
	if fault, ok := p.net.Faults.Strike(faults.DelayQR, nil); ok {
		c.later(fault.Delay, func() { p.sendRefs(c, link) })
		return
	}
	p.sendRefs(c, link)
}

func (p *pairing) sendRefs(c *conn, link *linking) {
	now := time.Now()
	lifetime := time.Duration(0)
	refs := make([]waBinary.Node, 0, p.cfg.Refs)
	for i := range p.cfg.Refs {
		lifetime += p.cfg.RefTTL
		if i == 0 {
			lifetime = p.cfg.FirstRefTTL
		}
		offer := &linkOffer{ref: newRef(), conn: c, expiry: now.Add(lifetime)}
		link.offers = append(link.offers, offer)
		refs = append(refs, waBinary.Node{Tag: "ref", Content: []byte(offer.ref)})
	}
	c.link.Store(link)
	p.offerRefs(link.offers)
	select {
	case <-c.gone:
		// If the connection has ended meanwhile, its cleanup has not withdrawn these refs.
		p.withdrawRefs(link.offers)
		return
	default:
	}
	c.enqueue(waBinary.Node{
		Tag: "iq",
		Attrs: waBinary.Attrs{
			"from":  types.ServerJID,
			"type":  "set",
			"id":    stanza.NewID(),
			"xmlns": "md",
		},
		Content: []waBinary.Node{{Tag: "pair-device", Content: refs}},
	}, func(at time.Time) {
		p.net.Observer.Emit(observe.Event{Time: at, Kind: observe.EventPairDeviceSent, Conn: c.id, Detail: digestOf(link.reg.Noise)})
	}, nil)
	c.later(lifetime, func() {
		if c.device.Load() == nil && !c.ending.Load() {
			c.put(outgoing{close: true})
		}
	})
}

// withdraw removes the refs and the code of a client, so that no phone finds it any more.
func (p *pairing) withdraw(link *linking) {
	p.withdrawRefs(link.offers)
	if offer := link.code.Load(); offer != nil {
		p.withdrawCode(offer)
	}
}

func newRef() string {
	raw := make([]byte, refBytes)
	_, _ = rand.Read(raw)
	return "2@" + base64.StdEncoding.EncodeToString(raw)
}

// Scan makes the phone scan the content of a pairing QR, in the current form
// (https://wa.me/settings/linked_devices#ref,noise,identity,adv,type) or the older comma-separated one. It returns the
// JID of the new device once the client has confirmed. Errors: ErrBadCode, ErrRefUnknown, ErrRefExpired, ErrCodeRetired, ErrPairBusy,
// ErrPairRefused, ErrClientGone, ErrTooManyDevices, phones.ErrRemoved or that of ctx.
func (p *linker) Scan(ctx context.Context, code string) (types.JID, error) {
	c, state, link, err := p.pairing.find(code)
	if err != nil {
		return types.EmptyJID, err
	}
	release, err := state.occupy()
	if err != nil {
		return types.EmptyJID, err
	}
	defer release()
	if err = p.refuseRetired(c, state, link.ADVSecret); err != nil {
		return types.EmptyJID, err
	}
	return p.linkClient(ctx, c, state, link)
}

// pairWith confirms the scan to the client, checks its answer and links the device.
func (p *linker) pairWith(ctx context.Context, c *conn, link signal.LinkCode, id uint16, keyIndex uint32) (*accounts.Device, error) {
	s := p.phone.Net
	confirmation, err := p.confirm(link, keyIndex)
	if err != nil {
		return nil, err
	}
	answer, err := c.ask(ctx, waBinary.Node{Tag: "iq", Attrs: waBinary.Attrs{"type": "set", "xmlns": "md", "t": stanza.Now()}, Content: []waBinary.Node{{
		Tag: "pair-success",
		Content: []waBinary.Node{
			{Tag: "device-identity", Content: confirmation},
			{Tag: "device", Attrs: waBinary.Attrs{"jid": p.phone.Account.JID(id), "lid": p.phone.Account.LIDJID(id)}},
			{Tag: "platform", Attrs: waBinary.Attrs{"name": "android"}},
		},
	}}})
	if err != nil {
		return nil, err
	}
	if stanza.Attr(answer, "type") == "error" {
		reason := answer.GetChildByTag("error")
		return nil, p.refused(c, fmt.Errorf("%w: %s %s", ErrPairRefused, stanza.Attr(&reason, "code"), stanza.Attr(&reason, "text")))
	}
	signed := answer.GetChildByTag("pair-device-sign", "device-identity")
	if err = p.phone.Sig.VerifyLink(link, stanza.Bytes(&signed)); err != nil {
		return nil, p.refused(c, fmt.Errorf("%w: %w", ErrPairRefused, err))
	}
	identity, err := p.publicIdentity(stanza.Bytes(&signed))
	if err != nil {
		return nil, err
	}
	dev := &accounts.Device{Registration: *c.link.Load().reg, Account: p.phone.Account, ID: id, KeyIndex: keyIndex, SignedIdentity: identity}
	if !s.Dir.Link(dev) {
		c.kill("phone removed")
		return nil, phones.ErrRemoved
	}
	p.pairing.paired(c, dev)
	return dev, nil
}

// confirm returns the device identity that the phone signs for the client, with a wrong HMAC or signature if a fault
// says so.
func (p *linker) confirm(link signal.LinkCode, keyIndex uint32) ([]byte, error) {
	if _, ok := p.phone.Net.Faults.Strike(faults.BadPairHMAC, p.phone.Account); ok {
		// With another key than the secret of the code, the HMAC does not match.
		link.ADVSecret = make([]byte, len(link.ADVSecret))
	}
	if _, ok := p.phone.Net.Faults.Strike(faults.BadPairSignature, p.phone.Account); ok {
		// A signature over another client's key is valid for that client only.
		link.IdentityPublic[0] ^= 0xFF
	}
	confirmation, err := p.phone.Sig.SignLink(link, keyIndex, p.phone.Account.RawID, time.Now())
	if err != nil {
		return nil, fmt.Errorf("sandbox: sign the link: %w", err)
	}
	return confirmation, nil
}

// publicIdentity adds the phone's key, which the client omits, to the client's signed identity. Others need it to
// verify the identity.
func (p *linker) publicIdentity(signed []byte) ([]byte, error) {
	var identity waAdv.ADVSignedDeviceIdentity
	if err := proto.Unmarshal(signed, &identity); err != nil {
		return nil, fmt.Errorf("%w: device identity: %w", ErrPairRefused, err)
	}
	key := p.phone.Sig.IdentityPublic()
	identity.AccountSignatureKey = key[:]
	encoded, err := proto.Marshal(&identity)
	if err != nil {
		return nil, fmt.Errorf("sandbox: encode the device identity: %w", err)
	}
	return encoded, nil
}

func (p *linker) refused(c *conn, err error) error {
	s := p.phone.Net
	s.Observer.Count(func(n *observe.Counters) { n.PairingsRefused++ })
	s.Observer.Emit(observe.Event{Kind: observe.EventPairRefused, Account: p.phone.Account.Number, Conn: c.id, Detail: err.Error()})
	// The code cannot be used again, so end the connection.
	c.later(p.pairing.cfg.leaveDelay(), func() { c.put(outgoing{close: true}) })
	return err
}

// paired completes a pairing. It tells the client to reconnect and log in (stream error 515).
func (p *pairing) paired(c *conn, dev *accounts.Device) {
	link := c.link.Load()
	p.withdraw(link)
	p.net.Observer.Count(func(n *observe.Counters) { n.Pairings++ })
	p.net.Observer.Emit(observe.Event{Kind: observe.EventPaired, Account: dev.Account.Number, Device: dev.Account.JID(dev.ID).String(), Conn: c.id, Detail: dev.Platform})
	p.net.Router.AnnounceDevice(dev, "add")
	if _, ok := p.net.Faults.Strike(faults.No515, dev.Account); ok {
		c.ending.Store(true)
		return
	}
	delay := p.cfg.leaveDelay()
	if _, ok := p.net.Faults.Strike(faults.CloseAfter515, dev.Account); ok {
		delay = 0
	}
	c.SendLast(stanza.StreamError(codeRestart, ""), delay)
}

const (
	codeRestart = 515
	// leaveTimeout is the time for a client to close its connection after a 515, a refused pairing or a logout. The server
	// must not close at the same moment: whatsmeow then has a data race on a field of socket.FrameSocket.
	leaveTimeout = 10 * time.Second
)

// leaveDelay returns the time that a client has to close its connection before the server does.
func (c Config) leaveDelay() time.Duration {
	if c.CloseDelay < 0 {
		return c.CloseDelay
	}
	return max(c.CloseDelay, leaveTimeout)
}
