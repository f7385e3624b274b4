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

// RequirePasskey makes the account demand its passkey at every pairing from now on, or not any more. Scan and
// EnterCode then wait until the client has answered the demand and confirmed.
func (p *linker) RequirePasskey(required bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.passkeyRequired = required
	p.phone.Account.Changed.Store(true)
}

// PasskeyRequired says whether pairings need the passkey.
func (p *linker) PasskeyRequired() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.passkeyRequired
}

// Passkey is the account's passkey, which answers the demands that clients pass on.
func (p *linker) Passkey() *passkey.Passkey { return p.passkey }

// linkClient links a client after its code was scanned or entered: with the passkey, if the account demands it.
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

// demandPasskey has the client prove the passkey, compare codes and hand over its keys anew. It returns what
// the pairing goes on with. The steps are those of whatsmeow's pair-passkey.go.
func (p *linker) demandPasskey(ctx context.Context, c *conn, state *linking, link signal.LinkCode) (signal.LinkCode, error) {
	request, err := p.passkey.Request()
	if err != nil {
		return signal.LinkCode{}, err
	}
	options, err := json.Marshal(request)
	if err != nil {
		return signal.LinkCode{}, fmt.Errorf("sandbox: encoding the passkey request: %w", err)
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

// readPrologue checks the assertion and the client's first message.
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
	// Without a proof people compare the codes; a wrong one is worse than none.
	if proof, ok := node.GetOptionalChildByTag("pairing_handoff_proof"); ok && !signal.HandoffProven(link.ADVSecret, stanza.Bytes(&payload), stanza.Bytes(&proof)) {
		return nil, stanza.ErrNotAuthorized
	}
	return prologue, nil
}

// continuePasskey answers the prologue and takes the client's keys.
func (p *linker) continuePasskey(ctx context.Context, c *conn, state *linking, prologue *signal.PasskeyPrologue) (signal.LinkCode, error) {
	answer, err := signal.AnswerPasskey(prologue)
	if err != nil {
		return signal.LinkCode{}, fmt.Errorf("sandbox: answering the prologue: %w", err)
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

// queryPairRef hands out the ref that a passkey pairing is bound to.
func (p *pairing) queryPairRef(_ *conn, link *linking, _ *waBinary.Node) ([]waBinary.Node, *stanza.QueryError) {
	ref := newRef()
	link.passkeyRef.Store(&ref)
	return []waBinary.Node{{Tag: "ref", Content: []byte(ref)}}, nil
}

// queryPasskeyOptions repeats the demand to a client that could not read it.
func (p *pairing) queryPasskeyOptions(_ *conn, link *linking, _ *waBinary.Node) ([]waBinary.Node, *stanza.QueryError) {
	options := link.passkeyOptions.Load()
	if options == nil {
		return nil, stanza.ErrNotFound
	}
	return []waBinary.Node{{Tag: "passkey_request_options", Content: *options}}, nil
}

// state is what is kept of the linker.
func (p *linker) state() (phones.PairingState, error) {
	key, id, err := p.passkey.State()
	return phones.PairingState{PasskeyRequired: p.PasskeyRequired(), Passkey: key, PasskeyID: id}, err
}
