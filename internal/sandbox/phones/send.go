package phones

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"

	"google.golang.org/protobuf/proto"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"

	"wasup/internal/sandbox/accounts"
	"wasup/internal/sandbox/business"
	"wasup/internal/sandbox/groups"
	"wasup/internal/sandbox/kinds"
	"wasup/internal/sandbox/signal"
	"wasup/internal/sandbox/stanza"
)

// sentMessage is a sent message, stored for receivers that ask to encrypt it again.
type sentMessage struct {
	chat groups.Chat
	// kind, stanza, edit and mediaType determine attributes.
	kind         Kind
	stanza, edit string
	mediaType    string
	// peer marks a message for a client of the own account, which people do not see.
	peer bool
	// about is the author of the status that a reaction is about.
	about *accounts.Account
	// plain is the content for the other side, copied the content for the account's own devices.
	plain, copied []byte
	// masked is what linked devices of the other side get instead of plain; nil: plain.
	masked []byte
}

// maxSent bounds how many sent messages are stored.
const maxSent = 1000

// sender encrypts and sends a phone's messages.
type sender struct {
	*handset

	availability *availability
	journal      *journal
	codec        *codec
	// sending is held while one message is encrypted and routed.
	sending sync.Mutex

	mu    sync.Mutex
	sent  map[string]sentMessage
	order []string
}

// SendText sends a text from the phone to a phone number, a JID or the JID of a group.
func (p *sender) SendText(ctx context.Context, to, text string) (string, error) {
	return p.SendMessage(ctx, Outgoing{To: to, Kind: KindText, Text: text})
}

// SendMessage sends a message from the phone and returns its id. The message is encrypted for every device of the
// receiver, and a copy for every device linked to the phone. In a group it is encrypted with the phone's sender key,
// which every device gets. Receivers that are offline get it when they are back. It fails with an *OutgoingError for an
// invalid message, accounts.ErrUnknownContact for an unknown receiver, ErrOffline, or an error of package groups.
func (p *sender) SendMessage(ctx context.Context, out Outgoing) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	if out.Kind == "" {
		out.Kind = KindText
	}
	if err := out.check(); err != nil {
		return "", err
	}
	if !p.availability.Online() {
		return "", ErrOffline
	}
	if jid, err := types.ParseJID(out.To); err == nil && jid.Server == types.NewsletterServer {
		return p.publish(&out, jid)
	}
	to, err := p.Net.Groups.Chat(out.To)
	if err != nil {
		return "", err
	}
	return p.dispatch(&out, to)
}

// dispatch encrypts and routes a message that was checked.
func (p *sender) dispatch(out *Outgoing, to groups.Chat) (string, error) {
	if to.Shared != nil {
		if err := to.Shared.MaySend(p.Account, out.Kind == KindReaction); err != nil {
			return "", err
		}
	}
	content, kept, err := p.codec.compose(out, to)
	if err != nil {
		return "", err
	}
	message := sentMessage{chat: to, kind: out.Kind, stanza: stanzaType(out.Kind), edit: editAttribute(out, kept), mediaType: mediaType(out), about: kept.about}
	if message.plain, err = proto.Marshal(content); err != nil {
		return "", fmt.Errorf("sandbox: encoding a message: %w", err)
	}
	kept.raw = message.plain
	p.heed(content, kept)
	if out.Business != nil && out.Business.Placeholder() != nil {
		if message.masked, err = proto.Marshal(out.Business.Placeholder()); err != nil {
			return "", fmt.Errorf("sandbox: encoding a message: %w", err)
		}
	}
	if out.Business != nil || out.Kind == KindChoice {
		inner, _ := kinds.Unwrap(content)
		if message.mediaType = business.MediaType(inner); message.mediaType != "" {
			message.stanza = "media"
		}
	}
	message.copied, err = proto.Marshal(&waE2E.Message{
		DeviceSentMessage:  &waE2E.DeviceSentMessage{DestinationJID: proto.String(to.Hidden().String()), Message: content},
		MessageContextInfo: content.MessageContextInfo,
	})
	if err != nil {
		return "", fmt.Errorf("sandbox: encoding a message: %w", err)
	}
	kept.ID, kept.Type = stanza.NewMessageID(), message.stanza
	// One message at a time, so that messages arrive in the order of the calls.
	p.sending.Lock()
	defer p.sending.Unlock()
	p.keep(kept.ID, message)
	node, err := p.stanza(kept.ID, message)
	if err != nil {
		return "", err
	}
	p.journal.enter(kept)
	if told := p.Net.Router.RouteMessage(accounts.Origin{Account: p.Account, Scripted: out.scripted}, &node); told.Code != 0 {
		return "", fmt.Errorf("sandbox: the server refused the message: error %d", told.Code)
	}
	return kept.ID, nil
}

