package sandbox

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"

	"wasup/internal/sandbox/observe"
	"wasup/internal/sandbox/signal"
	"wasup/internal/sandbox/stanza"
)

// Errors of acks to messages for groups.
const (
	ackForbidden    = 403
	ackUnknownGroup = 404
	ackNotAMember   = 420
)

// routeGroup hands a group message to every device of every member: the part that all of them share and, where
// there is one, the part that is encrypted for that device alone.
func (r *router) routeGroup(from origin, node *waBinary.Node) verdict {
	g := r.groups.find(stanza.JID(node, "to"))
	if g == nil || stanza.Attr(node, "id") == "" {
		return verdict{code: ackUnknownGroup}
	}
	if participant := stanza.JID(node, "participant"); !participant.IsEmpty() {
		return r.routeGroupRetry(from, g, participant, node)
	}
	switch err := g.maySend(from.account); {
	case err == nil:
	case errors.Is(err, ErrNotInGroup):
		return verdict{code: ackNotAMember}
	default:
		return verdict{code: ackForbidden}
	}
	shared := node.GetChildrenByTag("enc")
	list := node.GetChildByTag("participants")
	copies := list.GetChildrenByTag("to")
	if len(shared) == 0 || len(copies) > maxMembers*maxDevicesInGroup {
		return verdict{code: ackBadMessage}
	}
	alone := make(map[types.JID][]waBinary.Node, len(copies))
	given := map[types.JID]bool{from.account.jidOn(g.server(), from.device): true}
	for i := range copies {
		jid := stanza.JID(&copies[i], "jid")
		if owner := r.dir.find(jid); owner != nil {
			named := owner.jidOn(g.server(), jid.Device)
			given[named] = true
			alone[named] = copies[i].GetChildren()
		}
	}
	var want []types.JID
	for _, owner := range g.accounts() {
		for _, device := range r.dir.deviceIDs(owner) {
			named := owner.jidOn(g.server(), device)
			want = append(want, named)
			if owner == from.account && device == from.device {
				continue
			}
			r.handGroupCopy(from, node, g, owner, device, append(alone[named][:len(alone[named]):len(alone[named])], shared...))
		}
	}
	return verdict{phash: differing(want, given)}
}

// maxDevicesInGroup bounds, together with the number of members, the copies of one message.
const maxDevicesInGroup = 5

// differing returns the hash of the right list of devices when another one was used.
func differing(want []types.JID, given map[types.JID]bool) string {
	same := len(want) == len(given)
	for _, jid := range want {
		same = same && given[jid]
	}
	if same {
		return ""
	}
	return stanza.ParticipantHash(want)
}

// deviceIDs lists the devices of an account, the phone first.
func (d *directory) deviceIDs(owner *account) []uint16 {
	ids := []uint16{0}
	for _, dev := range d.devicesOf(owner) {
		ids = append(ids, dev.id)
	}
	return ids
}

// routeGroupRetry hands over what was encrypted again for one device that asked for it.
func (r *router) routeGroupRetry(from origin, g *group, participant types.JID, node *waBinary.Node) verdict {
	owner := r.dir.find(participant)
	if owner == nil {
		return verdict{code: ackUnknownRecipient}
	}
	r.handGroupCopy(from, node, g, owner, participant.Device, node.GetChildrenByTag("enc"))
	return verdict{}
}

// handGroupCopy builds a group message as one receiving device sees it and hands it over.
func (r *router) handGroupCopy(from origin, node *waBinary.Node, g *group, owner *account, device uint16, enc []waBinary.Node) {
	attrs := waBinary.Attrs{
		"from":            g.jid,
		"participant":     from.account.jidOn(g.server(), from.device),
		"id":              stanza.Attr(node, "id"),
		"t":               stanza.Now(),
		"type":            stanza.Attr(node, "type"),
		"notify":          r.courier.nameOf(from),
		"edit":            stanza.Attr(node, "edit"),
		"addressing_mode": g.addressing,
	}
	if g.addressing == AddressingPN {
		attrs["participant_lid"] = from.account.lidJID(from.device)
	} else {
		attrs["participant_pn"] = from.account.jid(from.device)
	}
	copied := waBinary.Node{Tag: "message", Attrs: attrs, Content: append(enc[:len(enc):len(enc)], passedOn(node)...)}
	r.observer.Count(func(n *observe.Counters) { n.MessagesOut++ })
	if device == 0 {
		owner.phone.take(delivery{node: copied, from: from, group: g})
		return
	}
	if dev := r.dir.device(owner, device); dev != nil {
		r.courier.handMessage(dev, copied)
	}
}

