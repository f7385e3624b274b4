package phones

import (
	"fmt"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"google.golang.org/protobuf/proto"

	"wasup/internal/sandbox/faults"
	"wasup/internal/sandbox/groups"
	"wasup/internal/sandbox/signal"
)

// encryptForGroup encrypts a message once with the phone's sender key for the group, and encrypts that key for every
// device of every member. So a device that is new or lost the key can read from this message on.
func (p *sender) encryptForGroup(message sentMessage) ([]waBinary.Node, error) {
	g := message.chat.Shared
	key, err := p.senderKey(g)
	if err != nil {
		return nil, err
	}
	plain, err := proto.Marshal(&waE2E.Message{SenderKeyDistributionMessage: key})
	if err != nil {
		return nil, fmt.Errorf("sandbox: encoding a sender key: %w", err)
	}
	var copies []waBinary.Node
	for _, owner := range g.Audience(p.Account) {
		for _, device := range p.Net.Dir.DeviceIDs(owner) {
			if owner == p.Account && device == 0 {
				continue
			}
			enc, err := p.encrypt(owner.LIDJID(device), plain)
			if err != nil {
				p.Net.Log.Warn("phone could not encrypt for a device", "err", err)
				continue
			}
			copies = append(copies, waBinary.Node{Tag: "to", Attrs: waBinary.Attrs{"jid": owner.JIDOn(g.Server(), device)}, Content: []waBinary.Node{enc}})
		}
	}
	if _, broken := p.Net.Faults.Strike(faults.WithholdSenderKey, p.Account); broken {
		copies = nil
	}
	sealed, err := p.Sig.GroupEncrypt(g.Address(), p.LID(), signal.Pad(message.plain))
	if err != nil {
		return nil, fmt.Errorf("sandbox: encrypting for a group: %w", err)
	}
	return []waBinary.Node{
		{Tag: "participants", Content: copies},
		{Tag: "enc", Attrs: message.encAttrs(signal.TypeSenderKeyMessage), Content: sealed},
	}, nil
}

// senderKey returns the phone's sender key for a group, in the form in which others get it.
func (p *sender) senderKey(g groups.Shared) (*waE2E.SenderKeyDistributionMessage, error) {
	raw, err := p.Sig.CreateSenderKey(g.Address(), p.LID())
	if err != nil {
		return nil, fmt.Errorf("sandbox: making a sender key: %w", err)
	}
	return &waE2E.SenderKeyDistributionMessage{GroupID: proto.String(g.Address().String()), AxolotlSenderKeyDistributionMessage: raw}, nil
}

// withSenderKey returns a group message as it is sent again to one device: with the sender key for the next messages.
func (p *sender) withSenderKey(message sentMessage) ([]byte, error) {
	var content waE2E.Message
	if err := proto.Unmarshal(message.plain, &content); err != nil {
		return nil, fmt.Errorf("sandbox: reading a message: %w", err)
	}
	key, err := p.senderKey(message.chat.Shared)
	if err != nil {
		return nil, err
	}
	content.SenderKeyDistributionMessage = key
	plain, err := proto.Marshal(&content)
	if err != nil {
		return nil, fmt.Errorf("sandbox: encoding a message: %w", err)
	}
	return plain, nil
}
