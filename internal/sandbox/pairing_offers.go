package sandbox

import (
	"sync"

	"wasup/internal/sandbox/accounts"
	"wasup/internal/sandbox/network"
)

// pairing finds the pairing client for a scanned or entered code.
type pairing struct {
	cfg Config
	net *network.Network

	mu sync.RWMutex
	// refs holds the valid pairing refs, codes the latest request of a client to pair by a code, by the account that it
	// names.
	refs  map[string]*linkOffer
	codes map[*accounts.Account]*codeOffer
}

func newPairing(cfg Config, net *network.Network) *pairing {
	return &pairing{cfg: cfg, net: net, refs: make(map[string]*linkOffer), codes: make(map[*accounts.Account]*codeOffer)}
}

func (p *pairing) offerRefs(offers []*linkOffer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, offer := range offers {
		p.refs[offer.ref] = offer
	}
}

func (p *pairing) withdrawRefs(offers []*linkOffer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, offer := range offers {
		delete(p.refs, offer.ref)
	}
}

func (p *pairing) offered(ref string) *linkOffer {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.refs[ref]
}

// offerCode stores a request to pair by a code. It replaces an older one: a phone asks for one code at a time.
func (p *pairing) offerCode(offer *codeOffer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.codes[offer.account] = offer
}

func (p *pairing) withdrawCode(offer *codeOffer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.codes[offer.account] == offer {
		delete(p.codes, offer.account)
	}
}

func (p *pairing) codeOf(a *accounts.Account) *codeOffer {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.codes[a]
}

// wrongCode counts a wrong entry. After maxCodeTries the request is removed.
func (p *pairing) wrongCode(offer *codeOffer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	offer.tries++
	if offer.tries >= maxCodeTries && p.codes[offer.account] == offer {
		delete(p.codes, offer.account)
	}
}