// routeGroupReceipt passes a receipt about a group message on to its sender, and to the reader's other devices
// when it was read.
func (r *router) routeGroupReceipt(from origin, g *group, node *waBinary.Node) {
	kind, participant := stanza.Attr(node, "type"), stanza.JID(node, "participant")
	author := r.dir.find(participant)
	if author == nil || kind == receiptSender || kind == receiptPeer {
		return
	}
	attrs := waBinary.Attrs{
		"from": g.jid, "participant": from.account.jidOn(g.server(), from.device), "id": stanza.Attr(node, "id"), "t": stanza.Now(), "type": kind,
		"addressing_mode": g.addressing,
	}
	receipt := waBinary.Node{Tag: "receipt", Attrs: attrs, Content: node.Content}
	if kind == receiptRetry {
		r.courier.handReceipt(author, participant.Device, receipt, from)
		return
	}
	if kind == receiptRead || kind == receiptPlayed {
		attrs["participant"] = from.account.jidOn(g.server(), 0)
		self := stanza.With(stanza.With(receipt, "type", receiptReadSelf), "recipient", participant.ToNonAD())
		r.courier.handReceipts(from.account, self, from)
	}
	r.courier.handReceipts(author, receipt, from)
}

// encryptForGroup encrypts a message once with the phone's sender key for the group, and that key for every
// device of every member: a device that came later or lost it can read from here on.
func (p *sender) encryptForGroup(message sentMessage) ([]waBinary.Node, error) {
	g := message.chat.group
	key, err := p.senderKey(g)
	if err != nil {
		return nil, err
	}
	plain, err := proto.Marshal(&waE2E.Message{SenderKeyDistributionMessage: key})
	if err != nil {
		return nil, fmt.Errorf("sandbox: encoding a sender key: %w", err)
	}
	var copies []waBinary.Node
	for _, owner := range g.accounts() {
		for _, device := range p.net.dir.deviceIDs(owner) {
			if owner == p.account && device == 0 {
				continue
			}
			enc, err := p.encrypt(owner.lidJID(device), plain)
			if err != nil {
				p.net.log.Warn("phone could not encrypt for a device", "err", err)
				continue
			}
			copies = append(copies, waBinary.Node{Tag: "to", Attrs: waBinary.Attrs{"jid": owner.jidOn(g.server(), device)}, Content: []waBinary.Node{enc}})
		}
	}
	if _, broken := p.net.faults.strike(FaultWithholdSenderKey, p.account); broken {
		copies = nil
	}
	sealed, err := p.sig.GroupEncrypt(g.jid, p.LID(), signal.Pad(message.plain))
	if err != nil {
		return nil, fmt.Errorf("sandbox: encrypting for a group: %w", err)
	}
	return []waBinary.Node{
		{Tag: "participants", Content: copies},
		{Tag: "enc", Attrs: message.encAttrs(signal.TypeSenderKeyMessage), Content: sealed},
	}, nil
}

// senderKey is the phone's sender key for a group, as others have to get it.
func (p *sender) senderKey(g *group) (*waE2E.SenderKeyDistributionMessage, error) {
	raw, err := p.sig.CreateSenderKey(g.jid, p.LID())
	if err != nil {
		return nil, fmt.Errorf("sandbox: making a sender key: %w", err)
	}
	return &waE2E.SenderKeyDistributionMessage{GroupID: proto.String(g.jid.String()), AxolotlSenderKeyDistributionMessage: raw}, nil
}

// withSenderKey is a group message as it is sent again to one device: the message and the key for the next ones.
func (p *sender) withSenderKey(message sentMessage) ([]byte, error) {
	var content waE2E.Message
	if err := proto.Unmarshal(message.plain, &content); err != nil {
		return nil, fmt.Errorf("sandbox: reading a message: %w", err)
	}
	key, err := p.senderKey(message.chat.group)
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