// stanza encrypts a message for all its receivers and returns the stanza.
func (p *sender) stanza(id string, message sentMessage) (waBinary.Node, error) {
	attrs := waBinary.Attrs{"id": id, "to": message.chat.Hidden(), "type": message.stanza, "edit": message.edit}
	node := waBinary.Node{Tag: "message", Attrs: attrs}
	if message.chat.Shared == nil {
		node.Content = append([]waBinary.Node{{Tag: "participants", Content: p.encryptForAll(message)}}, message.meta()...)
		return node, nil
	}
	if message.isForAuthor() {
		node.Content = p.encryptForAuthor(message)
		return node, nil
	}
	content, err := p.encryptForGroup(message)
	if err != nil {
		return waBinary.Node{}, err
	}
	attrs["addressing_mode"] = message.chat.Shared.Mode()
	node.Content = append(content, message.meta()...)
	return node, nil
}

// meta returns the node that marks a poll or a vote.
func (m *sentMessage) meta() []waBinary.Node {
	switch m.kind {
	case KindPoll:
		return []waBinary.Node{{Tag: "meta", Attrs: waBinary.Attrs{"polltype": "creation"}}}
	case KindVote:
		return []waBinary.Node{{Tag: "meta", Attrs: waBinary.Attrs{"polltype": "vote"}}}
	case kinds.Event:
		return []waBinary.Node{{Tag: "meta", Attrs: waBinary.Attrs{"event_type": "creation"}}}
	case kinds.EventAnswer:
		return []waBinary.Node{{Tag: "meta", Attrs: waBinary.Attrs{"event_type": "response"}}}
	default:
		return nil
	}
}

// encAttrs returns the attributes that every ciphertext of the message has.
func (m *sentMessage) encAttrs(kind string) waBinary.Attrs {
	attrs := waBinary.Attrs{"v": "2", "type": kind, "mediatype": m.mediaType}
	switch m.kind {
	case KindVote, KindReaction, KindEdit, KindRevoke, kinds.Pin, kinds.Keep, kinds.EventEdit, kinds.EventAnswer:
		// Receivers that cannot decrypt such a message show nothing.
		attrs["decrypt-fail"] = "hide"
	default:
	}
	return attrs
}

// stanzaType returns the type attribute of a message (whatsmeow send.go, getTypeFromMessage).
func stanzaType(kind Kind) string {
	switch {
	case kind == KindReaction:
		return "reaction"
	case kind == KindPoll || kind == KindVote:
		return "poll"
	case kind == kinds.Event || kind == kinds.EventAnswer || kind == kinds.EventEdit:
		return "event"
	case kind.hasFile() || kind == KindContact || kind == KindLocation:
		return "media"
	default:
		return "text"
	}
}

// mediaType returns the mediatype attribute of a ciphertext (whatsmeow send.go, getMediaTypeFromMessage).
func mediaType(out *Outgoing) string {
	switch {
	case out.Kind == KindText && out.Preview != nil:
		return "url"
	case out.Kind == KindContact:
		return "vcard"
	case out.Kind == KindLocation:
		return "location"
	case out.Kind == KindAudio && out.Media.Voice:
		return "ptt"
	case out.Kind == KindVideo && out.Media.GIF:
		return "gif"
	case out.Kind.hasFile():
		return string(out.Kind)
	default:
		return ""
	}
}

// editAttribute returns the edit attribute of a message (whatsmeow types, EditAttribute).
func editAttribute(out *Outgoing, kept *Message) string {
	switch {
	case out.Kind == KindEdit:
		return "1"
	case out.Kind == kinds.Pin:
		return "2"
	case out.Kind == KindRevoke && kept.about != kept.author:
		return "8"
	case out.Kind == KindRevoke, out.Kind == KindReaction && out.Text == "":
		return "7"
	default:
		return ""
	}
}

func (p *sender) keep(id string, message sentMessage) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sent[id] = message
	p.order = append(p.order, id)
	if len(p.order) > maxSent {
		delete(p.sent, p.order[0])
		p.order = p.order[1:]
	}
}

// encryptForAll encrypts a message for the devices of the chat and the phone's own devices. A device for which this
// fails is left out, as real phones do.
func (p *sender) encryptForAll(message sentMessage) []waBinary.Node {
	type copyFor struct {
		jid       types.JID
		plaintext []byte
	}
	var copies []copyFor
	if other := message.chat.Account; other != p.Account {
		copies = append(copies, copyFor{other.LIDJID(0), message.plain})
		for _, dev := range p.Net.Dir.DevicesOf(other) {
			copies = append(copies, copyFor{other.LIDJID(dev.ID), message.plainFor(dev.ID)})
		}
	}
	for _, dev := range p.Net.Dir.DevicesOf(p.Account) {
		copies = append(copies, copyFor{p.Account.LIDJID(dev.ID), message.copied})
	}
	nodes := make([]waBinary.Node, 0, len(copies))
	for _, c := range copies {
		enc, err := p.encrypt(c.jid, c.plaintext)
		if err != nil {
			p.Net.Log.Warn("phone could not encrypt for a device", "err", err)
			continue
		}
		enc.Attrs = message.encAttrs(stanza.Attr(&enc, "type"))
		nodes = append(nodes, waBinary.Node{Tag: "to", Attrs: waBinary.Attrs{"jid": c.jid}, Content: []waBinary.Node{enc}})
	}
	return nodes
}

