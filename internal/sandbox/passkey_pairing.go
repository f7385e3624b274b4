package sandbox

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"

	"wasup/internal/sandbox/observe"
	"wasup/internal/sandbox/passkey"
	"wasup/internal/sandbox/phones"
	"wasup/internal/sandbox/signal"
	"wasup/internal/sandbox/stanza"
)

// linker links a phone to clients.
type linker struct {
	phone   *phones.Phone
	pairing *pairing
	passkey *passkey.Passkey

	mu              sync.Mutex
	passkeyRequired bool
}

// RequirePasskey sets whether pairing requires the account's passkey. If it does, Scan and EnterCode wait until the
// client has answered the passkey request and confirmed.
func (p *linker) RequirePasskey(required bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.passkeyRequired = required
	p.phone.Account.Changed.Store(true)
}

// PasskeyRequired reports whether pairing requires the passkey.
func (p *linker) PasskeyRequired() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.passkeyRequired
}

// Passkey returns the account's passkey. It answers the passkey requests that clients forward.
func (p *linker) Passkey() *passkey.Passkey { return p.passkey }

// linkClient links a client after its code was scanned or entered. It asks for the passkey if the account requires it.
func (p *linker) linkClient(ctx context.Context, c *conn, state *linking, link signal.LinkCode) (types.JID, error) {
	s := p.phone.Net
	if p.PasskeyRequired() {
		proven, err := p.demandPasskey(ctx, c, state, link)
		if err != nil {
			return types.EmptyJID, err
		}
		link = proven
	}
	id, keyIndex, ok := s.Dir.Reserve(p.phone.Account)
	if !ok {
		return types.EmptyJID, ErrTooManyDevices
	}
	dev, err := p.pairWith(ctx, c, link, id, keyIndex)
	if err != nil {
		s.Dir.Release(p.phone.Account, id)
		return types.EmptyJID, err
	}
	return p.phone.Account.JID(dev.ID), nil
}

// demandPasskey makes the client prove the passkey, show a code to compare, and send its keys again. It returns the
// link code with which the pairing continues. The steps are those of whatsmeow's pair-passkey.go.
func (p *linker) demandPasskey(ctx context.Context, c *conn, state *linking, link signal.LinkCode) (signal.LinkCode, error) {
	request, err := p.passkey.Request()
	if err != nil {
		return signal.LinkCode{}, err
	}
	options, err := json.Marshal(request)
	if err != nil {
		return signal.LinkCode{}, fmt.Errorf("sandbox: encode the passkey request: %w", err)
	}
	var prologue *signal.PasskeyPrologue
	proven, cancel := state.steps.expect("passkey_prologue", func(node *waBinary.Node) *stanza.QueryError {
		var failed *stanza.QueryError
		prologue, failed = p.readPrologue(state, link, request, node)
		return failed
	})
	defer cancel()
	state.passkeyOptions.Store(&options)
	defer state.passkeyOptions.Store(nil)
	c.notify("passkey_prologue_request", waBinary.Node{Tag: "passkey_request_options", Content: options})
	p.phone.Net.Observer.Emit(observe.Event{Kind: observe.EventPasskeyDemanded, Account: p.phone.Account.Number, Conn: c.id})
	if _, err = c.await(ctx, proven); err != nil {
		return signal.LinkCode{}, err
	}
	return p.continuePasskey(ctx, c, state, prologue)
}

// readPrologue verifies the assertion and decodes the client's first message.
func (p *linker) readPrologue(state *linking, link signal.LinkCode, request *types.WebAuthnPublicKey, node *waBinary.Node) (*signal.PasskeyPrologue, *stanza.QueryError) {
	credential, assertion := node.GetChildByTag("credential_id"), node.GetChildByTag("webauthn_assertion")
	if !p.passkey.Verify(request, stanza.Bytes(&credential), stanza.Bytes(&assertion)) {
		return nil, stanza.ErrNotAuthorized
	}
	payload := node.GetChildByTag("prologue_payload")
	prologue, err := signal.ReadPasskeyPrologue(stanza.Bytes(&payload))
	if ref := state.passkeyRef.Load(); err != nil || ref == nil || prologue.Ref() != *ref {
		return nil, stanza.ErrBadRequest
	}
	// The proof is optional, because people compare the codes without it. A wrong proof is refused.
	if proof, ok := node.GetOptionalChildByTag("pairing_handoff_proof"); ok && !signal.HandoffProven(link.ADVSecret, stanza.Bytes(&payload), stanza.Bytes(&proof)) {
		return nil, stanza.ErrNotAuthorized
	}
	return prologue, nil
}

// continuePasskey answers the prologue and receives the client's keys.
func (p *linker) continuePasskey(ctx context.Context, c *conn, state *linking, prologue *signal.PasskeyPrologue) (signal.LinkCode, error) {
	answer, err := signal.AnswerPasskey(prologue)
	if err != nil {
		return signal.LinkCode{}, fmt.Errorf("sandbox: answer the prologue: %w", err)
	}
	var code string
	revealed, cancelNonce := state.steps.expect("companion_nonce", func(node *waBinary.Node) *stanza.QueryError {
		shown, err := answer.Code(stanza.Bytes(node))
		if err != nil {
			return stanza.ErrNotAuthorized
		}
		code = shown
		return nil
	})
	defer cancelNonce()
	var link signal.LinkCode
	requested, cancelRequest := state.steps.expect("encrypted_pairing_request", func(node *waBinary.Node) *stanza.QueryError {
		opened, err := answer.Open(stanza.Bytes(node))
		if err != nil || opened.NoisePublic != state.reg.Noise || opened.IdentityPublic != state.reg.Identity {
			return stanza.ErrNotAuthorized
		}
		link = opened
		return nil
	})
	defer cancelRequest()
	c.notify("crsc_continuation", waBinary.Node{Tag: "primary_ephemeral_identity", Content: answer.Identity})
	if _, err := c.await(ctx, revealed); err != nil {
		return signal.LinkCode{}, err
	}
	p.phone.Net.Observer.Emit(observe.Event{Kind: observe.EventPasskeyCode, Account: p.phone.Account.Number, Conn: c.id, Detail: code})
	if _, err := c.await(ctx, requested); err != nil {
		return signal.LinkCode{}, err
	}
	return link, nil
}

// queryPairRef answers with a new ref for a passkey pairing.
func (p *pairing) queryPairRef(_ *conn, link *linking, _ *waBinary.Node) ([]waBinary.Node, *stanza.QueryError) {
	ref := newRef()
	link.passkeyRef.Store(&ref)
	return []waBinary.Node{{Tag: "ref", Content: []byte(ref)}}, nil
}

// queryPasskeyOptions answers with the pending passkey request, for a client that could not read the notification.
func (p *pairing) queryPasskeyOptions(_ *conn, link *linking, _ *waBinary.Node) ([]waBinary.Node, *stanza.QueryError) {
	options := link.passkeyOptions.Load()
	if options == nil {
		return nil, stanza.ErrNotFound
	}
	return []waBinary.Node{{Tag: "passkey_request_options", Content: *options}}, nil
}

// state returns the state of the linker for saving.
func (p *linker) state() (phones.PairingState, error) {
	key, id, err := p.passkey.State()
	return phones.PairingState{PasskeyRequired: p.PasskeyRequired(), Passkey: key, PasskeyID: id}, err
}
