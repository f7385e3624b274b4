package sandbox

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"

	"wasup/internal/sandbox/accounts"
	"wasup/internal/sandbox/observe"
	"wasup/internal/sandbox/signal"
	"wasup/internal/sandbox/stanza"
)

// Errors of EnterCode.
var (
	// ErrBadPairCode means that the input does not have the form of a code.
	ErrBadPairCode = errors.New("not a pairing code: expected 8 letters and digits, such as ABCD-1234")
	// ErrNoCode means that no client currently asks to pair with this phone by a code.
	ErrNoCode = errors.New("no client asked this phone for a pairing code")
	// ErrWrongCode means that the client shows another code.
	ErrWrongCode = errors.New("wrong pairing code")
)

// maxCodeTries is the number of wrong entries after which the client must ask for a new code.
const maxCodeTries = 3

// The two stages of pairing by code that the client starts (whatsmeow, pair-code.go).
const (
	stageHello  = "companion_hello"
	stageFinish = "companion_finish"
)

// displayName matches the allowed display names of clients: browser and system. WhatsApp refuses others with 400
// (whatsmeow, PairPhone).
var displayName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9 ._-]{0,30} \([A-Za-z0-9][A-Za-z0-9 ._-]{0,30}\)$`)

// codeOffer is a client's request to pair with one phone by a code.
type codeOffer struct {
	ref     string
	conn    *conn
	account *accounts.Account
	wrapped []byte
	tries   int
}

// queryPairByCode handles both stages of pairing by code.
func (p *pairing) queryPairByCode(c *conn, link *linking, query *waBinary.Node) ([]waBinary.Node, *stanza.QueryError) {
	request := query.GetChildByTag("link_code_companion_reg")
	switch stanza.Attr(&request, "stage") {
	case stageHello:
		return p.codeHello(c, link, &request)
	case stageFinish:
		return nil, link.steps.tell(stageFinish, &request)
	default:
		return nil, stanza.ErrBadRequest
	}
}

func (p *pairing) codeHello(c *conn, link *linking, request *waBinary.Node) ([]waBinary.Node, *stanza.QueryError) {
	wrapped := request.GetChildByTag("link_code_pairing_wrapped_companion_ephemeral_pub")
	noise := request.GetChildByTag("companion_server_auth_key_pub")
	display := request.GetChildByTag("companion_platform_display")
	if len(stanza.Bytes(&wrapped)) != signal.WrappedKeySize || string(stanza.Bytes(&noise)) != string(link.reg.Noise[:]) || !displayName.Match(stanza.Bytes(&display)) {
		return nil, stanza.ErrBadRequest
	}
	account := p.net.Dir.Find(stanza.JID(request, "jid"))
	if account == nil {
		return nil, stanza.ErrNotFound
	}
	offer := &codeOffer{ref: newRef(), conn: c, account: account, wrapped: stanza.Bytes(&wrapped)}
	if old := link.code.Swap(offer); old != nil {
		p.withdrawCode(old)
	}
	p.offerCode(offer)
	select {
	case <-c.gone:
		// If the connection has ended meanwhile, its cleanup has not withdrawn this offer.
		p.withdrawCode(offer)
	default:
	}
	p.net.Observer.Emit(observe.Event{Kind: observe.EventCodeRequested, Account: account.Number, Conn: c.id, Detail: string(stanza.Bytes(&display))})
	return []waBinary.Node{{
		Tag:     "link_code_companion_reg",
		Attrs:   waBinary.Attrs{"stage": stageHello},
		Content: []waBinary.Node{{Tag: "link_code_pairing_ref", Content: []byte(offer.ref)}},
	}}, nil
}

// EnterCode makes the phone enter the code that a client shows for its number, with or without the hyphen. The code
// belongs to the client that asked last. It is valid until that client's connection ends or three wrong entries were
// made. EnterCode returns the JID of the new device once the client has confirmed. Errors: ErrBadPairCode, ErrNoCode,
// ErrWrongCode, ErrPairBusy, ErrPairRefused, ErrClientGone, ErrTooManyDevices, phones.ErrRemoved or that of ctx.
func (p *linker) EnterCode(ctx context.Context, code string) (types.JID, error) {
	code, err := plainCode(code)
	if err != nil {
		return types.EmptyJID, err
	}
	offer := p.pairing.codeOf(p.phone.Account)
	if offer == nil {
		return types.EmptyJID, ErrNoCode
	}
	c := offer.conn
	state := c.link.Load()
	release, err := state.occupy()
	if err != nil {
		return types.EmptyJID, err
	}
	defer release()
	link, err := p.exchange(ctx, offer, state, code)
	if errors.Is(err, ErrWrongCode) {
		p.pairing.wrongCode(offer)
	}
	if err != nil {
		return types.EmptyJID, err
	}
	p.retireEntered(c, state)
	return p.linkClient(ctx, c, state, link)
}

// plainCode removes hyphens and spaces from an entered code, and turns it to upper case.
func plainCode(code string) (string, error) {
	plain := strings.ToUpper(strings.NewReplacer("-", "", " ", "").Replace(code))
	ok := func(r rune) bool { return r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' }
	if len(plain) != 8 || strings.ContainsFunc(plain, func(r rune) bool { return !ok(r) }) {
		return "", ErrBadPairCode
	}
	return plain, nil
}

// exchange proves the code to the client and gets the data that a QR would contain.
func (p *linker) exchange(ctx context.Context, offer *codeOffer, state *linking, code string) (signal.LinkCode, error) {
	c := offer.conn
	answer, err := p.phone.Sig.AnswerCode(code, offer.wrapped)
	if errors.Is(err, signal.ErrPairCode) {
		return signal.LinkCode{}, ErrWrongCode
	}
	if err != nil {
		return signal.LinkCode{}, fmt.Errorf("sandbox: answer the code: %w", err)
	}
	finished, cancel := state.steps.expect(stageFinish, func(request *waBinary.Node) *stanza.QueryError {
		ref := request.GetChildByTag("link_code_pairing_ref")
		if string(stanza.Bytes(&ref)) != offer.ref {
			return stanza.ErrBadRequest
		}
		return nil
	})
	defer cancel()
	identity := p.phone.Sig.IdentityPublic()
	c.notify("link_code_companion_reg", waBinary.Node{
		Tag:   "link_code_companion_reg",
		Attrs: waBinary.Attrs{"stage": "primary_hello"},
		Content: []waBinary.Node{
			{Tag: "link_code_pairing_wrapped_primary_ephemeral_pub", Content: answer.Wrapped},
			{Tag: "primary_identity_pub", Content: identity[:]},
			{Tag: "link_code_pairing_ref", Content: []byte(offer.ref)},
		},
	})
	request, err := c.await(ctx, finished)
	if err != nil {
		return signal.LinkCode{}, err
	}
	bundle := request.GetChildByTag("link_code_pairing_wrapped_key_bundle")
	secret, err := answer.Open(stanza.Bytes(&bundle), state.reg.Identity)
	if errors.Is(err, signal.ErrPairCode) {
		return signal.LinkCode{}, ErrWrongCode
	}
	if err != nil {
		return signal.LinkCode{}, fmt.Errorf("sandbox: open the key bundle: %w", err)
	}
	return signal.LinkCode{Ref: offer.ref, NoisePublic: state.reg.Noise, IdentityPublic: state.reg.Identity, ADVSecret: secret}, nil
}

// await waits for a stanza of the client.
func (c *conn) await(ctx context.Context, step <-chan *waBinary.Node) (*waBinary.Node, error) {
	select {
	case node := <-step:
		return node, nil
	case <-c.gone:
		return nil, ErrClientGone
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// notify sends a notification from the server to a pairing client.
func (c *conn) notify(kind string, content waBinary.Node) {
	c.Send(waBinary.Node{
		Tag:     "notification",
		Attrs:   waBinary.Attrs{"from": types.ServerJID, "type": kind, "id": stanza.NewID(), "t": stanza.Now()},
		Content: []waBinary.Node{content},
	})
}