// encrypt encrypts for one device, starting a session if there is none.
func (p *sender) encrypt(jid types.JID, plaintext []byte) (waBinary.Node, error) {
	defer p.Account.Changed.Store(true)
	if !p.Sig.HasSession(jid) {
		bundle, err := p.Net.Keys.BundleOf(jid)
		if err != nil {
			return waBinary.Node{}, err
		}
		if err = p.Sig.ProcessBundle(jid, bundle); err != nil {
			return waBinary.Node{}, err
		}
	}
	kind, ciphertext, err := p.Sig.Encrypt(jid, signal.Pad(plaintext))
	if err != nil {
		return waBinary.Node{}, err
	}
	return waBinary.Node{Tag: "enc", Attrs: waBinary.Attrs{"v": "2", "type": kind}, Content: ciphertext}, nil
}

// plainFor returns the content for a device of the other side.
func (m *sentMessage) plainFor(device uint16) []byte {
	if device != 0 && m.masked != nil {
		return m.masked
	}
	return m.plain
}

// isFor reports whether an account may have a message of the author: others may guess ids and ask for what they were
// never sent.
func (m *sentMessage) isFor(author, asks *accounts.Account) bool {
	switch {
	case asks == author:
		return true
	case m.chat.Shared != nil:
		return m.chat.Shared.Has(asks) && slices.Contains(m.chat.Shared.Audience(author), asks)
	default:
		return m.chat.Account == asks && !m.peer
	}
}

// sendAgain encrypts a sent message again for a device that could not decrypt it.
func (p *sender) sendAgain(d accounts.Delivery) {
	retry := d.Node.GetChildByTag("retry")
	id := stanza.Attr(&retry, "id")
	count, err := strconv.Atoi(stanza.Attr(&retry, "count"))
	p.mu.Lock()
	message, ok := p.sent[id]
	p.mu.Unlock()
	if err != nil || !ok || count > maxRetries || !message.isFor(p.Account, d.From.Account) {
		return
	}
	device := d.From.Account.LIDJID(d.From.Device)
	if bundle, ok := accounts.RetryBundle(&d.Node); ok {
		if err = p.Sig.ProcessBundle(device, bundle); err != nil {
			p.Net.Log.Warn("phone got bad keys in a retry receipt", "err", err)
			return
		}
	} else {
		// The session is broken. The next encrypt starts a new one.
		p.Sig.DeleteSession(device)
	}
	plaintext := message.plainFor(d.From.Device)
	attrs := waBinary.Attrs{"id": id, "to": device, "type": message.stanza, "edit": message.edit, "device_fanout": "false"}
	switch {
	case message.chat.Shared != nil:
		if plaintext, err = p.withSenderKey(message); err != nil {
			p.Net.Log.Warn("phone could not encrypt a group message again", "err", err)
			return
		}
		attrs["to"], attrs["participant"] = message.chat.JID(), d.From.Account.JIDOn(message.chat.Server(), d.From.Device)
	case message.peer:
		attrs["category"] = stanza.CategoryPeer
	case d.From.Account == p.Account:
		plaintext = message.copied
		attrs["recipient"] = message.chat.Hidden()
	}
	enc, err := p.encrypt(device, plaintext)
	if err != nil {
		p.Net.Log.Warn("phone could not encrypt a message again", "err", err)
		return
	}
	enc.Attrs = message.encAttrs(stanza.Attr(&enc, "type"))
	enc.Attrs["count"] = strconv.Itoa(count)
	node := waBinary.Node{Tag: "message", Attrs: attrs, Content: append([]waBinary.Node{enc}, message.meta()...)}
	p.Net.Router.RouteMessage(accounts.Origin{Account: p.Account}, &node)
}

// sendPeer sends one of the account's devices a message for the client, which people do not see. It returns the id.
func (p *sender) sendPeer(dev *accounts.Device, content *waE2E.ProtocolMessage) (string, error) {
	plain, err := proto.Marshal(&waE2E.Message{ProtocolMessage: content})
	if err != nil {
		return "", fmt.Errorf("sandbox: encoding a peer message: %w", err)
	}
	p.sending.Lock()
	defer p.sending.Unlock()
	id, to := stanza.NewMessageID(), p.Account.LIDJID(dev.ID)
	p.keep(id, sentMessage{chat: groups.Chat{Account: p.Account}, stanza: stanza.TypePeer, plain: plain, copied: plain, peer: true})
	enc, err := p.encrypt(to, plain)
	if err != nil {
		return "", err
	}
	node := waBinary.Node{
		Tag:     "message",
		Attrs:   waBinary.Attrs{"id": id, "to": to, "type": stanza.TypePeer, "category": stanza.CategoryPeer, "push_priority": "high"},
		Content: []waBinary.Node{enc},
	}
	if told := p.Net.Router.RouteMessage(accounts.Origin{Account: p.Account}, &node); told.Code != 0 {
		return "", fmt.Errorf("sandbox: the server refused a peer message: error %d", told.Code)
	}
	return id, nil
}
