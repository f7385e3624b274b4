package sandbox

import "go.mau.fi/whatsmeow/proto/waE2E"

// receivePeer answers what a linked device asks its phone.
func (p *Phone) receivePeer(d delivery, content *waE2E.Message) {
	request := content.GetProtocolMessage()
	p.srv.emit(Event{Kind: EventPeer, Account: p.account.number, Device: p.account.jid(d.from.device).String(), Detail: request.GetType().String()})
}
